"""Windows: the hours, days or months of a zone that usage is read in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from meterbook.core.period import HOUR, BillingMonth, BillingZone, day_starts, hour_floor


class Window(StrEnum):
    """How long each row of usage is."""

    hour = "hour"
    day = "day"
    month = "month"


def window_starts(window: Window, starts_at: datetime, ends_at: datetime, zone: BillingZone) -> Iterator[datetime]:
    """Yield the first instants of the windows that reach into the interval, as UTC and in order.

    The first is cut to the billing hour of `starts_at`, so a window never reaches before it by an hour or more.
    """
    first = hour_floor(starts_at, zone)
    if window is Window.hour:
        while first < ends_at:
            yield first
            first += HOUR
        return
    if window is Window.day:
        yield from day_starts(first, ends_at, zone) if first < ends_at else ()
        return
    month = BillingMonth.of(first, zone)
    while first < ends_at:
        yield first
        first, month = month.ends_at(zone), month.next()
