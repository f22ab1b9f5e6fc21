"""Keeps events in the journal of this process until they are in ClickHouse: acknowledged is what is on disk there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition

import numpy as np
import pyarrow as pa

from meterbook.usage.arrivals import Arrivals
from meterbook.usage.identity import IDENTITY, Identities, Known, keys_of
from meterbook.usage.journal import Journal
from meterbook.usage.record import stamped, told_moment
from meterbook.usage.sieve import Sieve


@dataclass(slots=True)
class Generation:
    """Rows that are journalled in one segment and not yet in ClickHouse."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    groups: list[Identities] = field(default_factory=list)
    known: Known = field(default_factory=Known)
    rows: int = 0
    bytes: int = 0

    def add(self, batches: Sequence[pa.RecordBatch], identities: Identities) -> None:
        """Take in rows that were journalled together."""
        self.batches.extend(batches)
        self.groups.append(identities)
        self.known.add(identities)
        self.rows += len(identities)
        self.bytes += sum(batch.nbytes for batch in batches)

    def identities(self) -> Identities:
        """Return the rows' identities, in their order."""
        return np.concatenate(self.groups)


class JournalKeeper:
    """Where the recorder of a process that owns its store keeps events.

    `sieve` gives the filter of what is in ClickHouse, and waits for it; `find_stored` looks identities up there,
    exactly. `changed` is notified whenever rows were journalled; whoever flushes takes them with `rotate` and gives
    them back with `forget`. `received_through` is the newest moment of receipt given, in microseconds since 1970: each
    group of events gets a later one than all before, whatever the doors' clocks say, so that "what was received by
    then" stays the same for ever. `kept_through` is that of the newest group that is journalled; whoever reads it
    before `recorded_rows` finds the group among these, and its times among `arrivals`.
    """

    holds = True

    def __init__(
        self,
        journal: Journal,
        sieve: Callable[[], Sieve],
        find_stored: Callable[[Identities], set[tuple[int, int]]],
        received_through: int = 0,
    ) -> None:
        self._journal = journal
        self._sieve = sieve
        self._find_stored = find_stored
        self._current = Generation()
        self._older: list[Generation] = []
        self.changed = Condition()
        self.recorded_rows = 0
        self.received_through = received_through
        self.kept_through = received_through
        self.arrivals = Arrivals(received_through)

    @contextmanager
    def deciding(self) -> Iterator[Sieve]:
        """Give the filter, which knows what is journalled as well: nobody else records."""
        yield self._sieve()

    def find_known(self, wanted: Identities) -> set[tuple[int, int]]:
        """Return those identities that are in the journal or in ClickHouse."""
        with self.changed:
            generations = [self._current, *self._older]
        seen = set().union(*(generation.known.those_of(wanted) for generation in generations))
        return seen | self._find_stored(np.array([each for each in wanted.tolist() if each not in seen], IDENTITY))

    def keep(self, batches: Sequence[pa.RecordBatch], identities: Identities) -> None:
        """Journal a group of new events, with the doors' moment of receipt or one just after the group before."""
        with self.changed:
            self.received_through = max(told_moment(batches), self.received_through + 1)
            batches = stamped(batches, self.received_through)
            self._journal.append(batches)
            self._sieve().add(keys_of(identities))
            self._current.add(batches, identities)
            self.recorded_rows += len(identities)
            self.arrivals.add(batches, self.received_through)
            self.kept_through = self.received_through
            self.changed.notify_all()

    @property
    def waiting_rows(self) -> int:
        """How many rows are journalled and not yet taken by `rotate`."""
        return self._current.rows

    def rotate(self) -> tuple[Path, Generation] | None:
        """End the open segment; return it with its rows, or None if there are none. Its identities stay known."""
        with self.changed:
            path = self._journal.rotate()
            if path is None:
                return None
            generation, self._current = self._current, Generation()
            self._older.append(generation)
            return path, generation

    def forget(self, generation: Generation) -> None:
        """Drop rows that are now in ClickHouse."""
        with self.changed:
            self._older.remove(generation)
