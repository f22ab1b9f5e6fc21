"""Moves journalled events into ClickHouse in large inserts, at once when a read waits; replays what a crash left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Condition, Lock, Thread
from time import monotonic
from typing import Final

import pyarrow as pa
import structlog

from meterbook.errors import Busy
from meterbook.usage.connection import Connection
from meterbook.usage.journal import Journal, delete_segment, read_segment
from meterbook.usage.keep_journalled import Generation, JournalKeeper
from meterbook.usage.stored import insert, insert_rest

# An insert is worth making when this many rows wait, or when the oldest has waited this long.
_ROWS_ENOUGH: Final = 250_000
_LINGER_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 1.0
_SETTLE_SECONDS_MAX: Final = 30.0
_log = structlog.get_logger(__name__)


def replay(engine: Connection, journal: Journal) -> int:
    """Bring what an earlier process journalled and did not insert into ClickHouse; return how many rows that was."""
    count = 0
    for path in journal.segments():
        for rows in _together(read_segment(path)):
            count += insert_rest(engine, rows)
        delete_segment(path)
    if count:
        _log.info("usage.replayed", rows=count)
    return count


def _together(records: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Put records, of which many are of few rows, together until an insert is worth making."""
    waiting: list[pa.Table] = []
    count = 0
    for rows in records:
        waiting.append(rows)
        count += rows.num_rows
        if count >= _ROWS_ENOUGH:
            yield pa.concat_tables(waiting)
            waiting, count = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


class Flusher:
    """The thread between the journal and ClickHouse; holds `inserting` while events go in and then their identities.

    `release` is told how many rows and bytes are held in memory no longer.
    """

    def __init__(self, engine: Connection, keeper: JournalKeeper, release: Callable[[int, int], None]) -> None:
        self._engine = engine
        self._keeper = keeper
        self._release = release
        self._changed: Condition = keeper.changed
        self.inserting = Lock()
        self._flushed_rows = 0
        self._wanted_rows = 0
        self._failures = 0
        self._open = True
        self._thread = Thread(target=self._run, name="usage-flusher", daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Wait until every event acknowledged before this call is in ClickHouse; costs nothing when none waits.

        Raises `Busy` when ClickHouse does not take them.
        """
        target = self._keeper.recorded_rows
        if self._flushed_rows >= target:
            return
        with self._changed:
            failures = self._failures
            self._wanted_rows = max(self._wanted_rows, target)
            self._changed.notify_all()
            done = self._changed.wait_for(
                lambda: self._flushed_rows >= target or self._failures > failures, _SETTLE_SECONDS_MAX
            )
            if not done or self._flushed_rows < target:
                raise Busy("The latest usage cannot be read yet: try again in a moment")

    def close(self) -> None:
        """Flush what is journalled and stop; the recorder is closed before."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while self._wait():
            rotated = self._keeper.rotate()
            if rotated is None:
                continue
            path, generation = rotated
            if not self._insert(generation):
                return
            delete_segment(path)
            self._keeper.forget(generation)
            self._release(generation.rows, generation.bytes)
            with self._changed:
                self._flushed_rows += generation.rows
                self._changed.notify_all()

    def _wait(self) -> bool:
        """Wait until there is something to flush, and it is time to; False when closed with nothing left."""
        with self._changed:
            self._changed.wait_for(lambda: self._keeper.waiting_rows or not self._open)
            deadline = monotonic() + _LINGER_SECONDS
            while self._open and not self._is_urgent() and (left := deadline - monotonic()) > 0:
                self._changed.wait(left)
            return self._open or self._keeper.waiting_rows > 0

    def _is_urgent(self) -> bool:
        return self._keeper.waiting_rows >= _ROWS_ENOUGH or self._wanted_rows > self._flushed_rows

    def _insert(self, generation: Generation) -> bool:
        """Insert until it succeeds; False if the store closes first, and the segment stays for the next start."""
        rows = pa.Table.from_batches(generation.batches)
        try:
            with self.inserting:
                insert(self._engine, rows, generation.identities())
            return True
        except Exception:  # noqa: BLE001 - whatever failed, the rows stay journalled and are tried again
            _log.exception("usage.insert_failed", rows=generation.rows)
        while True:
            with self._changed:
                self._failures += 1
                self._changed.notify_all()
                self._changed.wait_for(lambda: not self._open, _RETRY_SECONDS)
                if not self._open:
                    return False
            try:
                # A failed insert may have left a part of its rows behind.
                with self.inserting:
                    insert_rest(self._engine, rows)
                return True
            except Exception:  # noqa: BLE001 - as above: they are tried until it works or the store closes
                _log.exception("usage.insert_failed", rows=generation.rows)
