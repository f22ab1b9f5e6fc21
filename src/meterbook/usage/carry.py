"""Carry events between usage stores as they are: with their moments of receipt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from meterbook.database import Database
from meterbook.settings import Settings
from meterbook.usage.connection import Connection, statement
from meterbook.usage.engine import Engine
from meterbook.usage.keep_shared import SharedKeeper
from meterbook.usage.migrate import migrate
from meterbook.usage.roll_up import forget
from meterbook.usage.server import connect
from meterbook.usage.steps import SharedSteps
from meterbook.usage.store import UsageStore, engine_folder, hold_folder, migrate_shared
from meterbook.usage.stored import complete_identities, insert_new


def events_through(store: UsageStore, received_through: datetime) -> Iterator[pa.RecordBatch]:
    """Yield every event received until a moment, in batches, so that memory does not grow with the store."""
    yield from store.stream(statement("events_through"), {"received_through": received_through})


class EventSink:
    """A usage store that is being filled; made by `open_sink` or `open_shared_sink`."""

    def __init__(self, engine: Connection) -> None:
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


@contextmanager
def open_shared_sink(settings: Settings, database: Database) -> Iterator[EventSink]:
    """Open the usage store on the server of the settings for filling, while no process records there.

    `database` is the migrated money store. Raises `Refused` when the server cannot be reached.
    """
    server = connect(settings)
    try:
        migrate_shared(server, database)
        keeper = SharedKeeper(server, database)
        steps = SharedSteps(database, server, keeper.turns)
        with steps.held():
            # what was rolled up is about to be wrong: whoever reads is told before and after it goes
            steps.forget()
            forget(server)
            steps.forget()
        with keeper.turns.held():
            complete_identities(server)
        yield EventSink(server)
        keeper.agree()
    finally:
        server.close()
