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
from meterbook.usage.store import UsageStore

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT: Final = Context(prec=80)
_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class UsageWindow:
    """What one project (or one of its resources) used of one meter in `[starts_at, ends_at)`.

    `quantity` and `usage_hours` are as in `Metered`; `resource` is None when usage is not told apart by resource.
    """

    project_id: int
    meter: Meter
    resource: str | None
    starts_at: datetime
    ends_at: datetime
    quantity: Decimal
    usage_hours: int


def metered(
    store: UsageStore,
    account_id: int,
    project_ids: Collection[int] | None,
    meters: Collection[Meter],
    boundaries: Sequence[datetime],
    zone: BillingZone,
    until: datetime,
    hours_max: int | None = None,
) -> list[tuple[int, Meter, Metered]]:
    """Return what each project used of each meter between neighbouring boundaries, exactly.

    `boundaries` are starts of the zone's hours, ascending, the last one the end. Events at or after `until` do not
    count. A project with any usage of a meter has one row for every interval, in order of time; others have none.
    Projects: None for all of the account's. `hours_max` are the month's reference hours: in a month that really has
    more (the clocks went back), no unit counts for more hours than these (DOMAIN 2); the surplus is taken off the last
    interval with usage, at each resource's smallest hourly value.
    """
    found: dict[tuple[int, Meter], dict[datetime, UsageWindow]] = {}
    for window in by_window(store, account_id, project_ids, meters, boundaries, zone, until, hours_max=hours_max):
        found.setdefault((window.project_id, window.meter), {})[window.starts_at] = window
    rows = []
    for (project_id, meter), windows in found.items():
        for starts_at, ends_at in pairwise(boundaries):
            at = windows.get(starts_at)
            quantity, hours = (at.quantity, at.usage_hours) if at else (_NOTHING, 0)
            rows.append((project_id, meter, Metered(starts_at, ends_at, quantity, hours)))
    return rows


def by_window(
    store: UsageStore,
    account_id: int,
    project_ids: Collection[int] | None,
    meters: Collection[Meter],
    boundaries: Sequence[datetime],
    zone: BillingZone,
    until: datetime,
    *,
    by_resource: bool = False,
    hours_max: int | None = None,
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
    query = _Query(store, account_id, project_ids, frozenset(meters), boundaries, zone, ends_at, by_resource)
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
    """One reading of an account's usage; the SQL is put together from a part for each rule that the meters need."""

    store: UsageStore
    account_id: int
    project_ids: Collection[int] | None
    meters: AbstractSet[Meter]
    boundaries: Sequence[datetime]
    zone: BillingZone
    until: datetime
    by_resource: bool

    def windows(self) -> Iterator[UsageWindow]:
        ends = dict(zip(map(_seconds, self.boundaries), self.boundaries[1:], strict=False))
        by_rule = self._by_rule()
        outer = {rule: f"{rule.partition('_')[0]}_by_window" for rule in by_rule}
        for row in self._run(outer, {}):
            for meter in by_rule[row["rule"]][row["type"]]:
                yield UsageWindow(
                    project_id=row["project_id"],
                    meter=meter,
                    resource=row["resource"] if self.by_resource else None,
                    starts_at=_EPOCH + timedelta(seconds=row["window"]),
                    ends_at=ends[row["window"]],
                    quantity=_quantity(meter, row["quantity"]),
                    usage_hours=row["usage_hours"],
                )

    def surpluses(self, hours_max: int) -> dict[tuple[int, Meter, str | None], Decimal]:
        """Return what was metered beyond `hours_max` hours; only presence and gauge have units that can be on."""
        by_rule = self._by_rule()
        outer = {rule: "hours_over" for rule in by_rule if rule not in ("counter", "stock")}
        return {
            (row["project_id"], meter, row["resource"] if self.by_resource else None): row["quantity"]
            for row in (self._run(outer, {"hours_max": hours_max}) if outer else [])
            for meter in by_rule[row["rule"]][row["type"]]
        }

    def _by_rule(self) -> dict[str, dict[str, list[Meter]]]:
        rules: dict[str, dict[str, list[Meter]]] = {}
        for meter in self.meters:
            rules.setdefault(_rule(meter), {}).setdefault(meter.type, []).append(meter)
        return rules

    def _run(self, outer: dict[str, str], more: dict[str, Parameter]) -> list[dict[str, Any]]:
        parts = []
        parameters: dict[str, Parameter] = {
            "account": self.account_id,
            "starts": self.boundaries[0],
            "until": self.until,
            "residue": self.zone.hour_offset // timedelta(seconds=1),
            "windows": [_seconds(boundary) for boundary in self.boundaries[:-1]],
            "days": [_seconds(day) for day in day_starts(self.boundaries[0], self.boundaries[-1], self.zone)],
        }
        for rule, name in outer.items():
            parts.append(self._part(name, rule))
            parameters[f"types_{rule}"] = sorted(self._by_rule()[rule])
        sql = "\nunion all\n".join(parts)
        rows: list[dict[str, Any]] = self.store.read(sql, parameters | more | _projects(self.project_ids)).to_pylist()
        return rows

    def _part(self, name: str, rule: str) -> str:
        words = {
            "rule": rule,
            "resource": "resource" if self.by_resource else "''",
            "types": f"types_{rule}",
            "and_projects": _and_projects(self.project_ids),
        }
        outer = statement(name)
        if "$hourly" in outer:
            words["hourly"] = Template(statement(f"hourly/{rule}")).substitute(words)
        return Template(outer).substitute(words)


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
    """Return the name of the SQL that makes hourly units of a meter's events."""
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


def _and_projects(project_ids: Collection[int] | None) -> str:
    return "" if project_ids is None else "and project_id in {projects:Array(UInt64)}"


def _projects(project_ids: Collection[int] | None) -> dict[str, Parameter]:
    return {} if project_ids is None else {"projects": sorted(project_ids)}


def _seconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(seconds=1)
