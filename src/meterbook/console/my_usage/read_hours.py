"""Reading the hours of open days, month by month, as each month is known: by its invoice, or by all there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from meterbook.console.my_usage.present_metering import day_bounds
from meterbook.core.metering import Meter
from meterbook.core.period import BillingMonth, BillingZone, day_starts
from meterbook.usage.hours import UsageHour, hours_of_days
from meterbook.usage.store import UsageStore

# Of issued months, the moment of receipt through which usage was counted.
Known = Mapping[BillingMonth, datetime]


def hours_of_open_days(
    usage: UsageStore,
    account_id: int,
    project_id: int,
    meter: Meter,
    opened: Iterable[datetime],
    zone: BillingZone,
    until: datetime,
    known: Known,
    *,
    resources_max: int,
    named: datetime | None = None,
    named_max: int = 0,
) -> list[UsageHour]:
    """Return the hours with usage of days, given by their starts in order of time.

    What was seen for the first time is told of the month, whichever days are open. The hour that begins at `named` has
    `named_max` resources at most, each other one `resources_max`.
    """
    by_month = dict[BillingMonth, list[datetime]]()
    for start in opened:
        by_month.setdefault(BillingMonth.of(start, zone), []).append(start)
    found: list[UsageHour] = []
    for month, starts in by_month.items():
        ends_at = day_bounds(zone.local(starts[-1]).date(), zone)[1]
        found += hours_of_days(
            usage,
            account_id,
            project_id,
            meter,
            [*day_starts(month.starts_at(zone), ends_at, zone), ends_at],
            starts,
            zone,
            until,
            resources_max=resources_max,
            named=named,
            named_max=named_max,
            received_through=known.get(month),
        )
    return found
