"""The connection to the ClickHouse engine in this process (chDB): Arrow tables out of queries and into inserts."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, Final

import pyarrow as pa
from chdb import connect

from meterbook.usage.connection import Parameter, instant_text
from meterbook.usage.layout import Layout

_STREAM_ROWS: Final = 1_000_000
# Merges behind the inserts give way to what somebody waits for, where the system lets ClickHouse say so.
_ARGUMENTS: Final = "os_threads_nice_value_merge_mutate=10"


class Engine:
    """The ClickHouse engine over one folder; one process at a time may have it open.

    Every method may be called from any thread: each call borrows a connection of its own, and the engine works outside
    Python's lock.
    """

    def __init__(self, path: Path) -> None:
        self.layout = Layout()
        self._path = path
        self._lock = Lock()
        self._open = True
        self._idle: list[Any] = [self._connect()]

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        """Run a statement and return its rows."""
        with self._connection() as connection:
            return connection.query(sql, "ArrowTable", params=_texts(parameters or {}))

    def stream(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> Generator[pa.RecordBatch]:
        """Run a statement and yield its rows in batches, so that memory does not grow with the answer."""
        with self._connection() as connection:
            yield from connection.send_query(sql, "Arrow", _texts(parameters or {})).record_batch(_STREAM_ROWS)

    def run(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> None:
        """Run a statement that has no rows to return."""
        with self._connection() as connection:
            connection.query(sql, params=_texts(parameters or {}))

    def insert(self, table: str, rows: pa.Table) -> None:
        """Insert rows, whose columns are named as the table's; on return they are on disk."""
        sink = BytesIO()  # whose value is taken without a copy
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        columns = ", ".join(rows.schema.names)
        with (
            self._connection() as connection,
            connection.send_insert(f"insert into {table} ({columns})", "ArrowStream") as insert,
        ):
            insert.append(sink.getvalue())
            insert.finish()

    def close(self) -> None:
        """Close every connection, those at work when they are done; the engine stops with the last one."""
        with self._lock:
            self._open = False
            while self._idle:
                self._idle.pop().close()

    def _connect(self) -> Any:
        return connect(f"{self._path}?{_ARGUMENTS}")

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
        try:
            yield connection
        finally:
            with self._lock:
                if self._open:
                    self._idle.append(connection)
                else:
                    connection.close()


def _texts(parameters: Mapping[str, Parameter]) -> dict[str, str]:
    return {name: _text(value) for name, value in parameters.items()}


def _text(value: Parameter) -> str:
    """Write a parameter as ClickHouse reads it: tab-separated text at the top, quoted inside arrays."""
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    if isinstance(value, int):
        return str(value)
    return f"[{','.join(_item(item) for item in value)}]"


def _item(item: int | str) -> str:
    if isinstance(item, int):
        return str(item)
    quoted = item.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{quoted}'"
