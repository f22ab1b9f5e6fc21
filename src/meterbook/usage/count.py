"""Counts usage in ClickHouse: what projects used of meters between boundaries, of the raw events or of their roll-up.

Both come to the same. The roll-up is read where it is kept; what it does not know yet is counted of the events.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context
from string import Template
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meterbook.core.metering import Meter
from meterbook.core.period import HOUR, BillingZone, day_starts, hour_ceil
from meterbook.usage.connection import Parameter, statement
from meterbook.usage.rolled import Days, HourlySql, hours_of
from meterbook.usage.store import READERS, UsageStore
from meterbook.usage.units import COUNTER, STOCK, UNITS, factor_of, rule_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = 86_400
_EXACT: Final = Context(prec=80)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: usage of accounts (and projects: None for all of theirs) between neighbouring boundaries.

    Events at or after `until`, or received after `received_through`, do not count. It asks for each resource apart, or
    for all projects `together`, as project 0. `recent_from`, the start of a day, asks for what was used since as well.
    """

    account_ids: Collection[int]
    project_ids: Collection[int] | None
    meters: AbstractSet[Meter]
    boundaries: Sequence[datetime]
    zone: BillingZone
    until: datetime
    by_resource: bool = False
    together: bool = False
    received_through: datetime | None = None
    recent_from: datetime | None = None

    @property
    def project(self) -> str:
        """The SQL of the project that a row is of."""
        return "toUInt64(0)" if self.together else "project_id"

    @property
    def resource(self) -> str:
        """The SQL of the resource that a row is of."""
        return "resource" if self.by_resource else "''"


@dataclass(frozen=True, slots=True)
class Counted:
    """What was used of one meter, in columns: a row is a window of a project (and resource) with usage.

    Quantities, and their parts used lately, are in billionths; windows and last hours are seconds since 1970.
    """

    meter: Meter
    project_ids: list[int]
    resources: list[str]
    windows: list[int]
    quantities: list[int]
    recent: list[int]
    usage_hours: list[int]
    last_hours: list[int]


def count(store: UsageStore, question: Question) -> list[Counted]:
    """Answer a question, one column set a meter; meters without usage are left out."""
    days = None if question.by_resource else store.rolled(question.account_ids, question.zone)
    if days is None:
        return _RawReading(store, question).counted()
    through = question.received_through or store.received_through()
    counted = _RolledReading(store, question, days, through).counted()
    return counted if store.is_rolled(days) else _RawReading(store, question).counted()


def surpluses(store: UsageStore, question: Question, hours_max: int) -> dict[tuple[int, Meter, str | None], int]:
    """Return what was metered beyond `hours_max` hours; only presence and gauge have units that can be on."""
    return _RawReading(store, question).surpluses(hours_max)


def seconds(instant: datetime) -> int:
    """Return the whole seconds since 1970."""
    return (instant - _EPOCH) // _SECOND


def _meters(meters: Collection[Meter], rules: Collection[str]) -> dict[str, list[Meter]]:
    by_type: dict[str, list[Meter]] = {}
    for meter in meters:
        if rule_of(meter) in rules:
            by_type.setdefault(meter.type, []).append(meter)
    return by_type


def _sums(rules: Collection[str], starts: str, recent: bool) -> str:
    """Return the SQL of each rule's total, and of its part from `recent_from` on; `starts` is when a row begins."""
    sums = [f"toDecimal128(sum({rule}), 9) as total_{rule}" for rule in rules]
    if recent:
        lately = f"{starts} >= {{recent_from:Int64}}"
        sums += [f"toDecimal128(sumIf({rule}, {lately}), 9) as recent_{rule}" for rule in rules]
    return ",\n    ".join(sums)


def _in_columns(
    table: pa.Table, meters: dict[str, list[Meter]], window_shift: int, hour_shift: int, by_resource: bool
) -> list[Counted]:
    """Take rows apart by type, and give each meter its rule's sums; shifts are taken off windows and hours."""
    counted = []
    for type_, of_type in meters.items():
        rows = table.filter(pc.equal(table.column("type"), type_))
        if not rows.num_rows:
            continue
        last_hours = rows.column("last_hour").to_numpy() * 3600 - hour_shift
        for meter in of_type:
            rule, factor = rule_of(meter), factor_of(meter)
            name = COUNTER if rule == STOCK else rule
            counted.append(
                Counted(
                    meter,
                    rows.column("owner").to_numpy().tolist(),
                    rows.column("resource").to_pylist() if by_resource else [],
                    (rows.column("window").to_numpy() - window_shift).tolist(),
                    _billionths(rows.column(f"total_{name}"), factor),
                    _billionths(rows.column(f"recent_{name}"), factor) if f"recent_{name}" in rows.column_names else [],
                    rows.column("usage_hours").to_numpy().tolist(),
                    last_hours.tolist(),
                )
            )
    return counted


def _billionths(column: pa.ChunkedArray, factor: int) -> list[int]:
    """Return decimals of nine places as whole numbers: Arrow holds them as 128 bits, the lower half first."""
    array = pa.concat_arrays(column.chunks)
    halves = np.frombuffer(array.buffers()[1], dtype=np.int64)[2 * array.offset : 2 * (array.offset + len(array))]
    low, high = halves[::2], halves[1::2]
    if (high == low >> 63).all():
        numbers: list[int] = low.tolist()
    else:
        pairs = zip(high.tolist(), low.view(np.uint64).tolist(), strict=True)
        numbers = [(above << 64) + below for above, below in pairs]
    return numbers if factor == 1 else [number * factor for number in numbers]


def and_received(received_through: datetime | None) -> str:
    """Return the SQL that leaves out what was received later; nothing for None."""
    return "" if received_through is None else "and received_at <= {received_through:DateTime64(6, 'UTC')}"


def and_projects(project_ids: Collection[int] | None) -> str:
    """Return the SQL that keeps to some projects; nothing for None, which is all."""
    return "" if project_ids is None else "and project_id in {projects:Array(UInt64)}"


def only_projects(project_ids: Collection[int] | None) -> dict[str, Parameter]:
    """Return the parameters of `and_projects`."""
    return {} if project_ids is None else {"projects": sorted(project_ids)}


def _shares(project_ids: Collection[int] | None) -> list[Collection[int] | None]:
    """Divide projects among readers: a project's rows are counted by one of them, and none counts another's."""
    if project_ids is None or len(project_ids) < READERS:
        return [project_ids]
    ordered, each = sorted(project_ids), -(-len(project_ids) // READERS)
    return [ordered[start : start + each] for start in range(0, len(ordered), each)]


@dataclass(frozen=True, slots=True)
class _RawReading:
    """A reading of the events: hourly units by every rule that the meters need, in one pass over the rows."""

    store: UsageStore
    asked: Question

    def counted(self) -> list[Counted]:
        rules = {rule_of(meter) for meter in self.asked.meters}
        hourly = [rule for rule in UNITS if rule in rules]
        found: list[Counted] = []
        if hourly:
            sums = _sums(hourly, "hour * 3600 + {residue:Int64}", self.asked.recent_from is not None)
            words = {"hourly": self._hourly({rule: rule for rule in hourly}), "sums": sums}
            found += self._counted("hours_by_window", hourly, words)
        if STOCK in rules:
            words = {"sums": _sums([COUNTER], "day", self.asked.recent_from is not None)}
            found += self._counted("stock_by_window", [STOCK], words)
        return found

    def surpluses(self, hours_max: int) -> dict[tuple[int, Meter, str | None], int]:
        found: dict[tuple[int, Meter, str | None], int] = {}
        for rule in {rule_of(meter) for meter in self.asked.meters} - {COUNTER, STOCK}:
            words = {"hourly": self._hourly({rule: "units"})}
            rows = self._read("hours_over", [rule], words, hours_max=hours_max)
            for row in rows.to_pylist():
                resource = row["resource"] if self.asked.by_resource else None
                for meter in _meters(self.asked.meters, [rule])[row["type"]]:
                    found[row["owner"], meter, resource] = int(row["quantity"].scaleb(9, _EXACT))
        return found

    def _counted(self, name: str, rules: Sequence[str], words: dict[str, str]) -> list[Counted]:
        hour_shift = -(self.asked.zone.hour_offset // _SECOND)
        table = self._read(name, rules, words)
        return _in_columns(table, _meters(self.asked.meters, rules), 0, hour_shift, self.asked.by_resource)

    def _hourly(self, columns: dict[str, str]) -> str:
        """Return the SQL of the hourly units of each resource, by each rule under the name of its column."""
        units = ",\n    ".join(f"{UNITS[rule]} as {column}" for rule, column in columns.items())
        asked = self.asked
        return Template(statement("hourly")).substitute(
            units=units,
            and_projects=and_projects(asked.project_ids),
            and_received=and_received(asked.received_through),
        )

    def _read(self, name: str, rules: Sequence[str], words: dict[str, str], **more: Parameter) -> pa.Table:
        asked = self.asked
        sql = Template(statement(name)).substitute(
            words,
            project=asked.project,
            resource=asked.resource,
            and_projects=and_projects(asked.project_ids),
            and_received=and_received(asked.received_through),
        )
        parameters: dict[str, Parameter] = {
            "accounts": sorted(asked.account_ids),
            "starts": asked.boundaries[0],
            "until": asked.until,
            "residue": asked.zone.hour_offset // _SECOND,
            "windows": [seconds(boundary) for boundary in asked.boundaries[:-1]],
            "days": [seconds(day) for day in day_starts(asked.boundaries[0], asked.boundaries[-1], asked.zone)],
            "types": sorted(_meters(asked.meters, rules)),
        }
        if asked.received_through is not None:
            parameters["received_through"] = asked.received_through
        if asked.recent_from is not None:
            parameters["recent_from"] = seconds(asked.recent_from)
        shares = [asked.project_ids] if asked.together else _shares(asked.project_ids)
        return self.store.read_each(sql, [parameters | more | only_projects(share) for share in shares])


@dataclass(frozen=True, slots=True)
class _RolledReading:
    """A reading of whole days of the roll-up, of the hours of days that a boundary cuts, and of what is newer.

    Hours with an event that the roll-up does not count, or the answer must not, are counted of the events alone,
    whatever the roll-up says of them: so it may go on meanwhile.
    """

    store: UsageStore
    asked: Question
    days: Days
    received_through: datetime

    def counted(self) -> list[Counted]:
        rules = {rule_of(meter) for meter in self.asked.meters}
        found: list[Counted] = []
        for name, some in (("rolled_by_window", rules - {STOCK}), ("rolled_stock_by_window", rules & {STOCK})):
            if some:
                found += self._counted(name, sorted(some))
        return found

    def _counted(self, name: str, rules: Sequence[str]) -> list[Counted]:
        asked, shift = self.asked, self.days.shift
        days = day_starts(asked.boundaries[0], asked.boundaries[-1], asked.zone) if STOCK in rules else []
        cuts = [cut for cut in (*asked.boundaries, *self._recent(), *days) if cut < asked.until]
        is_touched = self._is_touched(rules)
        if self._asks_for_hours and STOCK not in rules and not is_touched:
            table = self._hours(rules)
        else:
            table = self._read(name, rules, cuts, is_touched=is_touched)
        if table.num_rows and pc.max(table.column("latest_at")).as_py().astimezone(UTC) >= asked.until:
            # There is usage on the last day that does not count any more, and perhaps in its last hour.
            cuts_hour = self._ends != asked.until
            cuts.append(asked.until)
            table = self._read(name, rules, cuts, is_touched=is_touched or cuts_hour, cuts_hour=cuts_hour)
        return _in_columns(table, _meters(asked.meters, rules), shift, shift, by_resource=False)

    def _is_touched(self, rules: Sequence[str]) -> bool:
        """Return whether any hour has an event that the roll-up does not count, or the answer must not."""
        if self.store.newest_receipt() <= self._rolled_through:
            return False
        return bool(self.store.read(self._hourly(rules).is_any_touched(), self._parameters(rules)).num_rows)

    @property
    def _rolled_through(self) -> datetime:
        return min(self.days.received_through, self.received_through)

    @property
    def _asks_for_hours(self) -> bool:
        """Whether each window is an hour of a project, so that none has to be summed of others."""
        bounds = self.asked.boundaries
        if self.asked.together or self.asked.recent_from is not None:
            return False
        return (bounds[-1] - bounds[0]) // HOUR == len(bounds) - 1

    def _hours(self, rules: Sequence[str]) -> pa.Table:
        days = self.store.read(self._hourly(rules).by_day(), self._parameters(rules))
        first, end = (seconds(at) + self.days.shift for at in (self.asked.boundaries[0], self._ends))
        return hours_of(days, rules, first // 3600, end // 3600)

    @property
    def _ends(self) -> datetime:
        """The end of the last hour that counts, if only in part."""
        return hour_ceil(self.asked.until, self.asked.zone)

    def _recent(self) -> list[datetime]:
        return [] if self.asked.recent_from is None else [self.asked.recent_from]

    def _hourly(self, rules: Sequence[str], *, cuts_hour: bool = False) -> HourlySql:
        columns = [COUNTER if rule == STOCK else rule for rule in rules]
        by_project = self.asked.project_ids is not None
        return HourlySql(columns, by_type=True, by_project=by_project, cuts_hour=cuts_hour)

    def _read(
        self, name: str, rules: Sequence[str], cuts: Sequence[datetime], *, is_touched: bool, cuts_hour: bool = False
    ) -> pa.Table:
        """Read the days, those with a cut inside by the hour."""
        asked, shift = self.asked, self.days.shift
        first, until = seconds(asked.boundaries[0]) + shift, seconds(self._ends) + shift
        cut_days = sorted({at // _DAY for cut in cuts if (at := seconds(cut) + shift) % _DAY})
        some_are_whole = len(cut_days) <= (until - 1) // _DAY - first // _DAY
        hourly = self._hourly(rules, cuts_hour=cuts_hour)
        settings = statement("few_rows") if len(asked.account_ids) == 1 and not is_touched else ""
        recent = asked.recent_from is not None
        if not cut_days and not is_touched and STOCK not in rules:
            sql = hourly.days_by_window(asked.project, _sums(hourly.rules, "toInt64(day) * 86400", recent), settings)
        else:
            sql = Template(statement(name)).substitute(
                cells=hourly.cells(days=some_are_whole, hours=bool(cut_days), touched=is_touched),
                sums=_sums(hourly.rules, "day" if STOCK in rules else "hour * 3600", recent),
                project=asked.project,
                settings=settings,
            )
        return self.store.read(sql, self._parameters(rules) | {"cut_days": cut_days})

    def _parameters(self, rules: Sequence[str]) -> dict[str, Parameter]:
        asked, shift = self.asked, self.days.shift
        ends = self._ends
        first, until = seconds(asked.boundaries[0]) + shift, seconds(ends) + shift
        days = day_starts(asked.boundaries[0], asked.boundaries[-1], asked.zone)
        return {
            "accounts": sorted(asked.account_ids),
            "types": sorted(_meters(asked.meters, rules)),
            "utc_offset": self.days.utc_offset,
            "shift": shift,
            "starts": asked.boundaries[0],
            "until": asked.until,
            "ends": ends,
            "first_hour": first // 3600,
            "end_hour": until // 3600,
            "first_day": first // _DAY,
            "last_day": (until - 1) // _DAY,
            "windows": [seconds(boundary) + shift for boundary in asked.boundaries[:-1]],
            "days": [seconds(day) + shift for day in days],
            "recent_from": seconds(asked.recent_from or asked.boundaries[0]) + shift,
            "received_through": self.received_through,
            "rolled_through": self._rolled_through,
            **only_projects(asked.project_ids),
        }
