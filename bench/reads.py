"""Reading a month of 20,000,000 events: 100 accounts x 10 projects x 3 meters, 200 hosts a project (SIZE=small: 5).

Read over HTTP, with 5, 50, 100 and 500 accounts in the store: one account's preview, one project's hours, and what was
just acknowledged; and in the process, the drafts of all accounts. Nothing is kept of what was read: each request asks
for the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import select, text

from bench.figures import SMALL, Figure, say
from bench.furnish import ROWS, add_accounts, arrow_stream, pour, repeated, roll_up
from bench.load import CATALOG, TYPES, percentile_ms, serving_as_it_is
from bench.machine import await_rest
from meterbook.accounts.queries import all_projects
from meterbook.accounts.tables import Account
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.core.period import BillingMonth, billing_zone
from meterbook.house import House, open_house
from meterbook.invoicing.draft import Payer, draft_months
from meterbook.settings import Settings

ACCOUNTS = (1, 3) if SMALL else (5, 50, 100, 500)
MONTH_OF = 3 if SMALL else 100  # accounts, of which the wanted figures are
PROJECTS = 10
HOSTS = 200
EVENTS_OF_ACCOUNT = 200_000
WARM_UP = 10
READS = 100
_GROUP = 50  # accounts drafted at once, as a close does
_REST_SECONDS, _REST_SECONDS_MAX = 1.0 if SMALL else 3.0, 60.0
_SHOWN_SECONDS_MAX = 60.0
_ZONE = billing_zone("UTC")
_HOURS = 744


def _month() -> BillingMonth:
    """Return the newest month that is over and has 744 hours."""
    month = BillingMonth.of(datetime.now(UTC), _ZONE).previous()
    while month.ends_at(_ZONE) - month.starts_at(_ZONE) != timedelta(hours=_HOURS):
        month = month.previous()
    return month


_MONTH = _month()


def run(folder: Path) -> list[Figure]:
    folder.mkdir(parents=True)
    sizes = [_measured(folder, accounts) for accounts in ACCOUNTS]
    (month,) = (size for size in sizes if size["accounts"] == MONTH_OF)
    how = f"median of {READS}, from request to the whole JSON, over HTTP"
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
            how=f"{how}, {_HOURS} hours x {len(TYPES)} meters",
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
            how="from an event's acknowledgement to a preview and to hours that have it, the longest at any size",
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
    with serving_as_it_is(folder, keeping=False) as (host, port, token, _):
        await_rest()
        return told | _over_http(_Client(host, port, token))


class _Client:
    """The operator's command line, on a connection that stays open."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self._connection = HTTPConnection(host, port)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: str | None = None) -> bytes:
        self._connection.request(method, f"/api/v1{path}", body, self._headers)
        answer = self._connection.getresponse()
        told = answer.read()
        assert answer.status == 200, told
        return told

    def median_ms(self, path: str) -> float:
        times = []
        for number in range(WARM_UP + READS):
            begun = time.perf_counter()
            self.ask("GET", path)
            if number >= WARM_UP:
                times.append(time.perf_counter() - begun)
        return percentile_ms(times, 50)


def _over_http(client: _Client) -> dict[str, object]:
    preview = f"/invoices/preview?account=a1&month={_MONTH}"
    hours = f"/usage?project=a1-p3&from={_MONTH}-01&until={_MONTH.next()}-01&window=hour"
    lines = sum(len(group["lines"]) for group in json.loads(client.ask("GET", preview))["groups"])
    rows = len(json.loads(client.ask("GET", hours))["items"])
    assert (lines, rows) == (PROJECTS * len(TYPES), _HOURS * len(TYPES)), (lines, rows)
    return {
        "preview_ms": client.median_ms(preview),
        "hours_ms": client.median_ms(hours),
        "shown_after_ms": max(_shown_after_ms(client, path) for path in (preview, hours)),
    }


def _shown_after_ms(client: _Client, path: str) -> float:
    """Return how long after its acknowledgement an event changes what a path answers."""
    before = client.ask("GET", path)
    event = {
        "specversion": "1.0",
        "id": f"late-{time.time_ns()}",
        "source": "bench",
        "type": TYPES[2],
        "subject": "a1-p3",
        "time": f"{_MONTH}-05T00:00:00Z",
        "data": {"value": "1000000", "resource": "late"},
    }
    assert json.loads(client.ask("POST", "/events", json.dumps(event)))["accepted"] == 1
    begun = time.perf_counter()
    while client.ask("GET", path) == before:
        assert time.perf_counter() - begun < _SHOWN_SECONDS_MAX, "what was acknowledged does not show"
    return 1000 * (time.perf_counter() - begun)


def _furnish(house: House, accounts: int) -> dict[str, object]:
    """Add the accounts that are missing with their events, roll up, and read what can be read in the process alone."""
    now = datetime.now(UTC)
    with house.database.transaction() as session:
        apply_catalog(session, parse_catalog(CATALOG), now, lambda *_: True)
        known = set(session.scalars(text("select code from project")))
        add_accounts(session, accounts, PROJECTS)
    with house.database.transaction() as session:
        codes = [code for code in session.scalars(text("select code from project order by id")) if code not in known]
    pour(house, codes, _bodies(codes, EVENTS_OF_ACCOUNT * len(codes) // PROJECTS), now)
    ids = roll_up(house, _ZONE)
    on_disk = _on_disk(house)
    return {"accounts": accounts, **on_disk, **(_all_drafts(house, ids, now) if accounts == MONTH_OF else {})}


def _bodies(codes: list[str], events: int) -> Iterator[bytes]:
    """Yield Arrow streams of events at any second, of any project, meter and host, in about the order of time."""
    random = np.random.default_rng(len(codes))
    starts, ends = (int(at.timestamp()) for at in (_MONTH.starts_at(_ZONE), _MONTH.ends_at(_ZONE)))
    hosts, seed = [f"host-{number}" for number in range(HOSTS)], time.time_ns()
    for first in range(0, events, ROWS):
        rows = min(ROWS, events - first)
        begins, until = (starts + (ends - starts) * at // events for at in (first, first + rows))
        yield arrow_stream(
            {
                "project": repeated(codes, random.integers(0, len(codes), rows)),
                "type": repeated(list(TYPES), random.integers(0, len(TYPES), rows)),
                "resource": repeated(hosts, random.integers(0, HOSTS, rows)),
                "time": random.integers(begins, max(until, begins + 1), rows),
                "value": random.integers(0, 16, rows),
                "source": repeated(["agent"], np.zeros(rows, np.int32)),
                "id": pa.array([f"{seed:x}-{first + number}" for number in range(rows)]),
            }
        )


def _all_drafts(house: House, ids: list[int], now: datetime) -> dict[str, object]:
    times, lines = [], 0
    for _ in range(5):
        begun, lines = time.perf_counter(), 0
        for start in range(0, len(ids), _GROUP):
            lines += _drafted(house, ids[start : start + _GROUP], now)
        times.append(time.perf_counter() - begun)
    return {"lines": lines, "all_drafts_seconds": sorted(times)[2]}


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
    begun = since = time.perf_counter()
    before = house.usage.read(sql, {}).to_pylist()[0]
    while time.perf_counter() - since < _REST_SECONDS and time.perf_counter() - begun < _REST_SECONDS_MAX:
        time.sleep(0.5)
        now = house.usage.read(sql, {}).to_pylist()[0]
        if now != before:
            before, since = now, time.perf_counter()
    say(f"{before['parts']} parts on disk, at rest after {time.perf_counter() - begun:.0f} s")
    return {"events": before["events"], "bytes_per_event": before["bytes"] / before["events"]}


def main() -> None:
    folder, accounts = sys.argv[1:]
    with open_house(Settings(data_dir=Path(folder))) as house:
        print(json.dumps(_furnish(house, int(accounts))))


if __name__ == "__main__":
    main()
