"""Billing time: months, their reference hours, and the zones whose hours are metered (DOMAIN 2 and 3).

Every instant is an aware UTC `datetime`; every interval is half-open.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from meterbook.core.sentence import say

HOUR: Final = timedelta(hours=1)
# A zone counts as fixed when its offset did not move in these years: older rules do not touch usage that can be billed.
_FIXED_FROM, _FIXED_UNTIL = 2010, 2040


class ZoneRefused(ValueError):
    """The name is no zone, or a zone that may not be used for billing; the message says what to do."""


@dataclass(frozen=True, slots=True)
class BillingZone:
    """The time zone in which an account's hours, days and months are counted.

    `name` is as the operator wrote it: an IANA name or an offset such as "+05:30". `hour_offset` is how far into a UTC
    hour its hours begin: 0 for Seoul, 30 minutes for Kolkata.
    """

    name: str
    has_dst: bool = False
    tzinfo: tzinfo = field(default=UTC, compare=False)
    hour_offset: timedelta = field(default=timedelta(0), compare=False)

    @property
    def utc_offset(self) -> timedelta:
        """How far its clocks are ahead of UTC; where they change, at the beginning of the year."""
        return _utc_offset(self.tzinfo)

    def local(self, instant: datetime) -> datetime:
        """Return the same instant on this zone's clocks."""
        return instant.astimezone(self.tzinfo)


@lru_cache(maxsize=1024)
def billing_zone(name: str, allow_dst: bool = False) -> BillingZone:
    """Return the zone of an IANA name or of a fixed offset such as "+05:30".

    A zone whose clocks change is refused unless `allow_dst` (DOMAIN 2). Raises `ZoneRefused`.
    """
    if offset := re.fullmatch(r"([+-])(\d\d):(\d\d)", name, re.ASCII):
        fixed = _fixed(name, *offset.groups())
        return BillingZone(name, tzinfo=fixed, hour_offset=_hour_offset(fixed))
    if name == "UTC":
        return BillingZone(name)
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ZoneRefused(
            say(
                "%(name)s is not a time zone: use an IANA name such as Asia/Seoul, UTC, or an offset such as +05:30",
                name=repr(name),
            )
        ) from None
    offsets = {
        datetime(year, month, 1, tzinfo=UTC).astimezone(zone).utcoffset()
        for year in range(_FIXED_FROM, _FIXED_UNTIL)
        for month in range(1, 13)
    }
    if len(offsets) == 1:
        return BillingZone(name, tzinfo=zone, hour_offset=_hour_offset(zone))
    if not allow_dst:
        raise ZoneRefused(
            say(
                "%(name)s changes its clocks, which makes hours of a month uneven: use UTC or a "
                "fixed-offset zone such as Asia/Seoul, or have the operator enable zones with "
                "daylight saving time",
                name=name,
            )
        )
    if len({(offset or timedelta()) % HOUR for offset in offsets}) > 1:
        raise ZoneRefused(
            say("%(name)s changes its clocks by a part of an hour, so its hours cannot be metered: use UTC", name=name)
        )
    return BillingZone(name, has_dst=True, tzinfo=zone, hour_offset=_hour_offset(zone))


def _hour_offset(zone: tzinfo) -> timedelta:
    return -_utc_offset(zone) % HOUR


def _utc_offset(zone: tzinfo) -> timedelta:
    offset = datetime(2026, 1, 1, tzinfo=UTC).astimezone(zone).utcoffset()
    assert offset is not None, "a zone knows its offset"
    return offset


def _fixed(name: str, sign: str, hours: str, minutes: str) -> timezone:
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    if int(minutes) > 59 or offset > timedelta(hours=14):
        raise ZoneRefused(say("%(name)s is not an offset between -14:00 and +14:00", name=repr(name)))
    return timezone(-offset if sign == "-" else offset)


@dataclass(frozen=True, order=True, slots=True)
class BillingMonth:
    """A calendar month in a billing zone; `str()` gives "2014-02"."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> BillingMonth:
        """Read "2014-02"; raises `ValueError` with a message for anything else."""
        match = re.fullmatch(r"(\d{4})-(\d{2})", text, re.ASCII)
        if not match or not 1 <= int(match[2]) <= 12 or not 1970 <= int(match[1]) <= 9998:
            raise ValueError(say("%(text)s is not a month such as 2014-02", text=repr(text)))
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, instant: datetime, zone: BillingZone) -> BillingMonth:
        """Return the month that `instant` falls in on the zone's clocks."""
        local = zone.local(instant)
        return cls(local.year, local.month)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @property
    def days(self) -> int:
        """How many days the month has."""
        return monthrange(self.year, self.month)[1]

    @property
    def reference_hours(self) -> int:
        """H of DOMAIN 3: days x 24, whatever the clocks do."""
        return self.days * 24

    def starts_at(self, zone: BillingZone) -> datetime:
        """Return the month's first instant in the zone, as UTC."""
        return _month_start(self.year, self.month, zone)

    def ends_at(self, zone: BillingZone) -> datetime:
        """Return the first instant after the month, as UTC."""
        return self.next().starts_at(zone)

    def next(self) -> BillingMonth:
        """Return the month after."""
        return BillingMonth(self.year + self.month // 12, self.month % 12 + 1)

    def previous(self) -> BillingMonth:
        """Return the month before."""
        return BillingMonth(self.year - (self.month == 1), (self.month - 2) % 12 + 1)


@lru_cache(maxsize=4096)
def _month_start(year: int, month: int, zone: BillingZone) -> datetime:
    return datetime(year, month, 1, tzinfo=zone.tzinfo).astimezone(UTC)


def hour_floor(instant: datetime, zone: BillingZone) -> datetime:
    """Return the start of the billing hour that `instant` is in."""
    hours = (instant - _EPOCH - zone.hour_offset) // HOUR
    return _EPOCH + zone.hour_offset + hours * HOUR


def hour_ceil(instant: datetime, zone: BillingZone) -> datetime:
    """Return the first start of a billing hour at or after `instant`."""
    floor = hour_floor(instant, zone)
    return floor if floor == instant else floor + HOUR


def hour_count(starts_at: datetime, ends_at: datetime) -> int:
    """Return how many whole hours lie between two instants."""
    return (ends_at - starts_at) // HOUR


def day_starts(starts_at: datetime, ends_at: datetime, zone: BillingZone) -> list[datetime]:
    """Return the starts, as UTC, of the zone's days that begin in the interval, `starts_at` itself always first."""
    starts, day = [starts_at], zone.local(starts_at).date()
    while True:
        day += timedelta(days=1)
        start = datetime(day.year, day.month, day.day, tzinfo=zone.tzinfo).astimezone(UTC)
        if start >= ends_at:
            return starts
        starts.append(start)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
