"""Reads the values of events: decimal text to exact numbers of nine decimals, a whole column at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

DECIMALS: Final = 9
VALUE_LIMIT: Final = Decimal(10) ** 18
VALUE_TYPE: Final = pa.decimal128(38, DECIMALS)
_TEXT_LENGTH_MAX: Final = 100
# Texts of this form have 37 digits at most, so Arrow reads and rounds them without overflow, of which it does not
# always tell; one of 18 digits before the point that is rounded may reach the limit, and is read by itself.
_PLAIN: Final = r"^([0-9]{1,18}(\.[0-9]{1,9})?|[0-9]{1,17}\.[0-9]{10,20})$"
_LONG: Final = r"\.[0-9]{10}"
_LONG_TYPE: Final = pa.decimal128(38, 20)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE: Final = re.compile(r"[+-]?(s?nan\d*|inf(inity)?)", re.ASCII | re.IGNORECASE)
_EXACT: Final = Context(prec=200)
_NINTH: Final = Decimal(1).scaleb(-DECIMALS)


class Boundless:
    """A number whose exponent no decimal can have, as it was written: right JSON that cannot be written again."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def exact(text: str) -> Decimal | Boundless:
    """Return a number of JSON exactly as it is written, which is right JSON whatever its exponent."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Boundless(text)


def read_values(texts: pa.StringArray) -> tuple[pa.Decimal128Array, dict[int, str]]:
    """Return the values, and for each row that holds none the reason; null stays null.

    A value is a decimal number from 0 up to, not including, 10^18; what it has beyond nine decimals is rounded half up,
    which may not bring it to 10^18 either. Never goes through a binary float.
    """
    encoded = texts.dictionary_encode()
    distinct, reasons = _read_distinct(encoded.dictionary)
    values = distinct.take(encoded.indices)
    if not reasons:
        return values, {}
    codes = encoded.indices.fill_null(-1).to_pylist()
    return values, {row: reasons[code] for row, code in enumerate(codes) if code in reasons}


def _read_distinct(texts: pa.StringArray) -> tuple[pa.Decimal128Array, dict[int, str]]:
    """Read each text once: values repeat, most of all those of counts and cores."""
    plain = pc.match_substring_regex(texts, _PLAIN)
    if pc.all(plain).as_py() is not False:
        return _read_plain(texts), {}
    odd = pc.invert(pc.fill_null(plain, True))
    rows = np.flatnonzero(odd.to_numpy(zero_copy_only=False)).tolist()
    values, reasons = _read_each(texts.filter(odd).to_pylist())
    others = _read_plain(pc.if_else(odd, pa.scalar(None, pa.string()), texts))
    return pc.replace_with_mask(others, odd, values), {rows[row]: reason for row, reason in reasons.items()}


def _read_plain(texts: pa.StringArray) -> pa.Decimal128Array:
    if not pc.any(pc.match_substring_regex(texts, _LONG)).as_py():
        return texts.cast(VALUE_TYPE)
    return pc.round(texts.cast(_LONG_TYPE), ndigits=DECIMALS, round_mode="half_towards_infinity").cast(VALUE_TYPE)


def _read_each(texts: Sequence[str]) -> tuple[pa.Decimal128Array, dict[int, str]]:
    values: list[Decimal | None] = []
    reasons: dict[int, str] = {}
    for position, text in enumerate(texts):
        value = _read(text)
        if isinstance(value, str):
            reasons[position] = value
        values.append(None if isinstance(value, str) else value)
    return pa.array(values, VALUE_TYPE), reasons


def _read(text: str) -> Decimal | str:
    """Return the value, or the reason why it is none."""
    shown = text if len(text) <= 40 else f"{text[:40]}..."
    if _NOT_FINITE.fullmatch(text):
        return f"value is not finite: {shown}"
    if len(text) > _TEXT_LENGTH_MAX:
        return f"value is longer than {_TEXT_LENGTH_MAX} characters: {shown!r}"
    if not _NUMBER.fullmatch(text):
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
    rounded = value.quantize(_NINTH, ROUND_HALF_UP, _EXACT)
    if rounded >= VALUE_LIMIT:
        return f"value is too large, the limit is below 10^18, and it is rounded to nine decimals: {shown}"
    return rounded
