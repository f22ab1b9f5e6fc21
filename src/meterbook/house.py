"""The house: both stores, opened and migrated together under one set of settings, and closed again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog
from structlog.typing import Processor

from meterbook.database import Database, migrate, open_database
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore, open_shared, open_usage

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class House:
    """Both stores, open and migrated, under one set of settings."""

    settings: Settings
    database: Database
    usage: UsageStore


def system_clock() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)


@contextmanager
def open_house(settings: Settings) -> Iterator[House]:
    """Open, migrate and at the end close both stores.

    Raises `Refused` when another process holds the data folder or a store cannot be reached.
    """
    set_up_logging(settings.log_format)
    with ExitStack() as stack:
        if settings.clickhouse_url is None:
            # first, for it holds the folder
            usage = open_usage(settings.data_dir, settings.readings_kept)
            stack.callback(usage.close)
        database = open_database(settings)
        stack.callback(database.dispose)
        migrate(database)
        if settings.clickhouse_url is not None:
            usage = open_shared(settings, database)
            stack.callback(usage.close)
        yield House(settings, database, usage)


def set_up_logging(log_format: Literal["text", "json"]) -> None:
    """Write log lines to stderr; a trace never shows the values of variables, which may be secrets."""
    first: list[Processor] = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    if log_format == "json":
        last: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        plain = structlog.dev.plain_traceback
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    structlog.configure(
        processors=[*first, *last],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
