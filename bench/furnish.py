"""Fills stores before a part measures: accounts by one statement, events as Arrow through the usage store's own ingest.

That is the same way that Arrow over HTTP takes, checks, identities and journal included, without the HTTP: a store of
the benchmarks differs in nothing from one that was filled over months.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from bench.figures import say
from bench.load import TYPES
from meterbook.accounts.queries import projects_by_codes
from meterbook.accounts.tables import Account
from meterbook.core.period import BillingZone
from meterbook.errors import Busy
from meterbook.house import House
from meterbook.usage.arrow_events import ARROW_STREAM
from meterbook.usage.events import read_events
from meterbook.usage.ingest import Destination, Receipt, ingest

ROWS = 90_000  # of one body; a request may have 100,000
_AT_ONCE = 4
_BUSY_SECONDS = 0.02
_ROLLING_SECONDS = 0.1


def add_accounts(session: Session, count: int, projects: int) -> None:
    """Add the accounts a1, a2, ... that are missing up to a count, each with as many projects: a1-p1, a1-p2, ..."""
    known = session.execute(text("select count(*) from account")).scalar_one()
    session.execute(
        text(
            "insert into account (code, name, currency, time_zone, language, tax_percent, created_at)"
            " select 'a' || n, 'Account ' || n, 'USD', 'UTC', 'en', 10, now()"
            " from generate_series(cast(:first as int), :last) n"
        ),
        {"first": known + 1, "last": count},
    )
    session.execute(
        text(
            "insert into project (account_id, code, name, labels, plan, created_at)"
            " select a.id, a.code || '-p' || n, 'Project ' || n, '{}', 'subscribed', now()"
            " from account a, generate_series(1, :count) n"
            " where not exists (select from project p where p.account_id = a.id) order by a.id, n"
        ),
        {"count": projects},
    )


def arrow_stream(columns: dict[str, Any]) -> bytes:
    """Return events as an Arrow stream; numpy's whole seconds become `time`."""
    times = pa.array(columns["time"] * 1_000_000).cast(pa.timestamp("us", "UTC"))
    batch = pa.record_batch(columns | {"time": times, "value": pa.array(columns["value"]).cast(pa.string())})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def repeated(texts: list[str], which: Any) -> pa.DictionaryArray:
    """Return a column of few texts: of each row the text at a place."""
    return pa.DictionaryArray.from_arrays(pa.array(which, pa.int32()), pa.array(texts))


def pour(house: House, codes: list[str], bodies: Iterable[bytes], now: datetime) -> int:
    """Take in events of the projects of these codes until they can be read; return how many."""
    with house.database.transaction() as session:
        places = {code: Destination(*place) for code, place in projects_by_codes(session, codes).items()}
    begun, events = time.perf_counter(), 0
    waiting: deque[Future[Receipt]] = deque()
    for body in bodies:
        if len(waiting) == _AT_ONCE:
            events += waiting.popleft().result().accepted
        waiting.append(_take(house, body, places, now))
    events += sum(future.result().accepted for future in waiting)
    house.usage.settle()
    say(f"{events:,} events taken in {time.perf_counter() - begun:.0f} s")
    return events


def roll_up(house: House, zone: BillingZone) -> list[int]:
    """Wait until what was poured is rolled up, as it is soon after a first reading; return the accounts' ids."""
    with house.database.transaction() as session:
        ids = list(session.scalars(select(Account.id).order_by(Account.id)))
    begun = time.perf_counter()
    while house.usage.rolled(ids, zone) is None:
        time.sleep(_ROLLING_SECONDS)
    say(f"rolled up in {time.perf_counter() - begun:.0f} s")
    return ids


def _take(house: House, body: bytes, places: dict[str, Destination], now: datetime) -> Future[Receipt]:
    decoded = read_events(body, ARROW_STREAM, None)
    while True:
        try:
            return ingest(house.usage, decoded, lambda _: places, frozenset(TYPES), now)
        except Busy:
            time.sleep(_BUSY_SECONDS)
