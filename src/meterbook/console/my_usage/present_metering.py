"""Presenting what is behind a metered figure: days, their hours and resources, and an hour's events, without HTML.

Copies figures out of the readings and says what fits the product's meter; the only sums are those of shown quantities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from meterbook.console.my_usage.metering_state import MeteringState, written_hour
from meterbook.core.invoice import shown
from meterbook.core.metering import Meter, MeterKind
from meterbook.core.period import HOUR, BillingMonth, BillingZone, hour_ceil, hour_floor
from meterbook.core.rating import Waiver
from meterbook.core.windows import Window, window_starts
from meterbook.invoicing.usage_shown import MonthPart
from meterbook.usage.hours import RawEvent, SeenResource, UsageHour
from meterbook.usage.queries import UsageWindow

DAYS_OPEN_MAX: Final = 31  # of more days, the newest open ones show their hours
RESOURCES_OF_A_DAY: Final = 40  # named in an hour while one day is on the screen
RESOURCES_OF_A_FEW_DAYS: Final = 12
RESOURCES_OF_DAYS: Final = 4  # while more days are open than anybody reads to the end
FEW_DAYS: Final = 7
RESOURCES_OF_AN_HOUR: Final = 1_000  # named in the one hour of which all are asked for
CLOCKS_KEPT: Final = 10_000  # of how many hours the time on a zone's clocks is kept as written


@dataclass(frozen=True, slots=True)
class Quantity:
    """What was used of a product in some time, as its meter counts.

    `total` is unit-hours, or the sum of a counter. `units` were in use on average over the `usage_hours` (DOMAIN 2).
    `lines` a day are a stock's alone. All are None where nothing was metered, but for the hours, which are 0.
    """

    total: Fraction | None
    units: Decimal | None
    usage_hours: int
    lines: Decimal | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing was metered."""
        return self.total is None


class ShownResource(NamedTuple):
    """A resource of an hour; `units` only where they say more than that it was there, `first_seen` as "14:05"."""

    name: str
    units: Decimal | None
    first_seen: str | None


class ShownHour(NamedTuple):
    """An hour on the account's clocks, `written` as an address has it; `more` resources are not named.

    `names_href` names all of them, `RESOURCES_OF_AN_HOUR` at most; where it `is_named`, it names fewer again, if any.
    """

    label: str
    written: str
    units: Decimal | None
    total: Fraction | None
    resources: tuple[ShownResource, ...]
    more: int
    href: str
    names_href: str = ""
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class ShownDay:
    """A day with its hours, if it is open; `href` opens or closes it."""

    day: date
    anchor: str
    used: Quantity
    is_open: bool
    href: str
    hours: tuple[ShownHour, ...]


@dataclass(frozen=True, slots=True)
class ShownPart:
    """A part that is charged apart, on the account's clocks; `is_month`: it is the days of one month of several."""

    from_at: datetime
    until_at: datetime
    is_month: bool
    waiver: Waiver | None
    used: Quantity
    href: str

    @property
    def last_day(self) -> date:
        """The last of its days."""
        return (self.until_at - HOUR).date()


@dataclass(frozen=True, slots=True)
class ShownEvents:
    """The raw events of an hour, on the account's clocks; `next_href` leads to those that follow."""

    starts_at: datetime
    label: str
    rows: tuple[tuple[datetime, RawEvent], ...]
    is_first_page: bool
    first_href: str
    next_href: str | None
    back_href: str


@dataclass(frozen=True, slots=True)
class Figure:
    """What a window is about: a product of a project in `[starts_at, ends_at)`, a part of the `whole` or all of it.

    The whole is the `month`; None for days of another choice. `until` is where data ends that can be there by now;
    `is_final` when it was billed.
    """

    project: str
    product: str
    unit: str
    meter: Meter
    zone: BillingZone
    month: BillingMonth | None
    whole: tuple[datetime, datetime]
    starts_at: datetime
    ends_at: datetime
    until: datetime
    is_final: bool

    @property
    def part(self) -> tuple[datetime, datetime] | None:
        """The part of the whole that it is, on the account's clocks; None for all of it."""
        if (self.starts_at, self.ends_at) == self.whole:
            return None
        return self.zone.local(self.starts_at), self.zone.local(self.ends_at)

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day of the whole."""
        return self.zone.local(self.whole[0]).date(), self.zone.local(self.whole[1] - HOUR).date()


@dataclass(frozen=True, slots=True)
class MeteringWindow:
    """The window, ready for its template."""

    state: MeteringState
    figure: Figure
    used: Quantity
    data_through: datetime | None
    parts: tuple[ShownPart, ...]
    days: tuple[ShownDay, ...]
    choices: tuple[date, ...]
    events: ShownEvents | None

    @property
    def kind(self) -> MeterKind:
        """How the product is metered, which decides what is shown."""
        return self.figure.meter.kind

    @property
    def whole_href(self) -> str | None:
        """Where the whole is, of a part of it."""
        is_part = any(name == "part" for name, _ in self.state.about)
        return self.state.of_part(None).href() if is_part else None

    @property
    def all_open(self) -> bool:
        """Whether there is nothing left to expand."""
        return all(day.is_open for day in self.days)

    @property
    def can_open_all(self) -> bool:
        """Whether all days may be open at once."""
        return len(self.choices) <= DAYS_OPEN_MAX


def present_metering(
    figure: Figure,
    windows: Sequence[UsageWindow],
    hours: Sequence[UsageHour],
    parts: Sequence[MonthPart],
    state: MeteringState,
    opened: Collection[date],
) -> MeteringWindow:
    """Present the days of a figure, newest first, with the hours of the `opened` ones.

    `windows` are cut at days and at the bounds of the `parts`.
    """
    zone, meter = figure.zone, figure.meter
    by_day: dict[date, list[UsageWindow]] = defaultdict(list)
    for window in windows:
        by_day[zone.local(window.starts_at).date()].append(window)
    days = sorted(by_day, reverse=True)
    by_hour = {hour.starts_at: hour for hour in hours}
    shown_days = [day for day in days if state.day in (None, day)]
    on_screen = [window for day in shown_days for window in by_day[day]]
    last_hours = [window.last_hour_at for window in windows]
    return MeteringWindow(
        state=state,
        figure=figure,
        used=quantity_of(meter, on_screen if state.day else windows),
        data_through=zone.local(max(last_hours) + HOUR) if last_hours else None,
        parts=() if state.day or len(parts) < 2 else tuple(_part(each, figure, windows, state) for each in parts),
        days=tuple(_day(day, by_day[day], by_hour, opened, figure, state) for day in shown_days),
        choices=tuple(days),
        events=None,
    )


def present_events(
    figure: Figure, hour: datetime, rows: Sequence[RawEvent], cursor: str | None, state: MeteringState
) -> ShownEvents:
    """Present a page of an hour's raw events."""
    local = figure.zone.local(hour)
    back = state.at_hour(None)
    if not back.shows(local.date()):
        back = back.toggled(local.date(), opened_days(back))
    return ShownEvents(
        starts_at=local,
        label=f"{local:%H:%M} \N{EN DASH} {figure.zone.local(hour + HOUR):%H:%M}",
        rows=tuple((figure.zone.local(each.at), each) for each in rows),
        is_first_page=not state.after,
        first_href=state.at_hour(hour).href(),
        next_href=None if cursor is None else state.at_hour(hour, cursor).href(),
        back_href=back.href(),
    )


def opened_days(state: MeteringState) -> list[date]:
    """Return the days that the state names as open, whatever days there are."""
    days = []
    for text in state.opened:
        try:
            days.append(date.fromisoformat(text))
        except ValueError:
            continue
    return days


def quantity_of(meter: Meter, windows: Sequence[UsageWindow]) -> Quantity:
    """Return what windows of one meter come to."""
    if not windows:
        return Quantity(None, None, 0)
    total = Fraction(sum((window.quantity for window in windows), Decimal(0)))
    usage_hours = sum(window.usage_hours for window in windows)
    if not meter.is_time_based:
        return Quantity(total, shown(total), usage_hours)
    average = total / max(usage_hours, 1)
    if meter.retention_days is None:
        return Quantity(total, shown(average), usage_hours)
    return Quantity(total, shown(average), usage_hours, shown(average / meter.retention_days))


def resources_named(state: MeteringState, open_days: int) -> int:
    """Return how many of an hour's resources are named: fewer, the more there is to read."""
    if state.day:
        return RESOURCES_OF_A_DAY
    return RESOURCES_OF_A_FEW_DAYS if open_days <= FEW_DAYS else RESOURCES_OF_DAYS


def hour_total(meter: Meter, units: Decimal) -> Fraction:
    """Return what an hour of so many units (lines, of a stock) adds to the total."""
    return Fraction(units) * meter.retention_days * 24 if meter.retention_days else Fraction(units)


def shown_resources(named: tuple[SeenResource, ...], kind: MeterKind, zone: BillingZone) -> tuple[ShownResource, ...]:
    """Return the named resources of an hour: who counts most first, of a presence by name (host-2 before host-10)."""
    if kind is MeterKind.presence:
        named = tuple(sorted(named, key=lambda each: (len(each.name), each.name)))
    else:
        named = tuple(sorted(named, key=lambda each: (-each.units, each.name)))
    return tuple(
        ShownResource(
            each.name,
            None if kind is MeterKind.presence else each.units,
            None if each.first_seen_at is None else f"{zone.local(each.first_seen_at):%H:%M}",
        )
        for each in named
    )


def _part(part: MonthPart, figure: Figure, windows: Sequence[UsageWindow], state: MeteringState) -> ShownPart:
    inside = [window for window in windows if part.starts_at <= window.starts_at < part.ends_at]
    zone = figure.zone
    used = quantity_of(figure.meter, inside)
    href = state.of_part(part.starts_at).href()
    from_at, until_at = zone.local(part.starts_at), zone.local(part.ends_at)
    return ShownPart(from_at, until_at, figure.month is None, part.waiver, used, href)


def _day(
    day: date,
    windows: Sequence[UsageWindow],
    hours: dict[datetime, UsageHour],
    opened: Collection[date],
    figure: Figure,
    state: MeteringState,
) -> ShownDay:
    is_open = day in opened
    toggled = state.of_day(None) if state.day == day else state.toggled(day, opened)
    return ShownDay(
        day=day,
        anchor=f"metering-{day.isoformat()}",
        used=quantity_of(figure.meter, windows),
        is_open=is_open,
        href=toggled.href(),
        hours=tuple(_hours(day, hours, figure, state, resources_named(state, len(opened)))) if is_open else (),
    )


def _hours(
    day: date, hours: dict[datetime, UsageHour], figure: Figure, state: MeteringState, few: int
) -> list[ShownHour]:
    zone = figure.zone
    begins, ends = day_bounds(day, zone)
    begins, ends = max(begins, figure.starts_at), min(ends, figure.ends_at, hour_ceil(figure.until, zone))
    starts = list(window_starts(Window.hour, begins, ends, zone))
    return shown_hours(starts, hours, figure.meter, zone, state, state, few)


def shown_hours(
    starts: Sequence[datetime],
    hours: Mapping[datetime, UsageHour],
    meter: Meter,
    zone: BillingZone,
    of_events: MeteringState,
    of_names: MeteringState,
    few: int = 0,
) -> list[ShownHour]:
    """Return hours by their starts, with dashes where nothing was metered.

    The states lead to the raw events of each, and to the names of all its resources; `few` are named otherwise.
    """
    written = [written_hour(at) for at in starts]
    shown: list[ShownHour] = []
    # hour after hour the same resources count: they are presented once
    named: tuple[SeenResource, ...] = ()
    resources: tuple[ShownResource, ...] = ()
    for at, text, href in zip(starts, written, of_events.hrefs_at(written), strict=True):
        hour = hours.get(at)
        if hour is None:
            shown.append(ShownHour(clock(at, zone), text, None, None, (), 0, href))
            continue
        if hour.resources != named:
            named, resources = hour.resources, shown_resources(hour.resources, meter.kind, zone)
        total, more = hour_total(meter, hour.units), hour.resource_count - len(resources)
        shown.append(ShownHour(clock(at, zone), text, hour.units, total, resources, more, href))
    if of_names.named in starts:
        place = starts.index(of_names.named)
        fewer = of_names.naming(None).href() if len(shown[place].resources) > few else ""
        shown[place] = shown[place]._replace(is_named=True, names_href=fewer)
    longer = [place for place, each in enumerate(shown) if each.more and not each.is_named]
    for place, href in zip(longer, of_names.hrefs_naming([written[place] for place in longer]), strict=True):
        shown[place] = shown[place]._replace(names_href=href)
    return shown


@lru_cache(maxsize=CLOCKS_KEPT)
def clock(at: datetime, zone: BillingZone) -> str:
    """Write the time on a zone's clocks: "14:00"."""
    return f"{zone.local(at):%H:%M}"


def day_bounds(day: date, zone: BillingZone) -> tuple[datetime, datetime]:
    """Return the first instant of a day on the zone's clocks, and the first after it."""
    starts_at = datetime(day.year, day.month, day.day, tzinfo=zone.tzinfo)
    following = date.fromordinal(day.toordinal() + 1)
    ends_at = datetime(following.year, following.month, following.day, tzinfo=zone.tzinfo)
    return hour_floor(starts_at, zone), hour_floor(ends_at, zone)
