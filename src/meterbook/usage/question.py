"""What may be asked of metered usage, and what the answers look like; the SQL and the columns that readings share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meterbook.core.metering import Meter
from meterbook.core.period import BillingZone
from meterbook.usage.connection import Parameter
from meterbook.usage.units import COUNTER, STOCK, factor_of, rule_of

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)


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


def seconds(instant: datetime) -> int:
    """Return the whole seconds since 1970."""
    return (instant - EPOCH) // SECOND


def by_type(meters: Collection[Meter], rules: Collection[str]) -> dict[str, list[Meter]]:
    """Return the meters that are counted by one of some rules, by the type of their events."""
    found: dict[str, list[Meter]] = {}
    for meter in meters:
        if rule_of(meter) in rules:
            found.setdefault(meter.type, []).append(meter)
    return found


def sums_of(rules: Collection[str], starts: str, recent: bool) -> str:
    """Return the SQL of each rule's total, and of its part from `recent_from` on; `starts` is when a row begins."""
    sums = [f"toDecimal128(sum({rule}), 9) as total_{rule}" for rule in rules]
    if recent:
        lately = f"{starts} >= {{recent_from:Int64}}"
        sums += [f"toDecimal128(sumIf({rule}, {lately}), 9) as recent_{rule}" for rule in rules]
    return ",\n    ".join(sums)


def in_columns(
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
