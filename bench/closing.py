"""Closing a month: 1,000 accounts x 10 projects x 3 products, drafted, issued, booked; and twice as many accounts."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import text

from bench.figures import SMALL, Figure, say
from bench.load import CATALOG, TYPES
from meterbook.accounts.queries import projects_by_codes
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.core.period import BillingMonth, billing_zone
from meterbook.demo.generate import SCHEMA
from meterbook.invoicing.close import close_month
from meterbook.invoicing.verify import verify
from meterbook.main import House, open_house
from meterbook.settings import Settings
from meterbook.usage.arrow_events import ARROW_STREAM
from meterbook.usage.events import read_events
from meterbook.usage.ingest import Destination, ingest

ACCOUNTS = 100 if SMALL else 1_000
PROJECTS = 10
HOURS = 24  # with usage, of each product in each project
TARGET_SECONDS = 60
TARGET_GROWTH = 2.2
TARGET_MIB = 1_024
MONTH = BillingMonth(2026, 6)
_AT = datetime(2026, 7, 3, tzinfo=UTC)
_ROWS = 90_000


def run(folder: Path) -> list[Figure]:
    once, twice = _closed(folder / "once", ACCOUNTS), _closed(folder / "twice", 2 * ACCOUNTS)
    how = f"{{:,}} accounts x {PROJECTS} projects x {len(TYPES)} products: drafted, issued, booked, mails queued".format
    return [
        Figure(
            name="close of a month",
            value=once["close_seconds"],
            unit="s",
            how=how(ACCOUNTS),
            at_most=TARGET_SECONDS,
        ),
        Figure(
            name="close of a month, twice the accounts",
            value=twice["close_seconds"] / once["close_seconds"],
            unit="times",
            how=how(2 * ACCOUNTS),
            at_most=TARGET_GROWTH,
        ),
        Figure(
            name="close of a month, memory at most",
            value=twice["peak_mib"],
            unit="MiB",
            how=f"of the closing process, {2 * ACCOUNTS:,} accounts",
            at_most=TARGET_MIB,
        ),
        Figure(
            name="verify",
            value=once["verify_seconds"],
            unit="s",
            how=f"re-derives {once['verified']:,} lines from the events, and checks the books",
        ),
    ]


def _closed(folder: Path, accounts: int) -> dict[str, Any]:
    """Close in a process of its own, so that its peak of memory is that of the close alone."""
    for step in ("furnish", "close"):
        command = [sys.executable, "-m", "bench.closing", step, str(folder), str(accounts)]
        say(f"{accounts:,} accounts: {step}")
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    result: dict[str, Any] = json.loads(told)
    return result


def _furnish(house: House, accounts: int) -> None:
    now = datetime.now(UTC)
    with house.database.transaction() as session:
        apply_catalog(session, parse_catalog(CATALOG), now, lambda *_: False)
        session.execute(
            text(
                "insert into account (code, name, currency, time_zone, language, tax_percent, created_at)"
                " select 'a' || n, 'Account ' || n, 'USD', 'UTC', 'en', 10, now() from generate_series(1, :count) n"
            ),
            {"count": accounts},
        )
        session.execute(
            text(
                "insert into project (account_id, code, name, labels, plan, created_at)"
                " select a.id, a.code || '-p' || n, 'Project ' || n, '{}', 'subscribed', now()"
                " from account a, generate_series(1, :count) n"
            ),
            {"count": PROJECTS},
        )
    with house.database.transaction() as session:
        codes = list(session.scalars(text("select code from project order by id")))
        places = {code: Destination(*place) for code, place in projects_by_codes(session, codes).items()}
    for body in _bodies(codes):
        decoded = read_events(body, ARROW_STREAM, None)
        ingest(house.usage, decoded, lambda _: places, frozenset(TYPES), now).result()


def _bodies(codes: list[str]) -> Iterator[bytes]:
    """Yield Arrow streams of events: of each project a value of each product in each of the month's first hours."""
    start = int(MONTH.starts_at(billing_zone("UTC")).timestamp())
    each = len(TYPES) * HOURS
    for first in range(0, len(codes), _ROWS // each):
        part = codes[first : first + _ROWS // each]
        number = np.arange(len(part) * each)
        place, kind, hour = number // each, number // HOURS % len(TYPES), number % HOURS
        projects = pa.array(part).take(pa.array(place))
        types = pa.array(TYPES).take(pa.array(kind))
        times = pa.array((start + hour * 3600 + 1800) * 1_000_000).cast(pa.timestamp("us", "UTC"))
        values = pa.array((hour % 7 + 1).tolist(), pa.int64()).cast(pa.decimal128(38, 9))
        ids = pa.array([str(first * each + n) for n in number.tolist()])
        columns = [
            projects,
            types,
            pa.array(["r"] * len(number)),
            times,
            values,
            pa.array(["bench"] * len(number)),
            ids,
        ]
        batch = pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        yield sink.getvalue().to_pybytes()


def _close(house: House) -> dict[str, object]:
    begun = time.perf_counter()
    closed = close_month(house.database.transaction, house.usage, house.settings, MONTH, _AT, confirm=True)
    seconds = time.perf_counter() - begun
    peak = _peak_mib()
    begun = time.perf_counter()
    count, faults = verify(house.database.transaction, house.usage)
    assert faults == [], faults[:3]
    return {
        "invoices": len(closed.issued),
        "close_seconds": round(seconds, 1),
        "peak_mib": peak,
        "verify_seconds": round(time.perf_counter() - begun, 1),
        "verified": count,
    }


def _peak_mib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024


def main() -> None:
    step, folder, accounts = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open_house(Settings(data_dir=Path(folder))) as house:
        if step == "furnish":
            _furnish(house, int(accounts))
        else:
            print(json.dumps(_close(house)))


if __name__ == "__main__":
    main()
