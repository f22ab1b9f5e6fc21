"""Reads the times of events: RFC 3339 text to instants, a whole column at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from meterbook.usage.columns import TIME_TYPE

_LENGTH_MIN: Final = len("2026-11-20T10:00:00Z")
_COLON: Final = ord(":")
_SIGNS: Final = [ord("+"), ord("-")]


def read_times(texts: pa.StringArray) -> pa.TimestampArray | None:
    """Return the instants of texts, of which none is null; None if a text is no RFC 3339 instant with its zone."""
    if _are_whole(texts):
        try:
            return texts.cast(TIME_TYPE)
        except pa.ArrowInvalid:
            pass
    instants = [read_time(text) for text in texts.to_pylist()]
    if any(instant is None or instant.tzinfo is None for instant in instants):
        return None
    return pa.array(instants, TIME_TYPE)


def read_time(text: str) -> datetime | None:
    """Return the time that a text says, without zone if it has none; None if it is not of RFC 3339."""
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None


def _are_whole(texts: pa.StringArray) -> bool:
    """Tell whether each text goes to the second and its zone, if any, to the minute: Arrow reads less precise ones."""
    _, offsets, characters = texts.buffers()
    if not len(texts) or texts.offset or characters is None:
        return False
    bounds = np.frombuffer(offsets, np.int32)[: len(texts) + 1]
    text, starts, ends = np.frombuffer(characters, np.uint8), bounds[:-1], bounds[1:]
    return bool(
        (ends - starts).min() >= _LENGTH_MIN
        and (text[starts + len("2026-11-20T10")] == _COLON).all()
        and (text[starts + len("2026-11-20T10:00")] == _COLON).all()
        and not np.isin(text[ends - len("+00")], _SIGNS).any()
    )
