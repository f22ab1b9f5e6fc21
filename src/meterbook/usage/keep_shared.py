"""Keeps events on a server that several processes share: one at a time decides what is new, and inserts it.

There is no journal: a request is answered when ClickHouse has its events. A group of them has a moment of receipt of
its own and goes in whole: the events, then their identities, then the row of `usage_turn` says so. A process may die
or lose the answer anywhere between; the next one uses the insert's token up, so that the group either is there or can
never come, and makes it whole or forgets it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from string import Template
from typing import Any

import pyarrow as pa

from meterbook.database import Database
from meterbook.errors import Busy
from meterbook.usage.connection import instant, micros, statement
from meterbook.usage.identity import Identities, identities_of, keys_of
from meterbook.usage.record import stamped, told_moment
from meterbook.usage.server import Server
from meterbook.usage.sieve import Sieve
from meterbook.usage.stored import find_stored, identity_columns, identity_keys
from meterbook.usage.turn import Turn, Turns


class SharedKeeper:
    """Where a recorder keeps events when other processes record on the same server."""

    # what is kept is in ClickHouse, and held in memory no longer
    holds = False

    def __init__(self, server: Server, database: Database) -> None:
        self._server = server
        self._sieve: Sieve | None = None
        self._known_through = 0
        self._turn: Turn | None = None
        self.turns = Turns(database, self._recover)

    @contextmanager
    def deciding(self) -> Iterator[Sieve]:
        """Hold the turn while a group is decided on and kept; give a filter that knows what others have recorded."""
        sieve = self._sieve = self._sieve or self._load()
        with self.turns.held() as turn:
            self._catch_up(sieve, turn.received_through)
            self._turn = turn
            try:
                yield sieve
            finally:
                self._turn = None

    def find_known(self, wanted: Identities) -> set[tuple[int, int]]:
        """Return those identities that are recorded, exactly."""
        return find_stored(self._server, wanted)

    def keep(self, batches: Sequence[pa.RecordBatch], identities: Identities) -> None:
        """Insert a group of new events; on return they are on disk and count.

        Raises `Busy` when nobody knows whether they are there: then the next turn finds out.
        """
        turn = self._turn
        assert turn is not None, "events are kept in a turn"
        moment, token = turn.begin(told_moment(batches))
        self._server.insert("events", pa.Table.from_batches(stamped(batches, moment)), token)
        # An insert that was too late, after another process used its token up, is confirmed as well.
        turn.check(moment)
        self._server.insert("event_identities", identity_columns(identities), token)
        turn.end(moment, len(identities))
        if self._sieve is not None:
            self._sieve.add(keys_of(identities))
        self._known_through = moment

    def agree(self) -> None:
        """Go on from what ClickHouse has, where the money store knows of less: it is new, or from a backup."""
        if not self._newer_than(self.turns.read().received_through)["events"]:
            return
        # or else these are on their way just now
        with self.turns.held() as turn:
            newer = self._newer_than(turn.received_through)
            if newer["events"]:
                turn.raise_to(micros(newer["latest"]), newer["events"])

    def _newer_than(self, received_through: int) -> dict[str, Any]:
        rows = self._server.query(statement("newer_events"), {"after": instant(received_through)})
        newer: dict[str, Any] = rows.to_pylist()[0]
        return newer

    def _load(self) -> Sieve:
        through = self.turns.read().received_through
        (stored,) = self._server.query(statement("stored_counts")).to_pylist()
        sieve, count = Sieve(stored["identities"]), 0
        for keys in identity_keys(self._server):
            sieve.add(keys, ascending=True)
            count += len(keys)
        if count < stored["identities"]:
            raise Busy("The identities of the events were not read to their end: try again in a moment.")
        self._known_through = through
        return sieve

    def _catch_up(self, sieve: Sieve, received_through: int) -> None:
        """Put into the filter what other processes have recorded since it was last looked at."""
        if received_through <= self._known_through:
            return
        sql = Template(statement("received_keys")).substitute(
            identity=statement("identity"), key=statement("identity_key")
        )
        spans = {"after": instant(self._known_through), "through": instant(received_through)}
        for batch in self._server.stream(sql, spans):
            sieve.add(batch.column(0).to_numpy())
        self._known_through = received_through

    def _recover(self, moment: int, token: str) -> int:
        """Make a group whole whose keeper broke off, or see to it that it never comes; return its number of events."""
        server, received_at = self._server, instant(moment)
        server.run(statement("void_events"), {"shards": server.shards, "received_at": received_at}, token)
        rows = server.query(statement("received_between"), {"first": received_at, "last": received_at})
        found = identities_of(rows)
        if len(found):
            server.insert("event_identities", identity_columns(found), token)
        server.run(server.layout.fill(statement("forget_void_events")), {"received_at": received_at})
        return len(found)
