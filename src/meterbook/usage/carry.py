"""Carry events between usage stores as they are: with their moments of receipt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from meterbook.usage.engine import Engine, statement
from meterbook.usage.migrate import migrate
from meterbook.usage.roll_up import forget
from meterbook.usage.store import UsageStore, engine_folder, hold_folder
from meterbook.usage.stored import complete_identities, insert_new


def events_through(store: UsageStore, received_through: datetime) -> Iterator[pa.RecordBatch]:
    """Yield every event received until a moment, in batches, so that memory does not grow with the store."""
    yield from store.stream(statement("events_through"), {"received_through": received_through})


class EventSink:
    """A usage store that is being filled; made by `open_sink`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, rows: pa.RecordBatch) -> None:
        """Insert rows of the table `events`; those whose identity is there already are left out."""
        insert_new(self._engine, pa.Table.from_batches([rows]))

    def count(self) -> int:
        """Return how many events the store holds."""
        count: int = self._engine.query(statement("stored_events")).column("events")[0].as_py()
        return count


@contextmanager
def open_sink(data_dir: Path) -> Iterator[EventSink]:
    """Open the usage store of a data folder for filling. Raises `Refused` while another process has it open."""
    lock = hold_folder(data_dir)
    try:
        engine = Engine(engine_folder(data_dir))
        try:
            migrate(engine)
            forget(engine)
            complete_identities(engine)
            yield EventSink(engine)
        finally:
            engine.close()
    finally:
        os.close(lock)
