"""Steps of the roll-up exclude one another, and what a step adds is added once: in one process or in several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import Final, Protocol
from uuid import uuid4

import structlog
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import text

from meterbook.database import Database
from meterbook.usage.connection import Connection, Parameter, statement
from meterbook.usage.rolled import Done
from meterbook.usage.server import Server
from meterbook.usage.turn import Turns, answering, autocommitting, locked, still, token_of

# Any constant: the key of the lock that processes make steps under.
_LOCK: Final = 0x6D6273746570
# A process whose machine is gone in the middle of a step holds the others up for no longer; a statement may take long.
_SILENT_SECONDS_MAX: Final = 180
_TAKE: Final = text("""
    update usage_turn
    set step_holder = :me
    from (select * from usage_turn for update) as before
    returning before.step_holder, before.additions, before.is_adding
""")
_BEGIN: Final = text("""
    update usage_turn
    set is_adding = true
    where step_holder = :me
    and not is_adding
    returning additions
""")
_END: Final = text("""
    update usage_turn
    set additions = additions + 1,
        is_adding = false
    where step_holder = :me
    and additions = :number
    returning additions
""")
_FORGET: Final = text("update usage_turn set forgotten = forgotten + 1")
_log = structlog.get_logger(__name__)


class Steps(Protocol):
    """The steps of the roll-up, of all processes that make them."""

    def held(self) -> AbstractContextManager[None]:
        """Make a step in the block. Raises `Busy` when another process makes one."""

    def add(self, sql: str, parameters: Mapping[str, Parameter]) -> None:
        """Run a statement of a step, which adds to the roll-up, once."""

    def forget(self) -> None:
        """Note, in a step, that the roll-up is about to be thrown away, or that it was."""

    def rolled_up(self) -> Done:
        """Return what was done by now, in any process."""


class OwnSteps:
    """The steps of a process that owns its store."""

    def __init__(self, engine: Connection) -> None:
        self._engine = engine
        self._lock = Lock()
        self._done = Done(0, 0)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make a step in the block, when the step before has ended."""
        with self._lock:
            yield

    def add(self, sql: str, parameters: Mapping[str, Parameter]) -> None:
        """Run a statement of a step."""
        self._done = self._done._replace(additions=self._done.additions + 1)
        try:
            self._engine.run(sql, parameters)
        finally:
            self._done = self._done._replace(additions=self._done.additions + 1)

    def forget(self) -> None:
        """Note that the roll-up is about to be thrown away, or was."""
        self._done = self._done._replace(forgotten=self._done.forgotten + 1)

    def rolled_up(self) -> Done:
        """Return what was done by now."""
        return self._done


class SharedSteps:
    """The steps of one of several processes on a server, over a lock and the row of `usage_turn`.

    A statement that adds has a token that is used once. Whoever takes over from a process that was at one uses its
    token up, so that either it is done or it never will be; what was to be added is then counted anew.
    """

    def __init__(self, database: Database, server: Server, turns: Turns) -> None:
        self._database = database
        self._server = server
        self._turns = turns
        self._me = uuid4().hex
        self._lock = Lock()
        self._connection: DatabaseConnection | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make a step in the block. Raises `Busy` when another process makes one."""
        with self._lock, answering(), locked(self._database, _LOCK, _SILENT_SECONDS_MAX, wait=False) as connection:
            taken = connection.execute(_TAKE, {"me": self._me}).one()
            if taken.is_adding:
                token = token_of(taken.step_holder, taken.additions)
                self._server.run(statement("add_nothing"), {"shards": self._server.shards}, token)
                still(connection, _END, me=self._me, number=taken.additions)
                _log.warning("usage.step_recovered", addition=taken.additions)
            self._connection = connection
            try:
                yield
            finally:
                self._connection = None

    def add(self, sql: str, parameters: Mapping[str, Parameter]) -> None:
        """Run a statement of a step. Raises `Busy` when it may not have been done, or another process took over."""
        assert self._connection is not None, "additions are made in a step"
        number = still(self._connection, _BEGIN, me=self._me)
        self._server.run(sql, parameters, token=token_of(self._me, number))
        still(self._connection, _END, me=self._me, number=number)

    def forget(self) -> None:
        """Note that the roll-up is about to be thrown away, or was: who reads it meanwhile reads again."""
        with answering(), autocommitting(self._database) as connection:
            connection.execute(_FORGET)

    def rolled_up(self) -> Done:
        """Return what was done by now, in any process."""
        recorded = self._turns.read()
        return Done(recorded.forgotten, 2 * recorded.additions + recorded.is_adding)
