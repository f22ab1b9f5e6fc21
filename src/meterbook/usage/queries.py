"""Reads usage: hourly units, summed in ClickHouse between the boundaries that prices, trials, days or hours draw.

Every read sees all events acknowledged before it began, and touches the rows of one account and range alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise
from operator import attrgetter, itemgetter, lt
from string import Template
from typing import Final, NamedTuple

from meterbook.core.metering import Meter
from meterbook.core.period import HOUR, BillingZone, hour_floor
from meterbook.core.rating import Part
from meterbook.usage.connection import Parameter, statement
from meterbook.usage.count import count, surpluses
from meterbook.usage.question import Counted, Question, and_received, seconds
from meterbook.usage.store import UsageStore

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT: Final = Context(prec=80)
_IN_HOUR: Final = attrgetter("minute", "second", "microsecond", "tzinfo")
_ONE: Final = 10**9  # quantities are counted in billionths


class UsageWindow(NamedTuple):
    """What one project (or one of its resources) used of one meter in `[starts_at, ends_at)`.

    `quantity` is unit-hours (presence, gauge, and for stock lines x retention days x 24) or, for a counter, the sum of
    values. `usage_hours` are the hours in which anything was metered, `last_hour_at` is the start of the last of them;
    `resource` is None when usage is not told apart by resource.
    """

    project_id: int
    meter: Meter
    resource: str | None
    starts_at: datetime
    ends_at: datetime
    quantity: Decimal
    usage_hours: int
    last_hour_at: datetime


class MeteredParts(NamedTuple):
    """What one project used of one meter: a part for every interval between boundaries, in order of time.

    `recent` is used since the moment that was asked for, in billionths, all of it where none was; `last_hour_at` starts
    the last hour with usage.
    """

    parts: tuple[Part, ...]
    recent: int
    last_hour_at: datetime


def metered(
    store: UsageStore,
    account_ids: Collection[int],
    project_ids: Collection[int] | None,
    meters: Collection[Meter],
    boundaries: Sequence[datetime],
    zone: BillingZone,
    until: datetime,
    *,
    hours_max: int | None = None,
    received_through: datetime | None = None,
    together: bool = False,
) -> dict[Meter, dict[int, MeteredParts]]:
    """Return by meter and project what was used between neighbouring boundaries, exactly, where anything was.

    `boundaries` are starts of the zone's hours, ascending, the last one the end. Events at or after `until` do not
    count. Projects: None for all of the accounts'. With `received_through`, what was received after it does not count,
    so that a reading can be repeated whatever came since. `hours_max` are the month's reference hours: in a month that
    has more (the clocks went back), no unit counts for more hours than these (DOMAIN 2); the surplus is taken off the
    last interval with usage, at each resource's smallest hourly value. `together` adds all projects up, as project 0.
    """
    question = Question(
        account_ids,
        project_ids,
        frozenset(meters),
        boundaries,
        zone,
        until,
        together=together,
        received_through=received_through,
    )
    return in_parts(in_windows(store, question, hours_max), boundaries)


def in_parts(counted: Sequence[Counted], boundaries: Sequence[datetime]) -> dict[Meter, dict[int, MeteredParts]]:
    """Put together by meter and project what was counted between neighbouring boundaries."""
    gaps = [Part(starts_at, ends_at, Fraction(0), 0) for starts_at, ends_at in pairwise(boundaries)]
    exact = _Exact()
    return {each.meter: _parts(each, gaps, exact) for each in counted}


def by_window(
    store: UsageStore,
    account_ids: Collection[int],
    project_ids: Collection[int] | None,
    meters: Collection[Meter],
    boundaries: Sequence[datetime],
    zone: BillingZone,
    until: datetime,
    *,
    by_resource: bool = False,
    hours_max: int | None = None,
    received_through: datetime | None = None,
) -> list[UsageWindow]:
    """Return the windows in which something was metered, ordered by project, type, resource and time.

    As `metered`, of which it is the sparse form; the windows between the boundaries may be days or hours, and sum to
    what `metered` gives for the whole. A stock's day counts its 24 usage hours in the first window it shows up in.
    """
    counted_of_meters = in_windows(
        store,
        Question(
            account_ids,
            project_ids,
            frozenset(meters),
            boundaries,
            zone,
            until,
            by_resource=by_resource,
            received_through=received_through,
        ),
        hours_max,
    )
    ends = dict(zip(map(seconds, boundaries), boundaries[1:], strict=False))
    instants = _Instants()
    windows: list[tuple[int, int, str, int, UsageWindow]] = []
    for rank, counted in enumerate(sorted(counted_of_meters, key=_name)):
        windows += _windows(counted, rank, ends, instants)
    windows.sort(key=itemgetter(0, 1, 2, 3))
    return [window for *_, window in windows]


def in_windows(store: UsageStore, question: Question, hours_max: int | None = None) -> list[Counted]:
    """Return what `by_window` does, unordered and in columns, of which many can be read without an object for each."""
    bounded = _bounded(question)
    return [] if bounded is None else _counted(store, bounded, hours_max)


def data_through(
    store: UsageStore,
    account_id: int,
    project_id: int,
    meters: Collection[Meter],
    starts_at: datetime,
    ends_at: datetime,
    zone: BillingZone,
) -> datetime | None:
    """Return the end of the billing hour of a project's latest event in `[starts_at, ends_at)`; None without events."""
    parameters: dict[str, Parameter] = {
        "account": account_id,
        "project": project_id,
        "types": sorted({meter.type for meter in meters}),
        "starts": starts_at,
        "ends": ends_at,
    }
    row = store.read(statement("latest_event"), parameters).to_pylist()[0]
    if not row["events"]:
        return None
    return hour_floor(row["latest"].astimezone(UTC), zone) + HOUR


def latest_hour_end(counted: Sequence[Counted]) -> datetime | None:
    """Return the end of the latest hour of what was counted; None when nothing was."""
    last_hours = [max(each.last_hours) for each in counted if each.last_hours]
    return _EPOCH + timedelta(seconds=max(last_hours)) + HOUR if last_hours else None


def late_windows(
    store: UsageStore,
    account_ids: Collection[int],
    boundaries: Sequence[datetime],
    received_after: datetime,
    received_through: datetime | None = None,
) -> dict[tuple[int, datetime], datetime]:
    """Return, by account and start of window, the moment the newest event received after a moment came in.

    Windows without such events are left out. `boundaries` ascend, the last one the end.
    """
    parameters: dict[str, Parameter] = {
        "accounts": sorted(account_ids),
        "starts": boundaries[0],
        "ends": boundaries[-1],
        "windows": [seconds(boundary) for boundary in boundaries[:-1]],
        "received": received_after,
    }
    if received_through is not None:
        parameters["received_through"] = received_through
    sql = Template(statement("late_windows")).substitute(and_received=and_received(received_through))
    rows = store.read_before(account_ids, boundaries[-1], sql, parameters).to_pylist()
    return {
        (row["account_id"], _EPOCH + timedelta(seconds=row["window"])): row["latest"].astimezone(UTC) for row in rows
    }


def is_metered(
    store: UsageStore, account_ids: Collection[int] | None, type_: str, from_: datetime, until: datetime | None
) -> bool:
    """Return whether any event of a type lies in `[from_, until)`, in these accounts (None: in any)."""
    if account_ids is not None and not account_ids:
        return False
    parameters: dict[str, Parameter] = {"type": type_, "from": from_}
    clauses = {"and_until": "", "and_accounts": ""}
    if until is not None:
        clauses["and_until"] = "and at < {until:DateTime64(6, 'UTC')}"
        parameters["until"] = until
    if account_ids is not None:
        clauses["and_accounts"] = "and account_id in {accounts:Array(UInt64)}"
        parameters["accounts"] = sorted(account_ids)
    return bool(store.read(Template(statement("any_event")).substitute(clauses), parameters).num_rows)


def _bounded(asked: Question) -> Question | None:
    """Return a question that ends with its last boundary, None when it can have no answer."""
    boundaries, first_hour = asked.boundaries, _EPOCH + asked.zone.hour_offset
    assert all(map(lt, boundaries, boundaries[1:])), "boundaries ascend"
    assert set(map(_IN_HOUR, boundaries)) <= {_IN_HOUR(first_hour)}, "boundaries are hours of the zone"
    until = min(boundaries[-1], asked.until)
    if not asked.meters or until <= boundaries[0] or (asked.project_ids is not None and not asked.project_ids):
        return None
    return replace(asked, until=until)


def _counted(store: UsageStore, question: Question, hours_max: int | None) -> list[Counted]:
    """Count, and take off what a month with more hours than `hours_max` has beyond these."""
    counted = count(store, question)
    real_hours = (question.boundaries[-1] - question.boundaries[0]) // HOUR
    if hours_max is None or real_hours <= hours_max:
        return counted
    over = surpluses(store, question, hours_max)
    return [_capped(each, over, hours_max) for each in counted]


def _capped(counted: Counted, over: Mapping[tuple[int, Meter, str | None], int], hours_max: int) -> Counted:
    """Take surpluses off the last window of each project and resource."""
    last: dict[tuple[int, str | None], int] = {}
    hours: dict[tuple[int, str | None], int] = {}
    for row, window in enumerate(counted.windows):
        key = (counted.project_ids[row], counted.resources[row] if counted.resources else None)
        if key not in last or counted.windows[last[key]] < window:
            last[key] = row
        hours[key] = hours.get(key, 0) + counted.usage_hours[row]
    quantities, recent, usage_hours = list(counted.quantities), list(counted.recent), list(counted.usage_hours)
    for (project_id, resource), row in last.items():
        surplus = over.get((project_id, counted.meter, resource), 0)
        quantities[row] -= surplus
        if recent and recent[row]:
            recent[row] -= surplus
        usage_hours[row] -= max(0, hours[project_id, resource] - hours_max)
    return replace(counted, quantities=quantities, recent=recent, usage_hours=usage_hours)


def _parts(counted: Counted, gaps: Sequence[Part], exact: _Exact) -> dict[int, MeteredParts]:
    """Put the rows of one meter together by project, with nothing used between them."""
    rows = zip(
        counted.project_ids,
        counted.windows,
        counted.quantities,
        counted.usage_hours,
        counted.recent or counted.quantities,
        counted.last_hours,
        strict=True,
    )
    instants = _Instants()
    if len(gaps) == 1:
        starts_at, ends_at = gaps[0].starts_at, gaps[0].ends_at
        return {
            project_id: MeteredParts((Part(starts_at, ends_at, exact[quantity], hours),), recent, instants[last_hour])
            for project_id, _, quantity, hours, recent, last_hour in rows
        }
    places = {seconds(gap.starts_at): place for place, gap in enumerate(gaps)}
    parts: dict[int, list[Part]] = {}
    lately: dict[int, int] = {}
    last: dict[int, int] = {}
    for project_id, window, quantity, hours, recent, last_hour in rows:
        of_project = parts.get(project_id)
        if of_project is None:
            of_project = parts[project_id] = list(gaps)
        place = places[window]
        of_project[place] = Part(gaps[place].starts_at, gaps[place].ends_at, exact[quantity], hours)
        lately[project_id] = lately.get(project_id, 0) + recent
        last[project_id] = max(last.get(project_id, 0), last_hour)
    return {
        project_id: MeteredParts(tuple(of_project), lately[project_id], instants[last[project_id]])
        for project_id, of_project in parts.items()
    }


def _name(counted: Counted) -> tuple[str, str, str, int]:
    meter = counted.meter
    return meter.type, str(meter.kind), str(meter.hourly), meter.retention_days or 0


def _windows(
    counted: Counted, rank: int, ends: dict[int, datetime], instants: _Instants
) -> list[tuple[int, int, str, int, UsageWindow]]:
    """Return the windows of one meter with what they are ordered by."""
    meter, told_apart = counted.meter, bool(counted.resources)
    rows = zip(
        counted.project_ids,
        counted.resources or [""] * len(counted.project_ids),
        counted.windows,
        counted.quantities,
        counted.usage_hours,
        counted.last_hours,
        strict=True,
    )
    return [
        (
            project_id,
            rank,
            resource,
            window,
            UsageWindow(
                project_id,
                meter,
                resource if told_apart else None,
                instants[window],
                ends[window],
                _EXACT.scaleb(Decimal(quantity), -9),
                hours,
                instants[last_hour],
            ),
        )
        for project_id, resource, window, quantity, hours, last_hour in rows
    ]


class _Instants(dict[int, datetime]):
    """Instants by their seconds since 1970; there are far fewer of them than rows."""

    def __missing__(self, at: int) -> datetime:
        self[at] = instant = _EPOCH + timedelta(seconds=at)
        return instant


class _Exact(dict[int, Fraction]):
    """Quantities by their billionths; many rows have the same one."""

    def __missing__(self, billionths: int) -> Fraction:
        whole, rest = divmod(billionths, _ONE)
        self[billionths] = exact = Fraction(billionths, _ONE) if rest else Fraction(whole)
        return exact
