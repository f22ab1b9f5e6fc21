"""Undoes the Content-Encoding of a request, within a bound that holds while unpacking: a bomb is never expanded."""

from __future__ import annotations

import sys
import zlib
from typing import Final

from meterbook.errors import Invalid, TooLarge, UnsupportedMedia

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BODY_BYTES_MAX: Final = 10 * 1024 * 1024
UNPACKED_BYTES_MAX: Final = 64 * 1024 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS


def unpack(body: bytes, content_encoding: str | None) -> bytes:
    """Return the body as it was before its Content-Encoding (identity, gzip or zstd).

    Raises `TooLarge` over 10 MiB as received or 64 MiB unpacked, `UnsupportedMedia` for another encoding and `Invalid`
    ("broken-encoding") for bytes that are not what the header says.
    """
    if len(body) > BODY_BYTES_MAX:
        raise TooLarge(f"The body is larger than {BODY_BYTES_MAX} bytes: send fewer events in a request")
    encoding = (content_encoding or "identity").strip().lower()
    if encoding == "identity":
        return body
    try:
        if encoding in ("gzip", "x-gzip"):
            return _gunzip(body)
        if encoding == "zstd":
            return _unzstd(body)
    except (zlib.error, zstd.ZstdError) as error:
        raise Invalid(f"The body is not valid {encoding}: {error}", "broken-encoding") from None
    raise UnsupportedMedia(f"Content-Encoding {encoding[:40]!r} is not read here: use gzip, zstd or none")


def _gunzip(body: bytes) -> bytes:
    parts, room = [], UNPACKED_BYTES_MAX
    while body:
        member = zlib.decompressobj(_GZIP)
        parts.append(member.decompress(body, room + 1))
        room -= len(parts[-1])
        _check(room, member.eof)
        body = member.unused_data
    return b"".join(parts)


def _unzstd(body: bytes) -> bytes:
    parts, room = [], UNPACKED_BYTES_MAX
    while body:
        frame = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 26})
        parts.append(frame.decompress(body, room + 1))
        room -= len(parts[-1])
        _check(room, frame.eof)
        body = frame.unused_data
    return b"".join(parts)


def _check(room: int, complete: bool) -> None:
    if room < 0:
        raise TooLarge(f"The body unpacks to more than {UNPACKED_BYTES_MAX} bytes: send fewer events in a request")
    if not complete:
        raise Invalid("The compressed body ends too early: send it again", "broken-encoding")
