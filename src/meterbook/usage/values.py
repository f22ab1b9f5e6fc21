"""Reads the values of events: decimal text to exact numbers of nine decimals, a whole column at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

DECIMALS: Final = 9
VALUE_LIMIT: Final = Decimal(10) ** 18
VALUE_TYPE: Final = pa.decimal128(38, DECIMALS)
_TEXT_LENGTH_MAX: Final = 100
# For texts of more decimals: the narrow one is twice as fast, the wide one holds every double in its shortest text.
_LONGER: Final = (pa.decimal128(38, 20), pa.decimal256(76, 38))
_SAMPLE: Final = 64
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE: Final = re.compile(r"[+-]?(s?nan\d*|inf(inity)?)", re.ASCII | re.IGNORECASE)
_EXACT: Final = Context(prec=200)
_NINTH: Final = Decimal(1).scaleb(-DECIMALS)


def read_values(texts: pa.StringArray) -> tuple[pa.Decimal128Array, dict[int, str]]:
    """Return the values, and for each row that holds none the reason; null stays null.

    A value is a decimal number from 0 up to, not including, 10^18; what it has beyond nine decimals is rounded half up.
    Never goes through a binary float.
    """
    try:
        exact = _cast(texts)
    except pa.ArrowInvalid:
        return _one_by_one(texts.to_pylist())
    bounds = pc.min_max(exact)
    least, most = bounds["min"].as_py(), bounds["max"].as_py()
    if least is not None and (least < 0 or most >= VALUE_LIMIT):
        return _one_by_one(texts.to_pylist())
    return exact, {}


def _cast(texts: pa.StringArray) -> pa.Array:
    """Read a column of which every text is a value; raises `ArrowInvalid` otherwise, and for some that are."""
    if (pc.max(pc.binary_length(texts)).as_py() or 0) > _TEXT_LENGTH_MAX:
        raise pa.ArrowInvalid("too long")
    # A failing cast of a whole column is slow, so a few rows tell whether it is worth a try.
    if _try_cast(texts[:_SAMPLE], VALUE_TYPE) is not None and (exact := _try_cast(texts, VALUE_TYPE)) is not None:
        return exact
    for longer in _LONGER:
        if (exact := _try_cast(texts, longer)) is not None:
            least = pc.min(exact).as_py()
            if least is not None and least < 0:
                raise pa.ArrowInvalid("negative")
            return pc.round(exact, ndigits=DECIMALS, round_mode="half_towards_infinity").cast(VALUE_TYPE)
    raise pa.ArrowInvalid("no decimals")


def _try_cast(texts: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        return None


def _one_by_one(texts: Sequence[str | None]) -> tuple[pa.Decimal128Array, dict[int, str]]:
    values: list[Decimal | None] = []
    reasons: dict[int, str] = {}
    for position, text in enumerate(texts):
        value = None if text is None else _read(text)
        if isinstance(value, str):
            reasons[position] = value
            value = None
        values.append(value)
    return pa.array(values, VALUE_TYPE), reasons


def _read(text: str) -> Decimal | str:
    """Return the value, or the reason why it is none."""
    shown = text if len(text) <= 40 else f"{text[:40]}..."
    if _NOT_FINITE.fullmatch(text):
        return f"value is not finite: {shown}"
    if len(text) > _TEXT_LENGTH_MAX or not _NUMBER.fullmatch(text):
        return f"value is not a decimal number: {shown!r}"
    try:
        value = Decimal(text)
    except InvalidOperation:
        return f"value has an exponent beyond all bounds: {shown}"
    if value < 0:
        return f"value is negative: {shown}"
    if value >= VALUE_LIMIT:
        return f"value is too large, the limit is below 10^18: {shown}"
    if value.adjusted() < -2 * DECIMALS:
        return Decimal(0)
    return value.quantize(_NINTH, ROUND_HALF_UP, _EXACT)
