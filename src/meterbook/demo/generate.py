"""The generated usage: events of the fleet over three months, as record batches the import takes.

Every event is a function of its resource and its hour alone. The clock's reading only decides which hours are asked
for, so a later run repeats the events of the hours before, id for id, and adds the new ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from meterbook.core.period import BillingMonth, BillingZone
from meterbook.demo.fleet import Resource, fleet

_VALUE: Final = pa.decimal128(38, 9)
SCHEMA: Final = pa.schema(
    [
        ("project", pa.string()),
        ("type", pa.string()),
        ("resource", pa.string()),
        ("time", pa.timestamp("us", "UTC")),
        ("value", _VALUE),
        ("source", pa.string()),
        ("id", pa.string()),
    ]
)
"""The columns of every batch, in this order."""

Integers = npt.NDArray[np.int64]

_FULL_MONTHS: Final = 3
_HOURS_A_BATCH: Final = 7 * 24
_NANOS_A_MILLIONTH: Final = 1_000
_SECONDS_AN_HOUR: Final = 3_600
# Demand per mille by hour of the day and, in percent, by day of the week from Monday.
_DAY: Final = np.array(
    [
        300,
        250,
        220,
        210,
        220,
        270,
        360,
        480,
        640,
        780,
        850,
        880,
        860,
        870,
        880,
        860,
        830,
        820,
        850,
        900,
        880,
        760,
        580,
        420,
    ]
)
_WEEK: Final = np.array([96, 100, 102, 103, 108, 82, 74])
# Demand grows by 8 per mille a week from this hour on, and has doubled when it stops.
_GROWTH_FROM: Final = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) // _SECONDS_AN_HOUR
_GROWTH_A_WEEK, _MOST_GROWTH = 8, 1_000


@dataclass(frozen=True, slots=True)
class _Reports:
    """What some resources reported: the resource's number, the report's number since 1970, seconds, millionths."""

    resource: Integers
    slot: Integers
    time: Integers
    value: Integers


def generated_usage(now: datetime) -> Iterator[pa.RecordBatch]:
    """Yield the generated events before `now`, from the start of the third month before its own, a week a batch.

    Batches have the columns of `SCHEMA` and are ordered by time.
    """
    resources = fleet()
    month = BillingMonth.of(now, BillingZone("UTC"))
    for _ in range(_FULL_MONTHS):
        month = month.previous()
    first = int(month.starts_at(BillingZone("UTC")).timestamp()) // _SECONDS_AN_HOUR
    until = int(now.timestamp())
    for start in range(first, until // _SECONDS_AN_HOUR + 1, _HOURS_A_BATCH):
        hours = np.arange(start, min(start + _HOURS_A_BATCH, until // _SECONDS_AN_HOUR + 1), dtype=np.int64)
        yield _batch(resources, [_reports(number, resource, hours, until) for number, resource in enumerate(resources)])


def _reports(number: int, resource: Resource, hours: Integers, until: int) -> _Reports:
    demand = _demand(resource, hours)
    on = (demand > resource.above) & (_day_of_month(hours) >= resource.from_day)
    hours, demand = np.repeat(hours[on], resource.an_hour), np.repeat(demand[on], resource.an_hour)
    slot = hours * resource.an_hour + np.tile(np.arange(resource.an_hour), int(on.sum()))
    noise = _noise(zlib.crc32(f"{resource.project}/{resource.type}/{resource.name}".encode()), slot)
    seconds = _SECONDS_AN_HOUR // resource.an_hour
    time = slot * seconds + noise % seconds
    value = np.full_like(slot, resource.value)
    if resource.follows_demand:
        varied = resource.value * demand // 1_000 * (92 + noise // seconds % 17) // 100
        value = np.maximum(varied // resource.step, 1) * resource.step
    before = time < until
    return _Reports(np.full_like(slot, number)[before], slot[before], time[before], value[before])


def _demand(resource: Resource, hours: Integers) -> Integers:
    """Return the demand per mille of each hour, on the resource's clocks."""
    local = hours + resource.offset_hours
    growth = np.clip((hours - _GROWTH_FROM) // (7 * 24) * _GROWTH_A_WEEK, 0, _MOST_GROWTH)
    weekday = (local // 24 + 3) % 7  # 1 January 1970 was a Thursday
    demand: Integers = _DAY[local % 24] * _WEEK[weekday] // 100 * (1_000 + growth) // 1_000
    return demand


def _day_of_month(hours: Integers) -> Integers:
    days = (hours // 24).astype("datetime64[D]")
    day: Integers = (days - days.astype("datetime64[M]")).astype(np.int64) + 1
    return day


def _noise(seed: int, slot: Integers) -> Integers:
    """Return a number below 2**31 for each slot that looks random and is the same on every machine."""
    mixed = slot.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed >> np.uint64(33)).astype(np.int64)


def _batch(resources: Sequence[Resource], reports: Sequence[_Reports]) -> pa.RecordBatch:
    time = np.concatenate([part.time for part in reports])
    order = np.argsort(time, kind="stable")
    number, slot, value = (
        np.concatenate([getattr(part, name) for part in reports])[order] for name in ("resource", "slot", "value")
    )
    names = pa.array([resource.name for resource in resources]).take(pa.array(number))
    types = pa.array([resource.type for resource in resources]).take(pa.array(number))
    projects = pa.array([resource.project for resource in resources]).take(pa.array(number))
    columns = [
        projects,
        types,
        names,
        pa.array(time[order] * 1_000_000).cast(pa.timestamp("us", "UTC")),
        _decimals(value * _NANOS_A_MILLIONTH),
        pc.binary_join_element_wise("generated", projects, "/"),
        pc.binary_join_element_wise(types, names, pa.array(slot).cast(pa.string()), "/"),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _decimals(nanos: Integers) -> pa.Array:
    """Return whole numbers of 10**-9 as decimals, without going through text or float."""
    words = np.zeros((len(nanos), 2), dtype="<i8")  # 128 bits, low word first; nothing here is negative
    words[:, 0] = nanos
    return pa.Array.from_buffers(_VALUE, len(nanos), [None, pa.py_buffer(words)])
