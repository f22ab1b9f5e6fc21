"""The filter in front of the exact look-up: says of nearly every new event, from memory alone, that it is new.

Derived from the stored events and never the truth: what it calls possibly known is looked up exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]

_BITS_PER_KEY: Final = 32
_BITS_SET: Final = 4
_CAPACITY_MIN: Final = 1 << 22
_PATTERN_BITS: Final = 16
_LINE_BITS: Final = 512
# So many keys that what is worked out of them stays in the processor's cache.
_AT_ONCE: Final = 32_768
_HALF: Final = np.uint64(32)
_PATTERN: Final = np.uint64((1 << _PATTERN_BITS) - 1)
# What differs between the two words of a key: an odd number, so that they are two.
_OTHERS_OF_LINE: Final = np.uint64(_LINE_BITS // 64 - 1)
_ONE: Final = np.uint64(1)
# What makes of a key's bits others, so that patterns do not go with places.
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


def _patterns() -> Keys:
    """Return 65,536 words with up to 4 bits set each (a bit may be drawn twice), the same in every run."""
    random = np.random.default_rng(20260101)
    shifts = random.integers(0, 64, (1 << _PATTERN_BITS, _BITS_SET), dtype=np.uint64)
    words: Keys = np.bitwise_or.reduce(np.uint64(1) << shifts, axis=1)
    return words


_PATTERNS: Final = _patterns()


class _Generation:
    """A Bloom filter whose keys touch two words of one line of the processor's cache: a look is one access to memory.

    Keys that ascend touch words that ascend.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.count = 0
        lines = -(-capacity * _BITS_PER_KEY // _LINE_BITS)
        self._words = np.zeros(lines * _LINE_BITS // 64, dtype=np.uint64)

    def add(self, keys: Keys, *, ascending: bool) -> None:
        self.count += len(keys)
        for places, masks in self._marks(keys):
            if ascending:
                np.bitwise_or.at(self._words, places, masks)
            else:
                self._scatter(places, masks)

    def _scatter(self, places: npt.NDArray[np.int64], masks: Keys) -> None:
        """Set what `bitwise_or.at` does, faster where each place is another access to memory: many of them at once."""
        while len(places):
            # of two keys of one word only one is written, and the other follows
            self._words[places] |= masks
            left = (self._words[places] & masks) != masks
            places, masks = places[left], masks[left]

    def holds(self, keys: Keys) -> npt.NDArray[np.bool_]:
        found = np.ones(len(keys), dtype=np.bool_)
        for places, masks in self._marks(keys):
            found &= (self._words[places] & masks) == masks
        return found

    def _marks(self, keys: Keys) -> Iterator[tuple[npt.NDArray[np.int64], Keys]]:
        """Yield the places of the keys' words, and the bits that are theirs there: first the one, then the other."""
        mixed = keys * _MIX
        places = (keys >> _HALF) * np.uint64(len(self._words)) >> _HALF
        beside = places ^ ((keys & _OTHERS_OF_LINE) | _ONE)
        for words, pattern in ((places, mixed >> np.uint64(48)), (beside, (mixed >> _HALF) & _PATTERN)):
            yield words.view(np.int64), _PATTERNS[pattern.view(np.int64)]


class Sieve:
    """A set of keys that never misses a member and takes a few strangers in a hundred thousand for one.

    Grows by generations, each as large as all before it, so that memory stays within 8 bytes a key and a look-up
    within a handful of accesses.
    """

    def __init__(self, expected: int = 0) -> None:
        self._generations = [_Generation(max(_CAPACITY_MIN, 2 * expected))]

    def add(self, keys: Keys, *, ascending: bool = False) -> None:
        """Put keys in; `ascending` when most follow smaller ones, as in a sorted store, which is faster then."""
        while len(keys):
            last = self._generations[-1]
            some = min(last.capacity - last.count, _AT_ONCE)
            last.add(keys[:some], ascending=ascending)
            keys = keys[some:]
            if len(keys) and last.count == last.capacity:
                self._generations.append(_Generation(sum(one.capacity for one in self._generations)))

    def might_hold(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Return for each key whether it may be in: False is certain, True is not."""
        found = self._generations[0].holds(keys)
        for generation in self._generations[1:]:
            found |= generation.holds(keys)
        return found
