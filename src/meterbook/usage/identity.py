"""The identity of an event: 16 bytes of its account, source and id, by which it is counted once (DOMAIN 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from xxhash import xxh3_64_intdigest, xxh3_128_digest

IDENTITY_BYTES: Final = 16
# The first bytes come from account and source alone, so that the events of one source lie together in the store's index
# and resending a file looks at a small part of it; 104 bits of the whole remain.
_HEAD_BYTES: Final = 3


def identities(account_ids: npt.NDArray[np.uint64], sources: pa.StringArray, ids: pa.StringArray) -> list[bytes]:
    """Return each event's identity.

    Equal for equal (account, source, id) and, with the certainty of a 104-bit hash, different otherwise. Sources hold
    no NUL byte (it is refused on the way in), which makes the joined text unambiguous.
    """
    encoded = sources.dictionary_encode()
    names: list[str] = encoded.dictionary.to_pylist()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    pairs = account_ids.astype(np.int64) * len(names) + codes if len(names) else codes
    distinct, which = np.unique(pairs, return_inverse=True)
    heads = [_head(int(pair) // len(names), names[int(pair) % len(names)]) for pair in distinct]
    if len(heads) == 1:
        return _of_one_source(*heads[0], ids.to_pylist())
    return [
        heads[at][0] + xxh3_128_digest(heads[at][1] + key.encode())[_HEAD_BYTES:]
        for at, key in zip(which.tolist(), ids.to_pylist(), strict=True)
    ]


def _of_one_source(head: bytes, prefix: bytes, ids: Sequence[str]) -> list[bytes]:
    return [head + xxh3_128_digest(prefix + key.encode())[_HEAD_BYTES:] for key in ids]


def _head(account_id: int, source: str) -> tuple[bytes, bytes]:
    prefix = f"{account_id}\0{source}\0".encode()
    return xxh3_64_intdigest(prefix).to_bytes(8, "little")[:_HEAD_BYTES], prefix


def keys_of(digests: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """Return the last eight bytes of each identity as a number: the filter's key, as `identity_keys.sql` reads it."""
    return np.frombuffer(b"".join(digests), dtype="<u8")[1::2]
