"""Counts usage of the roll-up; what it does not know yet is counted of the events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from string import Template
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meterbook.core.period import HOUR, day_starts, hour_ceil
from meterbook.usage.connection import Parameter, statement
from meterbook.usage.question import (
    EPOCH,
    SECOND,
    Counted,
    Question,
    by_type,
    in_columns,
    only_projects,
    seconds,
    sums_of,
)
from meterbook.usage.rolled import TOTAL, Days, HourlySql, hours_of, summed
from meterbook.usage.store import UsageStore
from meterbook.usage.units import COUNTER, STOCK, rule_of

_DAY: Final = 86_400
# Events that come in as they happen are of the newest hours: so many of them are counted of the events as a whole.
_NEWEST_HOURS: Final = 3


class _Span(NamedTuple):
    """So many days of the roll-up, up to an hour; `cut_days` are read by the hour."""

    end_hour: int
    days: int
    cut_days: list[int]

    @property
    def some_are_whole(self) -> bool:
        """Whether any day is not cut."""
        return len(self.cut_days) < self.days


@dataclass(frozen=True, slots=True)
class RolledReading:
    """A reading of whole days of the roll-up, of the hours of days that a boundary cuts, and of what is newer.

    Touched hours, those with an event that the roll-up does not count, or the answer must not, are counted of the
    events alone, whatever the roll-up says of them: so it may go on meanwhile. When all touched hours are among the
    newest, as they are while events come in, all hours from the first of them on are: no look at each is worth it.
    """

    store: UsageStore
    asked: Question
    days: Days
    received_through: datetime

    def counted(self) -> list[Counted]:
        """Return what was used; before 1970 nothing was."""
        if self._end_hour <= 0:
            return []
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
        touched_from = self._first_touched(rules)
        if self._asks_for_hours and STOCK not in rules and touched_from is None:
            table = self._hours(rules)
        else:
            table = self._read(name, rules, cuts, touched_from)
        reads_last_day = touched_from is None or not self._is_newest(touched_from)
        if reads_last_day and table.num_rows and _latest(table) >= asked.until:
            # There is usage on the last day that does not count any more, and perhaps in its last hour.
            cuts_hour = self._ends != asked.until
            if cuts_hour and touched_from is None:
                touched_from = self._end_hour - 1
            table = self._read(name, rules, [*cuts, asked.until], touched_from, cuts_hour=cuts_hour)
        return in_columns(table, by_type(asked.meters, rules), shift, shift, by_resource=False)

    def _first_touched(self, rules: Sequence[str]) -> int | None:
        """Return the first touched hour, or one before it among the newest; None when none is touched."""
        earliest = self.store.earliest_since(self.asked.account_ids, self._rolled_through)
        if earliest is None or (hour := self._hour(earliest)) >= self._end_hour:
            return None
        if self._is_newest(hour) and hour >= self._first_hour:
            return hour
        sql = self._hourly(rules).first_touched()
        found = self.store.read_rolled(self.days, sql, self._parameters(rules), self.received_through).to_pylist()
        return found[0]["first_hour"] if found else None

    def _is_newest(self, hour: int) -> bool:
        """Return whether all hours from one on are among the newest that the answer counts."""
        return self._end_hour - hour <= _NEWEST_HOURS

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
        days = self.store.read_rolled(self.days, self._hourly(rules).by_day(), self._of_days(rules, self._end_hour))
        return hours_of(days, rules, self._first_hour, self._end_hour)

    @property
    def _ends(self) -> datetime:
        """The end of the last hour that counts, if only in part."""
        return hour_ceil(self.asked.until, self.asked.zone)

    @property
    def _first_hour(self) -> int:
        return self._hour(self.asked.boundaries[0])

    @property
    def _end_hour(self) -> int:
        """The first hour that does not count."""
        return self._hour(self._ends)

    def _recent(self) -> list[datetime]:
        return [] if self.asked.recent_from is None else [self.asked.recent_from]

    def _hourly(self, rules: Sequence[str], *, cuts_hour: bool = False) -> HourlySql:
        columns = [COUNTER if rule == STOCK else rule for rule in rules]
        by_project = self.asked.project_ids is not None
        return HourlySql(columns, by_type=True, by_project=by_project, cuts_hour=cuts_hour)

    def _read(
        self,
        name: str,
        rules: Sequence[str],
        cuts: Sequence[datetime],
        touched_from: int | None,
        *,
        cuts_hour: bool = False,
    ) -> pa.Table:
        """Read the days, those with a cut inside by the hour, and touched hours of the events."""
        if touched_from is None:
            return self._rolled(name, rules, self._span(cuts, self._end_hour))
        if not self._is_newest(touched_from):
            span = self._span(cuts, self._end_hour)
            cells = self._hourly(rules, cuts_hour=cuts_hour).cells_but_touched(days=span.some_are_whole)
            return self.store.read(self._sql(name, rules, cells), self._parameters(rules, span))
        span = self._span([*cuts, self._instant(touched_from)], touched_from)
        if STOCK in rules:
            # a stock's day counts once, in the roll-up or since
            cells = self._hourly(rules).cells(days=span.some_are_whole, hours=bool(span.cut_days), newest=True)
            return self.store.read(self._sql(name, rules, cells), self._parameters(rules, span))
        newest = self._newest(rules, span)
        if not span.days:
            return summed(newest)
        rolled = self._rolled(name, rules, span)
        return summed(pa.concat_tables([rolled, newest.select(rolled.column_names).cast(rolled.schema)]))

    def _newest(self, rules: Sequence[str], span: _Span) -> pa.Table:
        """Count the hours since `newest_from` of the events; several questions about an account have them in common."""
        sql, parameters = self._hourly(rules).raw(since="newest_from"), self._parameters(rules, span)
        cells = self.store.read_rolled(self.days, sql, parameters, self.received_through)
        starts = cells.column("hour").to_numpy() * 3600
        windows = np.array(parameters["windows"])
        columns = {
            "owner": pa.array(np.zeros(len(starts), np.uint64)) if self.asked.together else cells.column("project_id"),
            "type": cells.column("type"),
            "window": windows[np.searchsorted(windows, starts, side="right") - 1],
            "usage_hours": cells.column("hours"),
            "last_hour": cells.column("last_hour"),
            "latest_at": cells.column("latest_at"),
        }
        is_recent = pa.array(starts >= parameters["recent_from"])
        for rule in self._hourly(rules).rules:
            total = cells.column(rule).cast(TOTAL)
            columns[f"total_{rule}"] = total
            if self.asked.recent_from is not None:
                columns[f"recent_{rule}"] = pc.if_else(is_recent, total, pa.scalar(0).cast(TOTAL))
        return pa.table(columns)

    def _rolled(self, name: str, rules: Sequence[str], span: _Span) -> pa.Table:
        """Read the roll-up alone."""
        settings = statement("few_rows") if len(self.asked.account_ids) == 1 else ""
        hourly = self._hourly(rules)
        if span.cut_days or STOCK in rules:
            sql = self._sql(name, rules, hourly.cells(days=span.some_are_whole, hours=bool(span.cut_days)), settings)
        else:
            sums = sums_of(hourly.rules, "toInt64(day) * 86400", self.asked.recent_from is not None)
            sql = hourly.days_by_window(self.asked.project, sums, settings)
        return self.store.read_rolled(self.days, sql, self._parameters(rules, span))

    def _sql(self, name: str, rules: Sequence[str], cells: str, settings: str = "") -> str:
        """Return the statement that sums cells up by window."""
        starts = "day" if STOCK in rules else "hour * 3600"
        sums = sums_of(self._hourly(rules).rules, starts, self.asked.recent_from is not None)
        return Template(statement(name)).substitute(
            cells=cells, sums=sums, project=self.asked.project, settings=settings
        )

    def _span(self, cuts: Sequence[datetime], end_hour: int) -> _Span:
        """Return the days up to an hour."""
        shift, first, until = self.days.shift, self._first_hour * 3600, end_hour * 3600
        cut_days = {at // _DAY for cut in cuts if (at := seconds(cut) + shift) % _DAY and at <= until}
        days = (until - 1) // _DAY - first // _DAY + 1 if first < until else 0
        return _Span(end_hour, days, sorted(cut_days))

    def _hour(self, at: datetime) -> int:
        """Return the hour of an instant, as the roll-up numbers hours."""
        return (seconds(at) + self.days.shift) // 3600

    def _instant(self, hour: int) -> datetime:
        """Return when an hour of the roll-up begins."""
        return EPOCH + (hour * 3600 - self.days.shift) * SECOND

    def _parameters(self, rules: Sequence[str], span: _Span | None = None) -> dict[str, Parameter]:
        asked, shift = self.asked, self.days.shift
        days = day_starts(asked.boundaries[0], asked.boundaries[-1], asked.zone)
        end_hour = span.end_hour if span else self._end_hour
        return self._of_days(rules, end_hour) | {
            "shift": shift,
            "starts": asked.boundaries[0],
            "until": asked.until,
            "ends": self._ends,
            "newest_from": self._instant(end_hour),
            "first_hour": self._first_hour,
            "end_hour": end_hour,
            "cut_days": [day for day in span.cut_days if day >= 0] if span else [],
            "windows": [seconds(boundary) + shift for boundary in asked.boundaries[:-1]],
            "days": [seconds(day) + shift for day in days],
            "recent_from": seconds(asked.recent_from or asked.boundaries[0]) + shift,
            "received_through": self.received_through,
            "rolled_through": self._rolled_through,
        }

    def _of_days(self, rules: Sequence[str], end_hour: int) -> dict[str, Parameter]:
        """Return what names the days of the roll-up up to an hour."""
        asked = self.asked
        return {
            "accounts": sorted(asked.account_ids),
            "types": sorted(by_type(asked.meters, rules)),
            "utc_offset": self.days.utc_offset,
            "first_day": max(self._first_hour // 24, 0),
            "last_day": (end_hour - 1) // 24,
            **only_projects(asked.project_ids),
        }


def _latest(table: pa.Table) -> datetime:
    """Return the time of the latest event, or of one later on the day of the last that counts."""
    latest: datetime = pc.max(table.column("latest_at")).as_py()
    return latest.astimezone(UTC)
