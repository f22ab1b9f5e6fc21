"""Packing: pages and built files compressed the way a browser takes them, zstd before gzip.

What is secret in a page differs each time it is written (protection.py), so that its packed size tells nothing.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator, Mapping
from typing import Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# The encodings in order of preference, with the ending of a built file that was packed beforehand.
ENDINGS: Final[Mapping[str, str]] = {"zstd": ".zst", "gzip": ".gz"}
WORTH_PACKING: Final = 1024  # bytes
_GZIP_LEVEL: Final = 6
_LONGEST: Final = 1_000  # characters of an Accept-Encoding header that are read


def accepted_encodings(header: str | None) -> Iterator[str]:
    """Yield those of our encodings that an Accept-Encoding header takes, the best one first."""
    taken = set()
    for entry in (header or "")[:_LONGEST].split(","):
        name, _, parameters = entry.partition(";")
        weight = parameters.replace(" ", "").removeprefix("q=")
        if not weight or weight.strip("0."):
            taken.add(name.strip().lower())
    return (encoding for encoding in ENDINGS if encoding in taken)


def packed(body: bytes, header: str | None) -> tuple[bytes, dict[str, str]]:
    """Return an answer's body as small as its reader takes it, with the headers that say so."""
    headers = {"vary": "accept-encoding"}
    encoding = next(accepted_encodings(header), None)
    if encoding is None or len(body) < WORTH_PACKING:
        return body, headers
    headers["content-encoding"] = encoding
    if encoding == "zstd":
        return zstd.compress(body), headers
    return gzip.compress(body, _GZIP_LEVEL, mtime=0), headers
