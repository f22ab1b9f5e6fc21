"""Counts usage of the events themselves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Context
from string import Template
from typing import Final

import pyarrow as pa

from meterbook.core.metering import Meter
from meterbook.core.period import day_starts
from meterbook.usage.connection import Parameter, statement
from meterbook.usage.question import (
    SECOND,
    Counted,
    Question,
    and_projects,
    and_received,
    by_type,
    in_columns,
    only_projects,
    seconds,
    sums_of,
)
from meterbook.usage.store import READERS, UsageStore
from meterbook.usage.units import COUNTER, STOCK, UNITS, rule_of

_EXACT: Final = Context(prec=80)


@dataclass(frozen=True, slots=True)
class EventsReading:
    """A reading of the events: hourly units by every rule that the meters need, in one pass over the rows."""

    store: UsageStore
    asked: Question

    def counted(self) -> list[Counted]:
        """Return what was used."""
        rules = {rule_of(meter) for meter in self.asked.meters}
        hourly = [rule for rule in UNITS if rule in rules]
        found: list[Counted] = []
        if hourly:
            sums = sums_of(hourly, "hour * 3600 + {residue:Int64}", self.asked.recent_from is not None)
            words = {"hourly": self._hourly({rule: rule for rule in hourly}), "sums": sums}
            found += self._counted("hours_by_window", hourly, words)
        if STOCK in rules:
            words = {"sums": sums_of([COUNTER], "day", self.asked.recent_from is not None)}
            found += self._counted("stock_by_window", [STOCK], words)
        return found

    def surpluses(self, hours_max: int) -> dict[tuple[int, Meter, str | None], int]:
        """Return what was metered beyond so many hours."""
        found: dict[tuple[int, Meter, str | None], int] = {}
        for rule in {rule_of(meter) for meter in self.asked.meters} - {COUNTER, STOCK}:
            words = {"hourly": self._hourly({rule: "units"})}
            rows = self._read("hours_over", [rule], words, hours_max=hours_max)
            for row in rows.to_pylist():
                resource = row["resource"] if self.asked.by_resource else None
                for meter in by_type(self.asked.meters, [rule])[row["type"]]:
                    found[row["owner"], meter, resource] = int(row["quantity"].scaleb(9, _EXACT))
        return found

    def _counted(self, name: str, rules: Sequence[str], words: dict[str, str]) -> list[Counted]:
        hour_shift = -(self.asked.zone.hour_offset // SECOND)
        table = self._read(name, rules, words)
        return in_columns(table, by_type(self.asked.meters, rules), 0, hour_shift, self.asked.by_resource)

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
            "residue": asked.zone.hour_offset // SECOND,
            "windows": [seconds(boundary) for boundary in asked.boundaries[:-1]],
            "days": [seconds(day) for day in day_starts(asked.boundaries[0], asked.boundaries[-1], asked.zone)],
            "types": sorted(by_type(asked.meters, rules)),
        }
        if asked.received_through is not None:
            parameters["received_through"] = asked.received_through
        if asked.recent_from is not None:
            parameters["recent_from"] = seconds(asked.recent_from)
        shares = [asked.project_ids] if asked.together else _shares(asked.project_ids)
        return self.store.read_each(sql, [parameters | more | only_projects(share) for share in shares])


def _shares(project_ids: Collection[int] | None) -> list[Collection[int] | None]:
    """Divide projects among readers: a project's rows are counted by one of them, and none counts another's."""
    if project_ids is None or len(project_ids) < READERS:
        return [project_ids]
    ordered, each = sorted(project_ids), -(-len(project_ids) // READERS)
    return [ordered[start : start + each] for start in range(0, len(ordered), each)]
