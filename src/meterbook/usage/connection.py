"""What the usage store speaks to: ClickHouse, as the engine in this process or as a server over the network.

Both run the same statements, the files of `sql/`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Final, Protocol

import pyarrow as pa

from meterbook.usage.layout import Layout

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What a statement's named parameter may be: `{name:UInt64}`, `{name:String}`, `{name:DateTime64(6, 'UTC')}` and arrays.
Parameter = int | str | datetime | Sequence[int] | Sequence[str]


class Connection(Protocol):
    """A way to ClickHouse; every method may be called from any thread.

    Raises `Busy` when it cannot answer now. `layout` says how its tables are spread.
    """

    layout: Layout

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        """Run a statement and return its rows."""

    def stream(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> Generator[pa.RecordBatch]:
        """Run a statement and yield its rows in batches, so that memory does not grow with the answer."""

    def run(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> None:
        """Run a statement that has no rows to return."""

    def insert(self, table: str, rows: pa.Table) -> None:
        """Insert rows, whose columns are named as the table's; on return they are on disk."""

    def close(self) -> None:
        """Close it; calls at work may end first."""


@cache
def statement(name: str) -> str:
    """Return the text of `sql/NAME.sql`, without a trailing semicolon."""
    return files("meterbook.usage").joinpath("sql", f"{name}.sql").read_text("utf-8").strip()


def instant_text(instant: datetime) -> str:
    """Write an instant as ClickHouse reads it, to the microsecond."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"


def instant(micros: int) -> datetime:
    """Return the instant that is so many microseconds after the beginning of 1970."""
    return _EPOCH + timedelta(microseconds=micros)


def micros(at: datetime) -> int:
    """Return the whole microseconds since 1970."""
    return (at.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
