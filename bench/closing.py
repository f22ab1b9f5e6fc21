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
from bench.furnish import ROWS, add_accounts, arrow_stream, pour, repeated
from bench.load import CATALOG, TYPES
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.core.period import BillingMonth, billing_zone
from meterbook.house import House, open_house
from meterbook.invoicing.close import close_month
from meterbook.invoicing.verify import verify
from meterbook.settings import Settings

ACCOUNTS = 20 if SMALL else 1_000
PROJECTS = 10
HOURS = 24  # with usage, of each product in each project
TARGET_SECONDS = 60
TARGET_GROWTH = 2.2
TARGET_MIB = 1_024
MONTH = BillingMonth(2026, 6)
_AT = datetime(2026, 7, 3, tzinfo=UTC)


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
        add_accounts(session, accounts, PROJECTS)
    with house.database.transaction() as session:
        codes = list(session.scalars(text("select code from project order by id")))
    pour(house, codes, _bodies(codes), now)


def _bodies(codes: list[str]) -> Iterator[bytes]:
    """Yield Arrow streams of events: of each project a value of each product in each of the month's first hours."""
    start = int(MONTH.starts_at(billing_zone("UTC")).timestamp())
    each = len(TYPES) * HOURS
    for first in range(0, len(codes), ROWS // each):
        part = codes[first : first + ROWS // each]
        number = np.arange(len(part) * each)
        hour = number % HOURS
        yield arrow_stream(
            {
                "project": repeated(part, number // each),
                "type": repeated(list(TYPES), number // HOURS % len(TYPES)),
                "resource": repeated(["r"], np.zeros(len(number), np.int32)),
                "time": start + hour * 3600 + 1800,
                "value": hour % 7 + 1,
                "source": repeated(["bench"], np.zeros(len(number), np.int32)),
                "id": pa.array(first * each + number).cast(pa.string()),
            }
        )


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
