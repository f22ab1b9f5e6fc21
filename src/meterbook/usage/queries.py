"""Reads usage: hourly units, summed in ClickHouse between the boundaries that prices, trials, days or hours draw.

Every read sees all events acknowledged before it began, and touches the rows of one account and range alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from itertools import pairwise
from string import Template
from typing import Any, Final

from meterbook.core.metering import Meter, Metered, MeterKind
from meterbook.core.period import HOUR, BillingZone, day_starts, hour_floor
from meterbook.usage.engine import Parameter, statement
from meterbook.usage.store import READERS, UsageStore

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT: Final = Context(prec=80)
_NOTHING: Final = Decimal(0)
_COUNTER: Final = "counter"
_STOCK: Final = "stock"
# What a resource counts for in an hour, by rule (DOMAIN 2); sums of decimals, never of binary floats.
_UNITS: Final = {
    "presence": "toUInt8(1)",
    "gauge_max": "max(value)",
    "gauge_average": "toDecimal128(round(divideDecimal(sum(value), toDecimal128(count(), 0), 10), 9), 9)",
    "gauge_last": "argMax(value, (at, value))",
    _COUNTER: "sum(value)",
}


@dataclass(frozen=True, slots=True)
class UsageWindow:
    """What one project (or one of its resources) used of one meter in `[starts_at, ends_at)`.

    `quantity`, `usage_hours` and `last_hour_at` are as in `Metered`; `resource` is None when usage is not told apart by
    resource.
    """

    project_id: int
    meter: Meter
    resource: str | None
    starts_at: datetime
    ends_at: datetime
    quantity: Decimal
    usage_hours: int
    last_hour_at: datetime


def metered(
    store: UsageStore,
    account_ids: Collection[int],
    project_ids: Collection[int] | None,
    meters: Collection[Meter],
    boundaries: Sequence[datetime],
    zone: BillingZone,
    until: datetime,
    hours_max: int | None = None,
    received_through: datetime | None = None,
) -> list[tuple[int, Meter, Metered]]:
    """Return what each project used of each meter between neighbouring boundaries, exactly.

    `boundaries` are starts of the zone's hours, ascending, the last one the end. Events at or after `until` do not
    count. A project with any usage of a meter has one row for every interval, in order of time; others have none.
    Projects: None for all of the accounts'. With `received_through`, what was received after it does not count, so that
    a reading can be repeated whatever came since. `hours_max` are the month's reference hours: in a month that has
    more (the clocks went back), no unit counts for more hours than these (DOMAIN 2); the surplus is taken off the last
    interval with usage, at each resource's smallest hourly value.
    """
    found: dict[tuple[int, Meter], dict[datetime, UsageWindow]] = {}
    windows = by_window(
        store,
        account_ids,
        project_ids,
        meters,
        boundaries,
        zone,
        until,
        hours_max=hours_max,
        received_through=received_through,
    )
    for window in windows:
        found.setdefault((window.project_id, window.meter), {})[window.starts_at] = window
    rows = []
    for (project_id, meter), used in found.items():
        for starts_at, ends_at in pairwise(boundaries):
            at = used.get(starts_at)
            usage = Metered(starts_at, ends_at, _NOTHING, 0)
            if at:
                usage = Metered(starts_at, ends_at, at.quantity, at.usage_hours, at.last_hour_at)
            rows.append((project_id, meter, usage))
    return rows


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
    assert list(boundaries) == sorted(set(boundaries)), "boundaries ascend"
    assert all(hour_floor(boundary, zone) == boundary for boundary in boundaries), "boundaries are hours of the zone"
    starts_at, ends_at = boundaries[0], min(boundaries[-1], until)
    if not meters or ends_at <= starts_at or (project_ids is not None and not project_ids):
        return []
    query = _Query(
        store, account_ids, project_ids, frozenset(meters), boundaries, zone, ends_at, by_resource, received_through
    )
    windows = sorted(query.windows(), key=_order)
    real_hours = (boundaries[-1] - boundaries[0]) // HOUR
    if hours_max is not None and real_hours > hours_max:
        windows = _capped(windows, query.surpluses(hours_max), hours_max)
    return windows


def data_through(
    store: UsageStore,
    account_id: int,
    project_ids: Collection[int] | None,
    starts_at: datetime,
    ends_at: datetime,
    zone: BillingZone,
) -> datetime | None:
    """Return the end of the billing hour of the latest event in `[starts_at, ends_at)`; None without events."""
    if project_ids is not None and not project_ids:
        return None
    sql = Template(statement("latest_event")).substitute(and_projects=_and_projects(project_ids))
    parameters: dict[str, Parameter] = {"account": account_id, "starts": starts_at, "ends": ends_at}
    row = store.read(sql, parameters | _projects(project_ids)).to_pylist()[0]
    if not row["events"]:
        return None
    return hour_floor(row["latest"].astimezone(UTC), zone) + HOUR


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
        "windows": [_seconds(boundary) for boundary in boundaries[:-1]],
        "received": received_after,
    }
    if received_through is not None:
        parameters["received_through"] = received_through
    sql = Template(statement("late_windows")).substitute(and_received=_and_received(received_through))
    rows = store.read(sql, parameters).to_pylist()
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


@dataclass(frozen=True, slots=True)
class _Query:
    """One reading of an account's usage: hourly units by every rule that the meters need, in one pass over the rows."""

    store: UsageStore
    account_ids: Collection[int]
    project_ids: Collection[int] | None
    meters: AbstractSet[Meter]
    boundaries: Sequence[datetime]
    zone: BillingZone
    until: datetime
    by_resource: bool
    received_through: datetime | None

    def windows(self) -> Iterator[UsageWindow]:
        rules = {_rule(meter) for meter in self.meters}
        hourly = sorted(rules - {_STOCK})
        if hourly:
            sums = ",\n    ".join(f"toDecimal128(sum({rule}), 9) as {rule}" for rule in hourly)
            words = {"hourly": self._hourly({rule: rule for rule in hourly}), "sums": sums}
            yield from self._windows("hours_by_window", hourly, words)
        if _STOCK in rules:
            yield from self._windows("stock_by_window", [_STOCK], {})

    def surpluses(self, hours_max: int) -> dict[tuple[int, Meter, str | None], Decimal]:
        """Return what was metered beyond `hours_max` hours; only presence and gauge have units that can be on."""
        return {
            (row["project_id"], meter, row["resource"] if self.by_resource else None): row["quantity"]
            for rule in {_rule(meter) for meter in self.meters} - {_COUNTER, _STOCK}
            for row in self._read("hours_over", [rule], {"hourly": self._hourly({rule: "units"})}, hours_max=hours_max)
            for meter in self._meters([rule])[row["type"]]
        }

    def _windows(self, name: str, rules: Sequence[str], words: dict[str, str]) -> Iterator[UsageWindow]:
        ends = dict(zip(map(_seconds, self.boundaries), self.boundaries[1:], strict=False))
        by_type = self._meters(rules)
        for row in self._read(name, rules, words):
            for meter in by_type[row["type"]]:
                yield UsageWindow(
                    project_id=row["project_id"],
                    meter=meter,
                    resource=row["resource"] if self.by_resource else None,
                    starts_at=_EPOCH + timedelta(seconds=row["window"]),
                    ends_at=ends[row["window"]],
                    quantity=_quantity(meter, row[_rule(meter)]),
                    usage_hours=row["usage_hours"],
                    last_hour_at=_EPOCH + row["last_hour"] * HOUR + self.zone.hour_offset,
                )

    def _meters(self, rules: Sequence[str]) -> dict[str, list[Meter]]:
        by_type: dict[str, list[Meter]] = {}
        for meter in self.meters:
            if _rule(meter) in rules:
                by_type.setdefault(meter.type, []).append(meter)
        return by_type

    def _hourly(self, columns: dict[str, str]) -> str:
        """Return the SQL of the hourly units of each resource, by each rule under the name of its column."""
        units = ",\n    ".join(f"{_UNITS[rule]} as {column}" for rule, column in columns.items())
        return Template(statement("hourly")).substitute(
            units=units, and_projects=_and_projects(self.project_ids), and_received=_and_received(self.received_through)
        )

    def _read(self, name: str, rules: Sequence[str], words: dict[str, str], **more: Parameter) -> list[dict[str, Any]]:
        sql = Template(statement(name)).substitute(
            words,
            resource="resource" if self.by_resource else "''",
            and_projects=_and_projects(self.project_ids),
            and_received=_and_received(self.received_through),
        )
        parameters: dict[str, Parameter] = {
            "accounts": sorted(self.account_ids),
            "starts": self.boundaries[0],
            "until": self.until,
            "residue": self.zone.hour_offset // timedelta(seconds=1),
            "windows": [_seconds(boundary) for boundary in self.boundaries[:-1]],
            "days": [_seconds(day) for day in day_starts(self.boundaries[0], self.boundaries[-1], self.zone)],
            "types": sorted(self._meters(rules)),
        }
        if self.received_through is not None:
            parameters["received_through"] = self.received_through
        shares = [parameters | more | _projects(share) for share in _shares(self.project_ids)]
        rows: list[dict[str, Any]] = self.store.read_each(sql, shares).to_pylist()
        return rows


def _capped(
    windows: list[UsageWindow], surpluses: dict[tuple[int, Meter, str | None], Decimal], hours_max: int
) -> list[UsageWindow]:
    """Take surpluses off the last window of each project, meter and resource."""
    last: dict[tuple[int, Meter, str | None], int] = {}
    hours: dict[tuple[int, Meter, str | None], int] = {}
    for at, window in enumerate(windows):
        key = (window.project_id, window.meter, window.resource)
        last[key] = at
        hours[key] = hours.get(key, 0) + window.usage_hours
    capped = list(windows)
    for key, at in last.items():
        window = windows[at]
        capped[at] = replace(
            window,
            quantity=_EXACT.subtract(window.quantity, surpluses.get(key, _NOTHING)),
            usage_hours=window.usage_hours - max(0, hours[key] - hours_max),
        )
    return capped


def _rule(meter: Meter) -> str:
    """Return the name of the rule that makes hourly units of a meter's events."""
    return f"gauge_{meter.hourly}" if meter.kind is MeterKind.gauge else str(meter.kind)


def _quantity(meter: Meter, summed: Decimal) -> Decimal:
    if meter.retention_days is None:
        return summed
    # Average lines a day x retention days x hours of the period = lines x retention days x 24.
    return _EXACT.multiply(summed, Decimal(meter.retention_days * 24))


def _order(window: UsageWindow) -> tuple[int, str, str, str, int, str, datetime]:
    meter = window.meter
    identity = (meter.type, str(meter.kind), str(meter.hourly), meter.retention_days or 0)
    return window.project_id, *identity, window.resource or "", window.starts_at


def _and_received(received_through: datetime | None) -> str:
    return "" if received_through is None else "and received_at <= {received_through:DateTime64(6, 'UTC')}"


def _and_projects(project_ids: Collection[int] | None) -> str:
    return "" if project_ids is None else "and project_id in {projects:Array(UInt64)}"


def _projects(project_ids: Collection[int] | None) -> dict[str, Parameter]:
    return {} if project_ids is None else {"projects": sorted(project_ids)}


def _shares(project_ids: Collection[int] | None) -> list[Collection[int] | None]:
    """Divide projects among readers: a project's rows are counted by one of them, and none counts another's."""
    if project_ids is None or len(project_ids) < READERS:
        return [project_ids]
    ordered, each = sorted(project_ids), -(-len(project_ids) // READERS)
    return [ordered[start : start + each] for start in range(0, len(ordered), each)]


def _seconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(seconds=1)
