"""The usage store of one data folder: opens, recovers and closes the engine, the journal and their threads."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterbook.errors import Refused
from meterbook.usage.engine import Engine, Parameter, statement
from meterbook.usage.flush import Flusher, find_stored, replay
from meterbook.usage.journal import Journal
from meterbook.usage.migrate import migrate
from meterbook.usage.record import Recorder, Submission
from meterbook.usage.sieve import Sieve

# How many statements of one reading run side by side; ClickHouse divides a month of a few 100,000 rows poorly itself.
READERS: Final = max(1, min(4, os.cpu_count() or 1))
_FOLDER: Final = "usage"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class UsageStore:
    """The events of one installation; made by `open_usage`. Every method may be called from any thread."""

    def __init__(self, engine: Engine, journal: Journal, sieve: Sieve, lock: int, received_through: int) -> None:
        self._engine = engine
        self._journal = journal
        self._lock = lock
        self._recorder = Recorder(journal, sieve, lambda identities: find_stored(engine, identities), received_through)
        self._flusher = Flusher(engine, self._recorder)
        self._readers = ThreadPoolExecutor(READERS, "usage-reader")

    def submit(self, submission: Submission) -> None:
        """Hand events over to be recorded; raises `Busy` when too many are waiting."""
        self._recorder.submit(submission)

    def settle(self) -> None:
        """Wait until every event acknowledged before this call can be read; raises `Busy` when that fails."""
        self._flusher.settle()

    def received_through(self) -> datetime:
        """Return the moment of receipt of the newest event, all up to which can be read when this returns."""
        micros = self._recorder.received_through
        self._flusher.settle()
        return _EPOCH + timedelta(microseconds=micros)

    @property
    def pending_count(self) -> int:
        """How many events are journalled and not yet on their way into ClickHouse."""
        return self._recorder.waiting_rows

    def read(self, sql: str, parameters: Mapping[str, Parameter]) -> pa.Table:
        """Run a reading statement; it sees every event acknowledged before this call."""
        self._flusher.settle()
        return self._engine.query(sql, parameters)

    def read_each(self, sql: str, parameters: Sequence[Mapping[str, Parameter]]) -> pa.Table:
        """Run a reading statement once for each set of parameters, side by side, and return all their rows."""
        if len(parameters) == 1:
            return self.read(sql, parameters[0])
        self._flusher.settle()
        return pa.concat_tables(self._readers.map(partial(self._engine.query, sql), parameters))

    def close(self) -> None:
        """Store what was acknowledged, stop, and release the folder."""
        self._readers.shutdown()
        self._recorder.close()
        self._flusher.close()
        self._journal.rotate()
        self._engine.close()
        os.close(self._lock)


def open_usage(data_dir: Path) -> UsageStore:
    """Open the usage store of a data folder, made if it is not there, with everything that was ever acknowledged in it.

    Raises `Refused` ("folder-in-use") while another process has it open.
    """
    folder = data_dir / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder / "lock")
    try:
        return _recover(folder, lock)
    except BaseException:
        os.close(lock)
        raise


def _recover(folder: Path, lock: int) -> UsageStore:
    engine = Engine(folder / "clickhouse")
    try:
        migrate(engine)
        journal = Journal(folder / "journal")
        replay(engine, journal)
        (stored,) = engine.query(statement("stored_events")).to_pylist()
        sieve = Sieve(stored["events"])
        sieve.load(_keys(engine))
        received_through = (stored["latest"].astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
        return UsageStore(engine, journal, sieve, lock, received_through)
    except BaseException:
        engine.close()
        raise


def _keys(engine: Engine) -> Iterator[npt.NDArray[np.uint64]]:
    for batch in engine.stream(statement("identity_keys")):
        yield batch.column(0).to_numpy()


def _lock(path: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise Refused(
            f"Another process has the folder {path.parent.parent} open: stop it, or let the command talk to it",
            "folder-in-use",
        ) from None
    return lock
