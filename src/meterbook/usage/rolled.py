"""The SQL of hourly usage: counted of the events, as the roll-up has it, and of both together.

The statements are files of `sql/`; what differs is which rules are summed, and which rows are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from string import Template
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meterbook.usage.connection import statement
from meterbook.usage.units import UNITS

_DAY: Final = 86_400
# Where each rule is in `by_hour`, after the hour and whether it is new.
_PLACES: Final = {rule: place for place, rule in enumerate(UNITS, start=3)}
_HOUR_OF_EVENT: Final = "(account_id, project_id, type, intDiv(toUnixTimestamp64Second(at) + {shift:Int64}, 3600))"
_HOUR_OF_ROLLED: Final = "(account_id, project_id, type, toInt64(day) * 24 + hour_of_day)"
_CUT: Final = "day in {cut_days:Array(UInt32)}"
_UNION: Final = "\nunion all\n"
TOTAL: Final = pa.decimal128(38, 9)
# What a row of an answer is of, and which of its columns do not add up.
_WINDOW: Final = ["owner", "type", "window"]
_LATEST: Final = {"last_hour": "max", "latest_at": "max"}


class Done(NamedTuple):
    """How many additions were made to the roll-up, and how often all of it was thrown away.

    Both count twice: when it is about to be done, and when it is over. Later is more.
    """

    forgotten: int
    additions: int

    @property
    def begun(self) -> int:
        """How many additions were begun, over or not."""
        return (self.additions + 1) // 2

    @property
    def is_forgetting(self) -> bool:
        """Whether it is being thrown away, or somebody broke that off."""
        return self.forgotten % 2 == 1


@dataclass(frozen=True, slots=True)
class Days:
    """Days of the roll-up of some accounts: on clocks that are `utc_offset` seconds ahead of UTC.

    Every event received through `received_through` is in them, as long as nothing is thrown away after what was `done`.
    """

    utc_offset: int
    received_through: datetime
    done: Done

    @property
    def shift(self) -> int:
        """What turns seconds since 1970 into seconds of the roll-up."""
        return shift_of(self.utc_offset)


def shift_of(utc_offset: int) -> int:
    """Return what turns seconds since 1970 into seconds on such clocks since the first day that the roll-up numbers."""
    return utc_offset + _DAY


@dataclass(frozen=True, slots=True)
class HourlySql:
    """Statements over the hours of accounts, by some rules (of `UNITS`).

    `by_type` and `by_project` narrow them to types and projects; with `cuts_hour`, hours with events at or after
    `until` count as touched.
    """

    rules: Sequence[str] = tuple(UNITS)
    by_type: bool = False
    by_project: bool = False
    cuts_hour: bool = False

    def touched(self) -> str:
        """Return the hours with events that were received after `rolled_through`."""
        or_cut = "or at >= {until:DateTime64(6, 'UTC')}" if self.cuts_hour else ""
        return Template(statement("touched_hours")).substitute(self._narrowed(), or_cut=or_cut)

    def raw(self, touched: str = "", since: str = "starts") -> str:
        """Return the hours counted of the events since a moment (the name of its parameter): all, or a statement's."""
        units = (f"{UNITS[rule]} as {rule}_units" for rule in self.rules)
        return Template(statement("raw_hours")).substitute(
            self._narrowed(),
            since=since,
            units=_listed(units),
            sums=_listed(f"{_whole(rule, f'sum({rule}_units)')} as {rule}" for rule in self.rules),
            and_touched=f"and {_HOUR_OF_EVENT} in ({touched})" if touched else "",
        )

    def rolled(self, and_hours: str = "", and_days: str = "") -> str:
        """Return the hours as the roll-up has them: one row for each time that they changed."""
        return Template(statement("rolled_hours")).substitute(
            self._narrowed(),
            rules=_listed(f"{rule}_of_hour as {rule}" for rule in self.rules),
            arrays=_listed(f"by_hour.{_PLACES[rule]} as {rule}_of_hour" for rule in self.rules),
            and_days=and_days,
            and_hours=and_hours,
        )

    def changed(self, touched: str = "") -> str:
        """Return what hours counted of the events differ by from the roll-up's: all, or those of a statement."""
        return Template(statement("changed_hours")).substitute(
            raw_hours=self.raw(touched),
            rolled_hours=self.rolled(f"and {_HOUR_OF_ROLLED} in ({touched})" if touched else ""),
            negated=_listed(f"-{rule}" for rule in self.rules),
            sums=_listed(f"sum({rule}) as {rule}" for rule in self.rules),
        )

    def by_day(self) -> str:
        """Return the statement of days as the roll-up has them, each with its hours in arrays: `hours_of` reads it."""
        return Template(statement("rolled_by_hour")).substitute(
            self._narrowed(),
            arrays=_listed(f"by_hour.{_PLACES[rule]} as {rule}" for rule in self.rules),
            settings=statement("few_rows"),
        )

    def days_by_window(self, project: str, sums: str, settings: str) -> str:
        """Return the statement of windows that no day is cut by; ClickHouse plans it faster than one over `cells`."""
        return Template(statement("rolled_days_by_window")).substitute(
            self._narrowed(), project=project, sums=sums, settings=settings
        )

    def first_touched(self) -> str:
        """Return the statement of the first touched hour; it has no row when none is touched."""
        return Template(statement("first_touched")).substitute(touched_hours=self.touched())

    def cells(self, *, days: bool, hours: bool, newest: bool = False) -> str:
        """Return usage in whole days, in the hours of `cut_days`, and since `newest_from` as counted of the events."""
        uncut, cut = ("and day not in {cut_days:Array(UInt32)}", f"and {_CUT}") if days and hours else ("", "")
        whole = [self._days(uncut)] if days else []
        cut_up = [self.rolled("", cut)] if hours else []
        return _UNION.join([*whole, *cut_up, *([self.raw(since="newest_from")] if newest else [])])

    def cells_but_touched(self, *, days: bool) -> str:
        """Return usage in whole days, and in the hours of others, with touched hours counted of the events."""
        touched_hours = self.touched()
        touched_days = Template(statement("touched_days")).substitute(touched_hours=touched_hours)
        in_touched = f"(project_id, type, day) in ({touched_days})"
        rolled = self.rolled(
            f"and {_HOUR_OF_ROLLED} not in ({touched_hours})", f"and ({_CUT} or {in_touched})" if days else ""
        )
        whole = [self._days(f"and not {_CUT} and not {in_touched}")] if days else []
        return _UNION.join([*whole, rolled, self.raw(touched_hours)])

    def _days(self, and_days: str) -> str:
        return Template(statement("rolled_days")).substitute(
            self._narrowed(), rules=_listed(self.rules), and_days=and_days
        )

    def _narrowed(self) -> dict[str, str]:
        narrowed = {
            "and_types": "and type in {types:Array(String)}" if self.by_type else "",
            "and_projects": "and project_id in {projects:Array(UInt64)}" if self.by_project else "",
        }
        return narrowed | {"of_days": Template(statement("of_days")).substitute(narrowed)}


def hours_of(days: pa.Table, rules: Sequence[str], first_hour: int, end_hour: int) -> pa.Table:
    """Take the days of `by_day` apart into their hours of a range, in the columns of `rolled_by_window.sql`."""
    arrays = [days.column(name).combine_chunks() for name in ("hour_of_day", "is_new", *rules)]
    lengths = arrays[0].value_lengths().to_numpy()
    hour_of_day, is_new, *sums = (array.flatten() for array in arrays)
    first_hours = days.column("first_hour").to_numpy()
    hour = np.repeat(first_hours, lengths) + hour_of_day.to_numpy()
    named = days.select(["owner", "type", "latest_at"]).take(np.repeat(np.arange(len(lengths)), lengths))
    totals = {f"total_{rule}": each.cast(TOTAL) for rule, each in zip(rules, sums, strict=True)}
    columns = {"window": hour * 3600, "usage_hours": is_new, "last_hour": hour, **totals}
    table = pa.table({**dict(zip(named.column_names, named.columns, strict=True)), **columns})
    counts = (hour >= first_hour) & (hour < end_hour)
    if not counts.all():
        table = table.filter(pa.array(counts))
    keys = zip(days.column("owner").to_pylist(), days.column("type").to_pylist(), first_hours.tolist(), strict=True)
    if len(set(keys)) == days.num_rows:
        return table
    # one row for each time that an hour changed; one that came to nothing is none
    hours = summed(table)
    return hours.filter(pc.greater(hours.column("usage_hours"), 0))


def summed(rows: pa.Table) -> pa.Table:
    """Put the rows of a window together."""
    how = {name: _LATEST.get(name, "sum") for name in rows.column_names if name not in _WINDOW}
    found = rows.group_by(_WINDOW).aggregate(list(how.items()))
    return found.rename_columns({f"{name}_{of}": name for name, of in how.items()})


def roll_up_sql() -> str:
    """Return the statement that adds to the roll-up what touched hours differ by."""
    hourly = HourlySql()
    return _roll_up(hourly, hourly.changed(hourly.touched()))


def begin_roll_up_sql() -> str:
    """Return the statement that adds to the roll-up what all hours of an interval differ by."""
    hourly = HourlySql()
    return _roll_up(hourly, hourly.changed())


def _roll_up(hourly: HourlySql, changed: str) -> str:
    return Template(statement("roll_up")).substitute(
        changed_hours=changed,
        day_sums=_listed(f"sum({rule})" for rule in hourly.rules),
        hour_arrays=_listed(f"groupArray({rule})" for rule in hourly.rules),
    )


def faults_sql() -> str:
    """Return the statement that finds hours of an interval in which the roll-up differs from the events."""
    hourly = HourlySql()
    return Template(statement("roll_up_faults")).substitute(
        changed_hours=hourly.changed(), rules=_listed(hourly.rules), zeros=_listed("0" for _ in hourly.rules)
    )


def days_off_sql() -> str:
    """Return the statement that finds days of the roll-up whose sums are not those of their hours."""
    days = (f"sum({rule}) as day_{rule}" for rule in _PLACES)
    hours = (f"sum(arraySum(by_hour.{place})) as hour_{rule}" for rule, place in _PLACES.items())
    return Template(statement("roll_up_days_off")).substitute(
        sums=_listed((*days, *hours)), different=" or ".join(f"day_{rule} != hour_{rule}" for rule in _PLACES)
    )


def _whole(rule: str, total: str) -> str:
    return f"toInt64({total})" if rule == "presence" else f"toDecimal128({total}, 9)"


def _listed(columns: Iterable[str]) -> str:
    return ",\n    ".join(columns)
