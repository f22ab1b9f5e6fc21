"""A workplace on the real stores, workers at it, and ways to look at the queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from meterbook.database import Database
from meterbook.jobs.worker import Worker
from meterbook.jobs.workplace import Handler, Workplace
from meterbook.mail import FolderMailer
from meterbook.outbox import defer
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore

WAIT_SECONDS = 30


@pytest.fixture
def place(database: Database, usage: UsageStore, tmp_path: Path) -> Workplace:
    mailer = FolderMailer(tmp_path / "mail", "billing@localhost")
    return Workplace(Settings(data_dir=tmp_path), database, usage, mailer, lambda: datetime.now(UTC))


def queue(database: Database, task: str, **how: Any) -> int:
    with database.transaction() as session:
        made = defer(session, task, **how)
    assert made is not None
    return made


def jobs(database: Database) -> list[tuple[str, str, int]]:
    """Return name, status and attempts of every job, in the order they were queued."""
    with database.transaction() as session:
        found = session.execute(text("select task_name, status, attempts from procrastinate_jobs order by id"))
        return [(row.task_name, row.status, row.attempts) for row in found]


def change(database: Database, statement: str, **values: object) -> None:
    with database.transaction() as session:
        session.execute(text(statement), values)


def await_that(is_so: Callable[[], object]) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


@contextmanager
def at_work(place: Workplace, alone: bool = False, **handlers: Handler) -> Iterator[Worker]:
    worker = Worker(place, alone=alone, handlers=handlers, schedule=())
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def number(database: Database, statement: str) -> int:
    with database.transaction() as session:
        return int(session.execute(text(statement)).scalar_one())


def workers(database: Database) -> int:
    return number(database, "select count(*) from procrastinate_workers")


def failing(*errors: Exception | None) -> tuple[Handler, list[datetime]]:
    """Return a handler that raises one after the other (None: succeeds), and the times of its runs."""
    left, ran = list(errors), list[datetime]()

    def handler(_place: Workplace, now: datetime) -> None:
        ran.append(now)
        if (error := left.pop(0)) is not None:
            raise error

    return handler, ran
