"""Reads what is behind a metered figure: the hours of some days, what was seen in each, and an hour's raw events.

Every read is of one project and one meter, and sees the events that the sums of `queries` count, by the same rules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from operator import attrgetter
from string import Template
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from meterbook.core.metering import Meter, MeterKind
from meterbook.core.period import HOUR, BillingZone, hour_ceil
from meterbook.core.windows import Window, window_starts
from meterbook.errors import Invalid
from meterbook.usage.connection import Parameter, statement
from meterbook.usage.queries import UsageWindow, by_window
from meterbook.usage.store import UsageStore
from meterbook.usage.units import units_of_hour

EVENTS_A_PAGE: Final = 100
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AND_RECEIVED: Final = "and received_at <= {received_through:DateTime64(6, 'UTC')}"
_CURSOR: Final = re.compile(r"(\d{1,17})-([0-9a-f]{32})", re.ASCII)


class SeenResource(NamedTuple):
    """A resource of an hour with what it counts for; a stock's are the lines received.

    `first_seen_at` is set in the hour in which it was seen for the first time.
    """

    name: str
    units: Decimal
    first_seen_at: datetime | None


class UsageHour(NamedTuple):
    """An hour in which something was metered; `resources` are those that count most, of `resource_count` in all.

    `units` are those of all resources; of a counter their sum, of a stock the lines received.
    """

    starts_at: datetime
    units: Decimal
    resource_count: int
    resources: tuple[SeenResource, ...]


@dataclass(frozen=True, slots=True)
class RawEvent:
    """An event as it was sent; `dimensions` are its free-form ones."""

    id: str
    source: str
    at: datetime
    resource: str
    value: Decimal
    dimensions: Mapping[str, Any]


def hours_of_days(
    store: UsageStore,
    account_id: int,
    project_id: int,
    meter: Meter,
    days: Sequence[datetime],
    opened: Collection[datetime],
    zone: BillingZone,
    until: datetime,
    *,
    resources_max: int,
    named: datetime | None = None,
    named_max: int = 0,
    received_through: datetime | None = None,
) -> list[UsageHour]:
    """Return the hours of the `opened` days, in order of time, those with usage alone.

    `days` are starts of days, ascending, the last one the end; opened ones are among them. A resource is noticed as
    first seen when no event of it lies before that hour and after the first of the `days`; in the very first hour all
    are new, so none is noticed. Those are named first, then who counts most (of a presence: the shorter names, so that
    host-2 comes before host-10), `resources_max` at most, in the hour that begins at `named` `named_max`.
    """
    ends_at = min(days[-1], until)
    over = max((day for day in days if day <= ends_at), default=ends_at)
    order = "toDecimal128(length(resource), 9)" if meter.kind is MeterKind.presence else "-toDecimal128(seen.2, 9)"
    sql = Template(statement("hours_of_days")).substitute(
        units=units_of_hour(meter),
        deepest=resources_max if named is None else named_max,
        most=resources_max if named is None else f"if(hour = {{named:Int64}}, {named_max}, {resources_max})",
        order=order,
        and_received=_AND_RECEIVED if received_through else "",
    )
    parameters: dict[str, Parameter] = {
        "account": account_id,
        "project": project_id,
        "type": meter.type,
        "starts": days[0],
        "noticed": days[0] + HOUR,
        "residue": zone.hour_offset // timedelta(seconds=1),
        "days": [_seconds(day) for day in days[:-1]],
    }
    if named is not None:
        parameters["named"] = (named - _EPOCH - zone.hour_offset) // HOUR
    if received_through is not None:
        parameters["received_through"] = received_through
    found: list[UsageHour] = []
    # what was first seen in a day that is over, nothing changes that happens after it
    if past := sorted(_seconds(day) for day in opened if day < over):
        asked = parameters | {"until": over, "opened": past}
        found += _hours(store.read_before([account_id], over, sql, asked), zone)
    if running := sorted(_seconds(day) for day in opened if over <= day < ends_at):
        asked = parameters | {"until": hour_ceil(ends_at, zone), "opened": running}
        rows = store.read_before([account_id], hour_ceil(ends_at, zone), sql, asked)
        # few send what has not happened yet: else the hour that runs is as if it were over
        if rows.num_rows and pc.max(rows["last_at"]).as_py() >= _micros(ends_at):
            rows = store.read(sql, asked | {"until": ends_at})
        found += _hours(rows, zone)
    return found


def hours_by_resource(
    store: UsageStore,
    account_id: int,
    project_id: int,
    meters: Collection[Meter],
    starts_at: datetime,
    ends_at: datetime,
    zone: BillingZone,
    *,
    received_through: datetime | None = None,
) -> Iterator[UsageWindow]:
    """Yield every hour of every resource of an interval, by time, meter and resource; a day at a time is read.

    `starts_at` is the start of an hour of the zone; of the hour in which it ends, what was used before `ends_at`.
    """
    days = [*window_starts(Window.day, starts_at, ends_at, zone), hour_ceil(ends_at, zone)]
    for begins, ends in pairwise(days):
        hours = [*window_starts(Window.hour, begins, ends, zone), ends]
        rows = by_window(
            store,
            [account_id],
            [project_id],
            meters,
            hours,
            zone,
            min(ends, ends_at),
            by_resource=True,
            received_through=received_through,
        )
        yield from sorted(rows, key=lambda row: (row.starts_at, row.meter.type, row.resource))


def events_between(
    store: UsageStore,
    account_id: int,
    project_id: int,
    type_: str,
    starts_at: datetime,
    ends_at: datetime,
    *,
    after: str = "",
    limit: int = EVENTS_A_PAGE,
    received_through: datetime | None = None,
) -> tuple[list[RawEvent], str | None]:
    """Return events of `[starts_at, ends_at)` in order of time, and the cursor `after` which the next ones come.

    Raises `Invalid` ("wrong-cursor") for a cursor that none of these gave.
    """
    begun, whole = _place(after)
    parameters: dict[str, Parameter] = {
        "account": account_id,
        "project": project_id,
        "type": type_,
        "starts": starts_at,
        "ends": ends_at,
        "after": begun,
        "whole": whole,
        "limit": limit + 1,
    }
    if received_through is not None:
        parameters["received_through"] = received_through
    sql = Template(statement("events_between")).substitute(
        identity=statement("identity"), and_received=_AND_RECEIVED if received_through else ""
    )
    rows = store.read(sql, parameters).to_pylist()
    page = [_event(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return page, None
    last = rows[limit - 1]
    return page, f"{_micros(last['at'])}-{last['place']}"


def received_since(
    store: UsageStore,
    account_id: int,
    project_id: int,
    types: Collection[str],
    spans: Sequence[tuple[datetime, datetime, datetime]],
) -> frozenset[tuple[str, datetime]]:
    """Return the types, and the first instants of the spans, of which an event was received after a moment.

    A span is its first instant, the first after it, and the moment; they ascend and do not overlap.
    """
    if not spans or not types:
        return frozenset()
    parameters: dict[str, Parameter] = {
        "account": account_id,
        "project": project_id,
        "types": sorted(types),
        "starts": spans[0][0],
        "until": spans[-1][1],
        "windows": [_seconds(starts_at) for starts_at, _, _ in spans],
        "ends": [_seconds(ends_at) for _, ends_at, _ in spans],
        "received": [_micros(moment) for _, _, moment in spans],
    }
    rows = store.read(statement("received_since"), parameters).to_pylist()
    return frozenset((row["type"], _EPOCH + timedelta(seconds=row["window"])) for row in rows)


def _hours(table: pa.Table, zone: BillingZone) -> list[UsageHour]:
    """Make hours of a reading, column by column, as a month may have 10,000 of them and their resources."""
    lists = table["resources"].combine_chunks()
    known, _, names, units, first = lists.values.flatten()
    rows = zip(known.to_pylist(), _repeated(names), _repeated(units), first.to_pylist(), strict=True)
    resources = [
        SeenResource(name, value, None if is_known else _EPOCH + timedelta(microseconds=micros))
        for is_known, name, value, micros in rows
    ]
    bounds = pairwise(lists.offsets.to_pylist())
    counted = (table[name].to_pylist() for name in ("hour", "units", "resource_count"))
    hours = [
        UsageHour(_EPOCH + hour * HOUR + zone.hour_offset, total, count, tuple(resources[begin:end]))
        for hour, total, count, (begin, end) in zip(*counted, bounds, strict=True)
    ]
    return sorted(hours, key=attrgetter("starts_at"))


def _repeated(column: pa.Array) -> list[Any]:
    """Return a column's values, each different one made once: there are few."""
    encoded = column.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    return [values[place] for place in encoded.indices.to_pylist()]


def _event(row: dict[str, Any]) -> RawEvent:
    return RawEvent(
        row["id"],
        row["source"],
        row["at"].astimezone(UTC),
        row["resource"],
        row["value"],
        json.loads(row["dimensions"] or "{}"),
    )


def _place(cursor: str) -> tuple[datetime, int]:
    if not cursor:
        return _EPOCH, 0
    match = _CURSOR.fullmatch(cursor)
    if match is None or int(match[1]) >= 10**16:
        raise Invalid("This address does not lead on from a list of events.", "wrong-cursor", field="after")
    return _EPOCH + timedelta(microseconds=int(match[1])), int(match[2], 16)


def _seconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(seconds=1)


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
