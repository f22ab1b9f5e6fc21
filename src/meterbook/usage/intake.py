"""How events get from a request into ClickHouse: by a journal of this process, or on a server that processes share."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import NamedTuple, Protocol

from meterbook.database import Database
from meterbook.usage.connection import Connection
from meterbook.usage.flush import Flusher
from meterbook.usage.journal import Journal
from meterbook.usage.keep_journalled import JournalKeeper
from meterbook.usage.keep_shared import SharedKeeper
from meterbook.usage.load_sieve import SieveLoader
from meterbook.usage.record import Recorder, Submission
from meterbook.usage.server import Server
from meterbook.usage.stored import find_stored


class Received(NamedTuple):
    """The newest moment of receipt, in microseconds since 1970, and how many events were received by then.

    They are counted from the opening of the store on, or from the first event of all.
    """

    through: int
    events: int


class Intake(Protocol):
    """Takes events in for a store."""

    def submit(self, submission: Submission) -> None:
        """Hand events over to be recorded; raises `Busy` when too many are waiting."""

    def received(self) -> Received:
        """Return what was received by now, by any process, whether or not it can be read yet."""

    def earliest_since(self, account_ids: Collection[int], after: int) -> int | None:
        """Return a time that no event of accounts is before that was received after a moment; None without any."""

    def newest_before(self, account_ids: Collection[int], before: int) -> int:
        """Return a moment that changes when events of accounts come in whose times are before one."""

    def settle(self) -> None:
        """Wait until every event acknowledged before this call can be read; raises `Busy` when that fails."""

    @property
    def waiting_rows(self) -> int:
        """How many events are acknowledged and not yet on their way into ClickHouse."""

    def quiet(self) -> AbstractContextManager[None]:
        """Keep ClickHouse as it is while the block runs, every event there with its identity."""

    def close(self) -> None:
        """Record what was submitted, and stop."""


class OwnIntake:
    """The intake of a process that owns its store: answers when the journal has the events.

    ClickHouse has `stored` events, received through a moment, and the journal none. `lock` is the open file that keeps
    other processes away.
    """

    def __init__(self, engine: Connection, journal: Journal, stored: int, received_through: int, lock: int) -> None:
        self._journal = journal
        self._lock = lock
        self._sieve = SieveLoader(engine, stored)
        find = partial(find_stored, engine)
        self._keeper = JournalKeeper(journal, self._sieve.loaded, find, received_through)
        self._recorder = Recorder(self._keeper)
        self._flusher = Flusher(engine, self._keeper, self._recorder.release)

    def submit(self, submission: Submission) -> None:
        """Hand events over to be recorded."""
        self._recorder.submit(submission)

    def received(self) -> Received:
        """Return what was received since the store was opened."""
        # in this order: the group of the moment is among the rows
        through = self._keeper.kept_through
        return Received(through, self._keeper.recorded_rows)

    def earliest_since(self, account_ids: Collection[int], after: int) -> int | None:
        """Return what this process remembers."""
        return self._keeper.arrivals.earliest(account_ids, after)

    def newest_before(self, account_ids: Collection[int], before: int) -> int:
        """Return what this process remembers."""
        return self._keeper.arrivals.newest_before(account_ids, before)

    def settle(self) -> None:
        """Wait until the journal is in ClickHouse."""
        self._flusher.settle()

    @property
    def waiting_rows(self) -> int:
        """How many events only the journal has."""
        return self._keeper.waiting_rows

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Let what comes in wait in the journal."""
        self._flusher.settle()
        with self._flusher.inserting:
            yield

    def close(self) -> None:
        """Bring the journal into ClickHouse, and let the folder go."""
        self._sieve.close()
        self._recorder.close()
        self._flusher.close()
        self._journal.rotate()
        os.close(self._lock)


class SharedIntake:
    """The intake of one of several processes on a server: answers when ClickHouse has the events."""

    def __init__(self, server: Server, database: Database) -> None:
        self._keeper = SharedKeeper(server, database)
        self._recorder = Recorder(self._keeper)
        self.turns = self._keeper.turns
        self._keeper.agree()

    def submit(self, submission: Submission) -> None:
        """Hand events over to be recorded."""
        self._recorder.submit(submission)

    def received(self) -> Received:
        """Return what was received since the first event, by any process."""
        recorded = self.turns.read()
        return Received(recorded.received_through, recorded.events)

    def earliest_since(self, account_ids: Collection[int], after: int) -> int | None:  # noqa: ARG002 - others receive too
        """Return the beginning of 1970 if anything was received: others may have received it, of any time."""
        return None if self.received().through <= after else 0

    def newest_before(self, account_ids: Collection[int], before: int) -> int:  # noqa: ARG002 - others receive too
        """Return the newest moment of receipt of all."""
        return self.received().through

    def settle(self) -> None:
        """Nothing is waited for: what was acknowledged is there."""

    @property
    def waiting_rows(self) -> int:
        """Nothing waits that was acknowledged."""
        return 0

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Let every process wait that has something to record."""
        with self.turns.held():
            yield

    def close(self) -> None:
        """Record what was submitted, and stop."""
        self._recorder.close()
