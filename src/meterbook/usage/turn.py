"""Whose turn it is to record events, where several processes keep them on one server: a lock and a row of PostgreSQL.

The lock gives order; exactness hangs on the row alone, so a lock that is lost while its holder lives does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from uuid import uuid4

import structlog
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import OperationalError

from meterbook.database import Database
from meterbook.errors import Busy

# Any constant: the key of the lock that recording processes queue on.
_LOCK: Final = 0x6D627475726E
# A holder whose machine is gone, and that so cannot let go, holds the others up for no longer.
_SILENT_SECONDS_MAX: Final = 60
_MAKE: Final = text("""
    insert into usage_turn (id, received_through, events, additions, is_adding, forgotten)
    values (1, 0, 0, 0, false, 0)
    on conflict do nothing
""")
_READ: Final = text("select received_through, events, additions, is_adding, forgotten from usage_turn")
_TAKE: Final = text("""
    update usage_turn
    set holder = :me
    from (select * from usage_turn for update) as before
    returning before.holder, before.moment, before.received_through
""")
_BEGIN: Final = text("""
    update usage_turn
    set moment = greatest(:told, received_through + 1)
    where holder = :me
    and moment is null
    returning moment
""")
_HOLDS: Final = text("select moment from usage_turn where holder = :me and moment = :moment")
_END: Final = text("""
    update usage_turn
    set received_through = greatest(received_through, :moment),
        events = events + :count,
        moment = null
    where holder = :me
    and moment = :moment
    returning received_through
""")
_RAISE: Final = text("""
    update usage_turn
    set received_through = greatest(received_through, :moment),
        events = events + :count
    returning received_through
""")
_log = structlog.get_logger(__name__)


class Recorded(NamedTuple):
    """What the processes on one server have done: every event received through a moment is there, `events` in all.

    Moments are microseconds since 1970. Of the roll-up: how many additions were made to it, and how often all of it was
    thrown away.
    """

    received_through: int
    events: int
    additions: int
    is_adding: bool
    forgotten: int


class Turns:
    """The turns of one process. `recover` ends what a holder that died, or did not hear the answer, has begun.

    It is given the group's moment and token and returns how many of its events are there; from then on no more may
    come.
    """

    def __init__(self, database: Database, recover: Callable[[int, str], int]) -> None:
        self._database = database
        self._recover = recover
        self._me = uuid4().hex
        with answering(), autocommitting(database) as connection:
            connection.execute(_MAKE)

    def read(self) -> Recorded:
        """Return what is recorded by now."""
        with answering(), autocommitting(self._database) as connection:
            return Recorded(*connection.execute(_READ).one())

    @contextmanager
    def held(self) -> Iterator[Turn]:
        """Wait for the turn and hold it while the block runs. Raises `Busy` when others hold it for too long."""
        with answering(), locked(self._database, _LOCK, _SILENT_SECONDS_MAX) as connection:
            taken = connection.execute(_TAKE, {"me": self._me}).one()
            turn = Turn(connection, self._me, taken.received_through)
            if taken.moment is not None:
                count = self._recover(taken.moment, token_of(taken.holder, taken.moment))
                turn.end(taken.moment, count)
                _log.warning("usage.turn_recovered", moment=taken.moment, events=count)
            yield turn


class Turn:
    """A turn that is held; raises `Busy` as soon as another process has taken it over."""

    def __init__(self, connection: Connection, me: str, received_through: int) -> None:
        self._connection = connection
        self._me = me
        self.received_through = received_through

    def begin(self, told: int) -> tuple[int, str]:
        """Give a group its moment, later than all before it and not before the doors' one, and the insert's token."""
        moment = still(self._connection, _BEGIN, me=self._me, told=told)
        return moment, token_of(self._me, moment)

    def check(self, moment: int) -> None:
        """Go on only if nobody has taken the group for lost."""
        still(self._connection, _HOLDS, me=self._me, moment=moment)

    def end(self, moment: int, count: int) -> None:
        """Note that a group is whole and counts: from here on everybody reads it."""
        self.received_through = still(self._connection, _END, me=self._me, moment=moment, count=count)

    def raise_to(self, moment: int, count: int) -> None:
        """Go on from what ClickHouse has, where that is more than this database knows of."""
        self.received_through = still(self._connection, _RAISE, moment=moment, count=count)


def token_of(holder: str, number: int) -> str:
    """Return the token of an insert, which no other insert ever has."""
    return f"{holder}-{number}"


def still(connection: Connection, statement: TextClause, **values: object) -> int:
    """Run a statement that changes the row if it still is this process's; raises `Busy` if another took it over."""
    found: Any = connection.scalar(statement, values)
    if found is None:
        _log.warning("usage.turn_lost")
        raise Busy("Another process took this one for dead: try again in a moment.")
    return int(found)


@contextmanager
def locked(database: Database, key: int, silent_seconds: int, *, wait: bool = True) -> Iterator[Connection]:
    """Hold a lock on a connection of its own while the block runs, for as long as that is not silent for too long.

    Raises `Busy` when another process holds it: at once, or after waiting for it for a while.
    """
    take = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
    with autocommitting(database) as connection:
        try:
            connection.execute(text(f"set idle_session_timeout = '{silent_seconds}s'"))
            if connection.scalar(text(f"select {take}(:key)"), {"key": key}) is False:
                raise Busy("Another process is at it: try again in a moment.")
            yield connection
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": key})
            connection.execute(text("reset idle_session_timeout"))
        except BaseException:
            # the lock, if it was taken, goes with the connection
            connection.invalidate()
            raise


@contextmanager
def autocommitting(database: Database) -> Iterator[Connection]:
    """Give a connection on which each statement is a transaction of its own."""
    with database.engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def answering() -> Iterator[None]:
    """Turn what a database that is away raises into `Busy`."""
    try:
        yield
    except OperationalError as error:
        raise Busy("The database cannot answer now: try again shortly.", "database-unavailable") from error
