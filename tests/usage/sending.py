"""Sends events as a door would, for an account of the test's own with the projects "web" and "batch"."""

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from meterbook.core.metering import Hourly, Meter, MeterKind
from meterbook.usage.events import read_events
from meterbook.usage.ingest import Destination, Receipt, ingest
from meterbook.usage.store import UsageStore

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

PRESENCE = Meter("host.seen", MeterKind.presence)
MAXIMUM = Meter("cores", MeterKind.gauge)
AVERAGE = Meter("containers", MeterKind.gauge, Hourly.average)
LAST = Meter("replicas", MeterKind.gauge, Hourly.last)
COUNTER = Meter("requests", MeterKind.counter)
STOCK = Meter("log.lines", MeterKind.stock, retention_days=3)
METERS = (PRESENCE, MAXIMUM, AVERAGE, LAST, COUNTER, STOCK)
TYPES = frozenset(meter.type for meter in METERS)

Event = dict[str, Any]


def event(
    id_: str, at: datetime, type_: str = "host.seen", resource: str = "host-1", value: Any = "1", **more: Any
) -> Event:
    return {
        "specversion": "1.0",
        "id": id_,
        "source": "agent",
        "type": type_,
        "subject": "web",
        "time": at.isoformat(),
        "data": {"value": value, "resource": resource},
    } | more


@dataclass
class Sender:
    store: UsageStore
    account_id: int

    @property
    def web(self) -> int:
        return self.account_id * 10 + 1

    @property
    def batch(self) -> int:
        return self.account_id * 10 + 2

    def resolve(self, codes: AbstractSet[str]) -> Mapping[str, Destination]:
        own = {"web": self.web, "batch": self.batch}
        return {code: Destination(own[code], self.account_id) for code in codes & own.keys()}

    def send(self, events: Sequence[Any], now: datetime = NOW) -> Receipt:
        return self.post(json.dumps(events).encode(), "application/json", now=now)

    def post(self, body: bytes, media: str, encoding: str | None = None, now: datetime = NOW) -> Receipt:
        decoded = read_events(body, media, encoding)
        return ingest(self.store, decoded, self.resolve, TYPES, now, {PRESENCE.type}).result(timeout=30)

    def rows(self, columns: str = "id") -> list[Any]:
        sql = f"select {columns} from events where account_id = {{account:UInt64}} order by at, id"
        table = self.store.read(sql, {"account": self.account_id})
        return [tuple(row.values()) if len(row) > 1 else next(iter(row.values())) for row in table.to_pylist()]
