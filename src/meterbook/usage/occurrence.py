"""Numbers the rows of a file that carry the same time: 0 for the first, 1 for the second, wherever they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]

_NOTHING: Final = np.array([], dtype=np.int64)


class Occurrences:
    """Counts equal times over the batches of one file.

    While the times ascend, only the latest is remembered, so that memory does not grow with the file. The first time
    that goes back makes `reread` give all times before the present batch once more, and from then on the distinct
    times are kept, 16 bytes each.
    """

    def __init__(self, reread: Callable[[int], Iterable[Times]]) -> None:
        self._reread = reread
        self._rows = 0
        self._last_time: int | None = None
        self._last_count = 0
        self._seen: tuple[Times, Times] | None = None

    def number(self, times: Times) -> Times:
        """Return for each row of the next batch how many rows with its time came before it in the file."""
        if not len(times):
            return _NOTHING
        first = int(times[0])
        ascends = bool((times[1:] >= times[:-1]).all()) and (self._last_time is None or first >= self._last_time)
        if self._seen is None and not ascends:
            self._seen = _NOTHING, _NOTHING
            for earlier in self._reread(self._rows):
                self._seen = _merge(self._seen, earlier)
        numbers = _number_within(times)
        if self._seen is not None:
            numbers += _counts(self._seen, times)
            self._seen = _merge(self._seen, times)
        else:
            self._carry(times, numbers)
        self._rows += len(times)
        return numbers

    def _carry(self, times: Times, numbers: Times) -> None:
        """Go on from the last time of the batch before, in an ascending file."""
        if self._last_time == times[0]:
            numbers[: np.searchsorted(times, times[0], "right")] += self._last_count
        self._last_time = int(times[-1])
        self._last_count = int(numbers[-1]) + 1


def _number_within(times: Times) -> Times:
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    numbers = np.empty(len(times), dtype=np.int64)
    numbers[order] = np.arange(len(times)) - np.repeat(begins, np.diff(np.append(begins, len(times))))
    return numbers


def _counts(seen: tuple[Times, Times], times: Times) -> Times:
    known, counts = seen
    if not len(known):
        return np.zeros(len(times), dtype=np.int64)
    places = np.minimum(np.searchsorted(known, times), len(known) - 1)
    found: Times = np.where(known[places] == times, counts[places], 0)
    return found


def _merge(seen: tuple[Times, Times], times: Times) -> tuple[Times, Times]:
    known, counts = seen
    distinct, which = np.unique(np.concatenate((known, times)), return_inverse=True)
    weights = np.concatenate((counts, np.ones(len(times), dtype=np.int64)))
    merged = np.zeros(len(distinct), dtype=np.int64)
    np.add.at(merged, which, weights)
    return distinct, merged
