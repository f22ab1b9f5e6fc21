"""Cursor pagination of lists: `items` and `next_cursor`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeVar

from fastapi import Query

from meterbook.errors import Invalid

LARGEST_PAGE: Final = 500
_PREFIX: Final = "mb1:"

Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="How many items at most.")]
Cursor = Annotated[str | None, Query(max_length=512, description="`next_cursor` of the page before.")]
Row = TypeVar("Row")


def after(cursor: str | None) -> str | None:
    """Return the key that the page begins after; raises `Invalid` for a cursor that no page gave."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor).decode()
    except (ValueError, binascii.Error):
        text = ""
    if not text.startswith(_PREFIX):
        raise wrong_cursor()
    return text.removeprefix(_PREFIX)


def after_number(cursor: str | None) -> int:
    """Return the number that the page begins after, 0 for the first page; raises `Invalid`."""
    text = after(cursor)
    if text is not None and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise wrong_cursor()
    return int(text or 0)


def wrong_cursor() -> Invalid:
    """Return the error of a cursor that no page of this list gave."""
    return Invalid("The cursor is not one that a page of this list gave: start again without it.", "wrong-cursor")


def cursor_at(key: object) -> str:
    """Return the cursor of the page that begins after (or, for times, at) `key`."""
    return base64.urlsafe_b64encode(f"{_PREFIX}{key}".encode()).decode()


def page(
    rows: Sequence[Row], limit: int, shape: Callable[[Row], object], key: Callable[[Row], object]
) -> dict[str, object]:
    """Return one page of rows, which were read up to one more than `limit`; `key` is what they are ordered by."""
    shown = rows[:limit]
    cursor = None
    if len(rows) > limit:
        cursor = cursor_at(key(shown[-1]))
    return {"items": [shape(row) for row in shown], "next_cursor": cursor}
