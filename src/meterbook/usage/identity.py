"""The identity of an event: 16 bytes of its account, source and id, by which it is counted once (DOMAIN 2).

`sql/identity.sql` and `sql/identity_key.sql` say the same to ClickHouse.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from xxhash import xxh3_64_intdigest, xxh3_128_digest

# An identity in two numbers, of which the store is sorted by the first.
IDENTITY: Final = np.dtype([("head", "<u8"), ("tail", "<u8")])
Identities = npt.NDArray[np.void]

# The first bits come from account and source alone, so that the events of one source lie together in the store and
# resending a file looks at a small part of it; 104 bits of the whole remain.
_OF_WHOLE: Final = np.uint64((1 << 40) - 1)
# The key for the filter has its upper half of these bits of the head, the lower of the tail.
_KEY_SHIFT: Final = np.uint64(24)
_LOWER: Final = np.uint64((1 << 32) - 1)
_FEW: Final = 16


def identities(account_ids: npt.NDArray[np.uint64], sources: pa.StringArray, ids: pa.StringArray) -> Identities:
    """Return each event's identity.

    Equal for equal (account, source, id) and, with the certainty of a 104-bit hash, different otherwise. Sources hold
    no NUL byte (it is refused on the way in), which makes the joined text unambiguous.
    """
    if not len(ids):
        return np.empty(0, dtype=IDENTITY)
    encoded = sources.dictionary_encode()
    names: list[str] = encoded.dictionary.to_pylist()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    pairs = account_ids.astype(np.int64) * len(names) + codes
    distinct, which = np.unique(pairs, return_inverse=True)
    owners = [f"{pair // len(names)}\0{names[pair % len(names)]}\0".encode() for pair in distinct.tolist()]
    if len(owners) == 1:
        digests = [xxh3_128_digest(owners[0] + key.encode()) for key in ids.to_pylist()]
    else:
        digests = [
            xxh3_128_digest(owners[at] + key.encode()) for at, key in zip(which.tolist(), ids.to_pylist(), strict=True)
        ]
    whole = np.frombuffer(b"".join(digests), dtype=">u8").reshape(-1, 2)
    found = np.empty(len(digests), dtype=IDENTITY)
    of_owner = np.array([xxh3_64_intdigest(owner) for owner in owners], dtype=np.uint64) & ~_OF_WHOLE
    found["head"] = (whole[:, 0] & _OF_WHOLE) | of_owner[which]
    found["tail"] = whole[:, 1]
    return found


def keys_of(found: Identities) -> npt.NDArray[np.uint64]:
    """Return identities' keys for the filter: hashes of the whole, ascending where the store has those of a source."""
    keys: npt.NDArray[np.uint64] = ((found["head"] << _KEY_SHIFT) & ~_LOWER) | (found["tail"] & _LOWER)
    return keys


def identities_of(rows: pa.Table) -> Identities:
    """Return the identities of rows with the columns `account_id`, `source` and `id`."""
    account_ids = rows.column("account_id").to_numpy()
    sources, ids = (rows.column(name).combine_chunks() for name in ("source", "id"))
    return identities(account_ids, sources, ids)


class Known:
    """A growing set of identities that is asked for a few at a time, mostly for very few: these are found unsorted."""

    def __init__(self) -> None:
        self._unsorted: list[Identities] = []
        # each sorted by tail, and at least twice as long as the next
        self._runs: list[Identities] = []

    def add(self, found: Identities) -> None:
        """Put identities in that are not in yet."""
        self._unsorted.append(found)

    def those_of(self, wanted: Identities) -> set[tuple[int, int]]:
        """Return those of some identities that are in, as pairs of head and tail."""
        if len(wanted) > _FEW:
            self._sort()
        found: set[tuple[int, int]] = set()
        for group in self._unsorted:
            for tail in wanted["tail"]:
                found.update(group[group["tail"] == tail].tolist())
        for run in self._runs:
            first, end = (np.searchsorted(run["tail"], wanted["tail"], side) for side in ("left", "right"))
            for row in np.flatnonzero(first < end).tolist():
                found.update(run[first[row] : end[row]].tolist())
        return found.intersection(wanted.tolist())

    def _sort(self) -> None:
        if not self._unsorted:
            return
        found, self._unsorted = np.concatenate(self._unsorted), []
        while self._runs and len(self._runs[-1]) < 2 * len(found):
            found = np.concatenate((self._runs.pop(), found))
        self._runs.append(found[np.argsort(found["tail"], kind="stable")])
