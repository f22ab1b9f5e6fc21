"""Closes a month, or delivers a letter, in children of this process, each killed at the step that it is told.

A line of standard input is the JSON of `Order`. Before the statement that writes, or the commit, of that number the
child kills itself; 0 lets it finish. Its exit status and how many steps it counted go to standard output.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, TypedDict

from pydantic import SecretStr
from sqlalchemy import event

from meterbook.database import open_database
from meterbook.mail import SmtpMailer, SmtpServer
from meterbook.settings import Settings

AT = datetime(2026, 7, 3, tzinfo=UTC)
WRITES = ("insert", "update", "delete", "select procrastinate", "select unnest(procrastinate")
# imported here for every child, as they take long
ROOMS = ("meterbook.invoicing.issue", "meterbook.invoicing.paper", "meterbook.promotions.redeem")
SLOW = ("numpy", "pandas", "psycopg", "pyarrow", "structlog", *ROOMS)


class Order(TypedDict):
    """What a child does: with a port of an SMTP server it delivers that letter, else it closes the month."""

    url: str
    folder: str
    kill_at: int
    port: int
    delivery_id: int


def work(order: Order) -> int:
    # the engine of ClickHouse begins threads when it is imported, which a child would not have
    from meterbook.core.period import BillingMonth
    from meterbook.invoicing.close import close_month
    from meterbook.invoicing.deliver import deliver
    from meterbook.usage.store import open_usage

    settings = Settings(data_dir=Path(order["folder"]), database_url=SecretStr(order["url"]))
    database, steps = open_database(settings), 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == order["kill_at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    def statement(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if sql.strip().lower().startswith(WRITES):
            step()

    event.listen(database.engine, "before_cursor_execute", statement)
    event.listen(database.engine, "commit", lambda _: step())
    if order["port"]:
        mailer = SmtpMailer(SmtpServer("127.0.0.1", order["port"]), settings.mail_from)
        deliver(database.transaction, mailer, settings, lambda: AT, delivery_id=order["delivery_id"])
    else:
        usage = open_usage(settings.data_dir)
        close_month(database.transaction, usage, settings, BillingMonth(2026, 6), AT, confirm=True)
        usage.close()
    database.dispose()
    return steps


def main() -> None:
    for name in SLOW:
        import_module(name)
    assert "chdb" not in sys.modules, "the engine would hang in a child"
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, str(work(json.loads(line))).encode())
            os._exit(0)
        os.close(writing)
        _, status = os.waitpid(child, 0)
        steps = os.read(reading, 20).decode() or "0"
        os.close(reading)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)} {steps}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
