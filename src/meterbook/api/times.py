"""Months, days and instants as callers write them: between 1970, before which nothing is metered, and 2199."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

from meterbook.accounts.access import Access
from meterbook.core.period import BillingMonth, BillingZone
from meterbook.errors import Denied, Invalid

# No clock here reaches other years: arithmetic at the ends of the calendar overflows, and its days count for minutes.
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2199
_YEARS: Final = f"in {_FIRST_YEAR} to {_LAST_YEAR}"


def _within(at: datetime) -> datetime:
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ValueError(f"The instant has to lie {_YEARS}")
    return at


def _in_utc(at: datetime) -> datetime:
    return _within(at).astimezone(UTC)


def _as_text(written: object) -> object:
    """Let no number pass for a time: JSON has none, and seconds since 1970 are nobody's ISO 8601."""
    if isinstance(written, str) and not written.lstrip("+-").replace(".", "", 1).isdigit():
        return written
    raise ValueError("It is written as ISO 8601, such as 2026-06-12T06:00:00Z or, for a day, 2026-06-12")


Instant = Annotated[AwareDatetime, BeforeValidator(_as_text), AfterValidator(_in_utc)]
"""An instant in a body, in UTC whatever offset it came with: the year of a number is that of UTC."""

Day = Annotated[date, BeforeValidator(_as_text)]
"""A day in a body."""


def moment_of(at: str | None, access: Access, now: datetime) -> datetime:
    """Return the moment that a read replays, the present one for none; raises `Denied` for all but operators."""
    if at is None:
        return now
    if not access.may_operate():
        raise Denied("Replaying a moment with `at` needs a key with the scope operator.", "forbidden")
    return instant_of(at)


def month_of(text: str | None, zone: BillingZone, now: datetime) -> BillingMonth:
    """Return the month of "2014-02", or the one running in a zone; raises `Invalid`."""
    if text is None:
        return BillingMonth.of(now, zone)
    try:
        return BillingMonth.parse(text)
    except ValueError as error:
        raise Invalid(str(error), "wrong-month") from None


def instant_of(text: str) -> datetime:
    """Return the instant of "2026-06-12T06:00:00Z"; raises `Invalid` for one without an offset."""
    try:
        at = _within(datetime.fromisoformat(text))
    except ValueError:
        raise Invalid(f"{text!r} is not an instant such as 2026-06-12T06:00:00Z, {_YEARS}", "wrong-instant") from None
    if at.tzinfo is None:
        raise Invalid(f"{text!r} has no offset: write 2026-06-12T06:00:00Z or +09:00", "wrong-instant")
    return at.astimezone(UTC)


def day_or_instant_of(text: str, zone: BillingZone) -> datetime:
    """Return the start of a day on the zone's clocks ("2014-02-14"), or an instant; raises `Invalid`."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        return instant_of(text)
    try:
        day = _within(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone.tzinfo))
    except ValueError:
        raise Invalid(f"{text!r} is not a day such as 2014-02-14, {_YEARS}", "wrong-day") from None
    return day.astimezone(UTC)
