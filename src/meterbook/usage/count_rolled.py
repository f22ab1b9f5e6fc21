"""Counts usage of the roll-up; what it does not know yet is counted of the events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from string import Template
from typing import Final

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
from meterbook.usage.rolled import Days, HourlySql, hours_of
from meterbook.usage.store import UsageStore
from meterbook.usage.units import COUNTER, STOCK, rule_of

_DAY: Final = 86_400
# Events that come in as they happen are of the newest hours: so many of them are counted of the events as a whole.
_NEWEST_HOURS: Final = 3


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
        """Return what was used."""
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
        """Return the first touched hour, or None."""
        if self.store.newest_receipt() <= self._rolled_through:
            return None
        found = self.store.read(self._hourly(rules).first_touched(), self._parameters(rules)).to_pylist()
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
        days = self.store.read(self._hourly(rules).by_day(), self._parameters(rules))
        first, end = (seconds(at) + self.days.shift for at in (self.asked.boundaries[0], self._ends))
        return hours_of(days, rules, first // 3600, end // 3600)

    @property
    def _ends(self) -> datetime:
        """The end of the last hour that counts, if only in part."""
        return hour_ceil(self.asked.until, self.asked.zone)

    @property
    def _end_hour(self) -> int:
        """The first hour that does not count, as the roll-up numbers hours."""
        return (seconds(self._ends) + self.days.shift) // 3600

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
        asked, shift = self.asked, self.days.shift
        is_newest = touched_from is not None and self._is_newest(touched_from)
        end_hour = touched_from if touched_from is not None and is_newest else self._end_hour
        first, until = seconds(asked.boundaries[0]) + shift, end_hour * 3600
        ends = [seconds(cut) + shift for cut in cuts] + ([until] if is_newest else [])
        cut_days = sorted({at // _DAY for at in ends if at % _DAY and at <= until})
        some_are_whole = len(cut_days) <= (until - 1) // _DAY - first // _DAY
        hourly = self._hourly(rules, cuts_hour=cuts_hour)
        recent = asked.recent_from is not None
        settings = statement("few_rows") if len(asked.account_ids) == 1 and touched_from is None else ""
        if not cut_days and touched_from is None and STOCK not in rules:
            sql = hourly.days_by_window(asked.project, sums_of(hourly.rules, "toInt64(day) * 86400", recent), settings)
        else:
            if touched_from is None or is_newest:
                cells = hourly.cells(days=some_are_whole, hours=bool(cut_days), newest=is_newest)
            else:
                cells = hourly.cells_but_touched(days=some_are_whole)
            sums = sums_of(hourly.rules, "day" if STOCK in rules else "hour * 3600", recent)
            sql = Template(statement(name)).substitute(cells=cells, sums=sums, project=asked.project, settings=settings)
        parameters = self._parameters(rules) | {
            "cut_days": cut_days,
            "last_day": (until - 1) // _DAY,
            "end_hour": end_hour,
            "newest_from": EPOCH + (until - shift) * SECOND,
        }
        return self.store.read(sql, parameters)

    def _parameters(self, rules: Sequence[str]) -> dict[str, Parameter]:
        asked, shift = self.asked, self.days.shift
        ends = self._ends
        first, until = seconds(asked.boundaries[0]) + shift, seconds(ends) + shift
        days = day_starts(asked.boundaries[0], asked.boundaries[-1], asked.zone)
        return {
            "accounts": sorted(asked.account_ids),
            "types": sorted(by_type(asked.meters, rules)),
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


def _latest(table: pa.Table) -> datetime:
    """Return the time of the latest event, or of one later on the day of the last that counts."""
    latest: datetime = pc.max(table.column("latest_at")).as_py()
    return latest.astimezone(UTC)
