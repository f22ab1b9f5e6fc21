"""Closes a month in children of this process, each killed at the step that its line on standard input names.

A line holds a database's address, a data folder and a number: before the so-manieth statement that writes, or commit,
the child kills itself; 0 lets it finish. Its exit status, and how many steps it counted, go to standard output.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
from pydantic import SecretStr
from sqlalchemy import event

AT = datetime(2026, 7, 3, tzinfo=UTC)
WRITES = ("insert", "update", "delete", "select procrastinate", "select unnest(procrastinate")


# imported here for every child, as they take long
IMPORTED = (np, pa, psycopg)


def close(url: str, folder: str, kill_at: int) -> int:
    # the engine of ClickHouse begins threads when it is imported, which a child would not have
    from meterbook.core.period import BillingMonth
    from meterbook.database import open_database
    from meterbook.invoicing.close import close_month
    from meterbook.settings import Settings
    from meterbook.usage.store import open_usage

    settings = Settings(data_dir=Path(folder), database_url=SecretStr(url))
    usage, database, steps = open_usage(settings.data_dir), open_database(settings), 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def statement(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if sql.strip().lower().startswith(WRITES):
            step()

    event.listen(database.engine, "before_cursor_execute", statement)
    event.listen(database.engine, "commit", lambda _: step())
    close_month(database.transaction, usage, settings, BillingMonth(2026, 6), AT, confirm=True)
    database.dispose()
    usage.close()
    return steps


def main() -> None:
    for line in sys.stdin:
        url, folder, number = line.split()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, str(close(url, folder, int(number))).encode())
            os._exit(0)
        os.close(writing)
        _, status = os.waitpid(child, 0)
        steps = os.read(reading, 20).decode() or "0"
        os.close(reading)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)} {steps}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
