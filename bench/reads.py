"""Reading a month of 20,000,000 events: 100 accounts x 10 projects x 3 meters, 200 hosts a project (SIZE=small: 5).

Read over HTTP, with 5, 50, 100 and 500 accounts in the store: one account's preview, one project's hours, and what was
just acknowledged; and in the process, the drafts of all accounts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import select, text

from bench.figures import SMALL, Figure, say
from bench.load import CATALOG, TYPES, percentile_ms, serving_as_it_is
from meterbook.accounts.queries import all_projects
from meterbook.accounts.tables import Account
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.core.period import BillingMonth, billing_zone
from meterbook.errors import Busy
from meterbook.invoicing.draft import Payer, draft_months
from meterbook.main import House, open_house
from meterbook.settings import Settings
from meterbook.usage.arrow_events import ARROW_STREAM
from meterbook.usage.events import read_events
from meterbook.usage.ingest import Destination, Receipt, ingest

ACCOUNTS = (1, 5) if SMALL else (5, 50, 100, 500)
MONTH_OF = 5 if SMALL else 100  # accounts, of which the wanted figures are
PROJECTS = 10
HOSTS = 200
EVENTS_OF_ACCOUNT = 200_000
WARM_UP = 10
READS = 100
_GROUP = 50  # accounts drafted at once, as a close does
_ROWS = 90_000
_AT_ONCE = 4
_ZONE = billing_zone("UTC")
_MONTH = BillingMonth.of(datetime.now(UTC), _ZONE).previous()


def run(folder: Path) -> list[Figure]:
    folder.mkdir(parents=True)
    sizes = [_measured(folder, accounts) for accounts in ACCOUNTS]
    (month,) = (size for size in sizes if size["accounts"] == MONTH_OF)
    how = f"median of {READS}, request to JSON over HTTP"
    return [
        Figure(
            name="an account's preview",
            value=month["preview_ms"],
            unit="ms",
            how=f"{how}, 30 lines, {month['events']:,} events in the store",
            at_most=25,
        ),
        Figure(
            name="a project's hours",
            value=month["hours_ms"],
            unit="ms",
            how=f"{how}, {month['hours_rows']:,} rows",
            at_most=12,
        ),
        Figure(
            name="all accounts' drafts",
            value=month["all_drafts_seconds"],
            unit="s",
            how=f"median of 5, {month['accounts']} accounts, {month['lines']:,} lines, in the process",
            at_most=2,
        ),
        Figure(
            name="bytes on disk an event",
            value=month["bytes_per_event"],
            unit="bytes",
            how="all tables, indices and the roll-up, once merges have rested",
            at_most=45,
        ),
        Figure(
            name="shown after",
            value=max(size["shown_after_ms"] for size in sizes),
            unit="ms",
            how="from an event's acknowledgement to a preview that has it, the longest of all sizes",
            at_most=2_000,
        ),
        *(Figure(name=_growth_name(size["accounts"]), value=size["preview_ms"], unit="ms", how=how) for size in sizes),
        Figure(
            name="growth of the preview",
            value=sizes[-1]["preview_ms"] / sizes[0]["preview_ms"],
            unit="times",
            how=f"from {sizes[0]['events']:,} to {sizes[-1]['events']:,} events in the store",
            at_most=1.5,
        ),
    ]


def _growth_name(accounts: int) -> str:
    return f"preview, {accounts * EVENTS_OF_ACCOUNT / 1_000_000:g} million events"


def _measured(folder: Path, accounts: int) -> dict[str, Any]:
    begun = time.perf_counter()
    command = [sys.executable, "-m", "bench.reads", str(folder), str(accounts)]
    told: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    say(f"{told['events']:,} events in the store after {time.perf_counter() - begun:.0f} s")
    with serving_as_it_is(folder) as (host, port, token, _):
        return told | _over_http(HTTPConnection(host, port), token)


def _over_http(connection: HTTPConnection, token: str) -> dict[str, object]:
    def ask(method: str, path: str, body: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request(method, f"/api/v1{path}", body, headers)
        answer = connection.getresponse()
        told = answer.read()
        assert answer.status == 200, told
        return json.loads(told)

    preview = f"/invoices/preview?account=a1&month={_MONTH}"
    days = f"from={_MONTH}-01&until={_MONTH.next()}-01"

    def hours() -> int:
        return len(ask("GET", f"/usage?project=a1-p3&{days}&window=hour")["items"])

    figures: dict[str, object] = {
        "preview_ms": _median_ms(lambda: ask("GET", preview)),
        "hours_ms": _median_ms(hours),
        "hours_rows": hours(),
    }
    return figures | {"shown_after_ms": _shown_after(ask, preview)}


def _median_ms(read: Callable[[], object]) -> float:
    times = []
    for number in range(WARM_UP + READS):
        begun = time.perf_counter()
        read()
        if number >= WARM_UP:
            times.append(time.perf_counter() - begun)
    return percentile_ms(times, 50)


def _shown_after(ask: Callable[..., Any], preview: str) -> float:
    """Return how long after its acknowledgement an event is in the preview."""
    before = ask("GET", preview)["subtotal"]
    event = {
        "specversion": "1.0",
        "id": f"late-{time.time_ns()}",
        "source": "bench",
        "type": TYPES[2],
        "subject": "a1-p3",
        "time": f"{_MONTH}-05T00:00:00Z",
        "data": {"value": "1000000", "resource": "late"},
    }
    assert ask("POST", "/events", json.dumps(event))["accepted"] == 1
    begun = time.perf_counter()
    while ask("GET", preview)["subtotal"] == before:
        assert time.perf_counter() - begun < 60, "what was acknowledged does not show"
    return round(1000 * (time.perf_counter() - begun), 1)


def _furnish(house: House, accounts: int) -> dict[str, object]:
    now = datetime.now(UTC)
    first = _add_accounts(house, accounts, now)
    with house.database.transaction() as session:
        wanted = list(session.scalars(select(Account).where(Account.id > first).order_by(Account.id)))
        owned = all_projects(session, [account.id for account in wanted])
    places = {row.code: Destination(row.id, row.account_id) for rows in owned.values() for row in rows}
    begun, events = time.perf_counter(), 0
    waiting: deque[Future[Receipt]] = deque()
    for body in _bodies(list(places), EVENTS_OF_ACCOUNT * len(wanted)):
        if len(waiting) == _AT_ONCE:
            events += waiting.popleft().result().accepted
        waiting.append(_take(house, body, places, now))
    events += sum(future.result().accepted for future in waiting)
    house.usage.settle()
    say(f"{events:,} events taken in {time.perf_counter() - begun:.0f} s")
    return _read_all(house, now)


def _add_accounts(house: House, accounts: int, now: datetime) -> int:
    """Add the accounts that are missing; return the id of the last one that was there."""
    with house.database.transaction() as session:
        apply_catalog(session, parse_catalog(CATALOG), now, lambda *_: True)
        known, last = session.execute(text("select count(*), coalesce(max(id), 0) from account")).one()
        session.execute(
            text(
                "insert into account (code, name, currency, time_zone, language, tax_percent, created_at)"
                " select 'a' || n, 'Account ' || n, 'USD', 'UTC', 'en', 10, now()"
                " from generate_series(cast(:first as int), :last) n"
            ),
            {"first": known + 1, "last": accounts},
        )
        session.execute(
            text(
                "insert into project (account_id, code, name, labels, plan, created_at)"
                " select a.id, a.code || '-p' || n, 'Project ' || n, '{}', 'subscribed', now()"
                " from account a, generate_series(1, :count) n where a.id > :last order by a.id, n"
            ),
            {"count": PROJECTS, "last": last},
        )
    return int(last)


def _take(house: House, body: bytes, places: dict[str, Destination], now: datetime) -> Future[Receipt]:
    decoded = read_events(body, ARROW_STREAM, None)
    while True:
        try:
            return ingest(house.usage, decoded, lambda _: places, frozenset(TYPES), now)
        except Busy:
            time.sleep(0.05)


def _bodies(codes: list[str], events: int) -> Iterator[bytes]:
    """Yield Arrow streams of events at any second, of any project, meter and host, in about the order of time."""
    random = np.random.default_rng(len(codes))
    starts, ends = (int(at.timestamp()) for at in (_MONTH.starts_at(_ZONE), _MONTH.ends_at(_ZONE)))
    hosts, seed = [f"host-{number}" for number in range(HOSTS)], time.time_ns()

    def repeated(texts: list[str], which: Any) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(which, pa.int32()), pa.array(texts))

    for first in range(0, events, _ROWS):
        rows = min(_ROWS, events - first)
        begins, until = (starts + (ends - starts) * at // events for at in (first, first + rows))
        seconds = random.integers(begins, max(until, begins + 1), rows)
        batch = pa.record_batch(
            {
                "project": repeated(codes, random.integers(0, len(codes), rows)),
                "type": repeated(list(TYPES), random.integers(0, len(TYPES), rows)),
                "resource": repeated(hosts, random.integers(0, HOSTS, rows)),
                "time": pa.array(seconds * 1_000_000).cast(pa.timestamp("us", "UTC")),
                "value": pa.array(random.integers(0, 16, rows)).cast(pa.string()),
                "source": repeated(["agent"], np.zeros(rows, np.int32)),
                "id": pa.array([f"{seed:x}-{first + number}" for number in range(rows)]),
            }
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        yield sink.getvalue().to_pybytes()


def _read_all(house: House, now: datetime) -> dict[str, object]:
    """Wait for the roll-up, then draft all accounts' month and see what the events take on disk."""
    with house.database.transaction() as session:
        ids = list(session.scalars(select(Account.id).order_by(Account.id)))
    while house.usage.rolled(ids, _ZONE) is None:
        time.sleep(0.1)
    times, lines = [], 0
    for _ in range(5):
        begun, lines = time.perf_counter(), 0
        for start in range(0, len(ids), _GROUP):
            lines += _drafted(house, ids[start : start + _GROUP], now)
        times.append(time.perf_counter() - begun)
    return {
        "accounts": len(ids),
        "lines": lines,
        "all_drafts_seconds": round(sorted(times)[2], 3),
        **_on_disk(house),
    }


def _drafted(house: House, ids: list[int], now: datetime) -> int:
    with house.database.transaction() as session:
        accounts = list(session.scalars(select(Account).where(Account.id.in_(ids)).order_by(Account.id)))
        projects = all_projects(session, ids)
        payers = [Payer(account, projects[account.id], True) for account in accounts]
        return sum(len(each.draft.lines) for each in draft_months(session, house.usage, payers, _MONTH, now))


def _on_disk(house: House) -> dict[str, object]:
    """Return what events take, with the roll-up, once the engine has not merged anything for a while."""
    sql = (
        "select sumIf(rows, table = 'events') as events, sum(bytes_on_disk) as bytes, count() as parts"
        " from system.parts where active and database = currentDatabase()"
    )
    before, since = house.usage.read(sql, {}).to_pylist()[0], datetime.now(UTC)
    while datetime.now(UTC) - since < timedelta(seconds=5):
        time.sleep(1)
        now = house.usage.read(sql, {}).to_pylist()[0]
        if now != before:
            before, since = now, datetime.now(UTC)
    return {"events": before["events"], "bytes_per_event": round(before["bytes"] / before["events"], 1)}


def main() -> None:
    folder, accounts = sys.argv[1:]
    with open_house(Settings(data_dir=Path(folder))) as house:
        print(json.dumps(_furnish(house, int(accounts))))


if __name__ == "__main__":
    main()
