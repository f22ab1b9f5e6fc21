"""Records events: decides in order of arrival what is new, journals it for many requests at once, and answers them.

One thread does it, so that two requests with the same event can never both count it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterbook.errors import Busy, Refused
from meterbook.usage.columns import TIME_TYPE
from meterbook.usage.identity import IDENTITY, Identities, Known
from meterbook.usage.journal import Journal
from meterbook.usage.sieve import Sieve

# What may be acknowledged or waiting and not yet in ClickHouse; beyond it, senders are asked to come back.
HELD_BYTES_MAX: Final = 256 * 1024 * 1024
HELD_ROWS_MAX: Final = 1_000_000
# How much one write to the journal takes together.
_GROUP_ROWS_MAX: Final = 100_000
_RECEIVED: Final = "received_at"


@dataclass(slots=True)
class Submission:
    """One request's events on their way: rows of the table `events`, and their identities."""

    rows: pa.RecordBatch
    identities: Identities
    kept: Future[int] = field(default_factory=Future)


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


class Recorder:
    """The one writer of events.

    `find_stored` looks identities up among the rows in ClickHouse, exactly. `changed` is notified whenever rows were
    journalled; whoever flushes takes them with `rotate` and gives them back with `forget`. `received_through` is the
    newest moment of receipt given, in microseconds since 1970: each group of events gets a later one than all before,
    whatever the doors' clocks say, so that "what was received by then" stays the same for ever. `kept_through` is that
    of the newest group that is journalled; whoever reads it before `recorded_rows` finds the group among these.
    """

    def __init__(
        self,
        journal: Journal,
        sieve: Sieve,
        find_stored: Callable[[Identities], set[tuple[int, int]]],
        received_through: int = 0,
    ) -> None:
        self._journal = journal
        self._sieve = sieve
        self._find_stored = find_stored
        self._queue: list[Submission] = []
        self._held_rows = 0
        self._held_bytes = 0
        self._open = True
        self._arrived = Condition()
        self._current = Generation()
        self._older: list[Generation] = []
        self.changed = Condition()
        self.recorded_rows = 0
        self.received_through = received_through
        self.kept_through = received_through
        self._thread = Thread(target=self._run, name="usage-recorder", daemon=True)
        self._thread.start()

    def submit(self, submission: Submission) -> None:
        """Hand events over; `submission.kept` tells, once they are on disk, how many were new.

        Raises `Busy` when too much is waiting to be stored, and `Refused` after `close`.
        """
        rows, size = submission.rows.num_rows, submission.rows.nbytes
        with self._arrived:
            if not self._open:
                raise Refused("The usage store is closed")
            if self._held_rows and (self._held_rows + rows > HELD_ROWS_MAX or self._held_bytes + size > HELD_BYTES_MAX):
                raise Busy("Too many events are waiting to be stored: send them again in a moment")
            self._held_rows += rows
            self._held_bytes += size
            # A sender that goes away cannot take back what it sent.
            submission.kept.set_running_or_notify_cancel()
            self._queue.append(submission)
            self._arrived.notify()

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
        """Release rows that are now in ClickHouse."""
        with self.changed:
            self._older.remove(generation)
        self._release(generation.rows, generation.bytes)

    def close(self) -> None:
        """Record what was submitted and stop."""
        with self._arrived:
            self._open = False
            self._arrived.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._take():
            try:
                kept = self._record(group)
            except Exception as error:  # noqa: BLE001 - whatever failed, each sender has to hear of it
                for submission in group:
                    self._release(submission.rows.num_rows, submission.rows.nbytes)
                    submission.kept.set_exception(error)
            else:
                for submission, count in zip(group, kept, strict=True):
                    submission.kept.set_result(count)

    def _take(self) -> list[Submission]:
        """Wait for submissions and return a group of them; nothing when closed."""
        with self._arrived:
            while self._open and not self._queue:
                self._arrived.wait()
            rows, count = 0, 0
            for submission in self._queue:
                rows += submission.rows.num_rows
                count += 1
                if rows >= _GROUP_ROWS_MAX:
                    break
            group, self._queue = self._queue[:count], self._queue[count:]
            return group

    def _record(self, group: Sequence[Submission]) -> list[int]:
        identities = np.concatenate([submission.identities for submission in group])
        new = self._find_new(identities)
        batches, kept, start = [], [], 0
        for submission in group:
            mask = new[start : start + submission.rows.num_rows]
            start += len(mask)
            kept.append(int(mask.sum()))
            if kept[-1] == len(mask):
                batches.append(submission.rows)
            elif kept[-1]:
                batches.append(submission.rows.filter(pa.array(mask)))
        batches = [batch for batch in batches if batch.num_rows]
        if batches:
            self._keep(batches, identities[new])
        size = sum(batch.nbytes for batch in batches)
        self._release(len(identities) - sum(kept), sum(submission.rows.nbytes for submission in group) - size)
        return kept

    def _find_new(self, identities: Identities) -> npt.NDArray[np.bool_]:
        """Tell which events are the first with their identity: in the group, in the journal and in ClickHouse.

        The sieve has what is journalled too, so that only what it or the group itself makes suspect is looked up.
        """
        new = np.ones(len(identities), dtype=np.bool_)
        tails = identities["tail"]
        suspects = np.flatnonzero(self._sieve.might_hold(tails) | _repeated(tails))
        if len(suspects):
            wanted = identities[suspects]
            with self.changed:
                generations = [self._current, *self._older]
            seen = set().union(*(generation.known.those_of(wanted) for generation in generations))
            seen |= self._find_stored(np.array([each for each in wanted.tolist() if each not in seen], IDENTITY))
            for row, identity in zip(suspects.tolist(), wanted.tolist(), strict=True):
                new[row] = identity not in seen
                seen.add(identity)
        return new

    def _keep(self, batches: Sequence[pa.RecordBatch], identities: Identities) -> None:
        with self.changed:
            batches = self._stamped(batches)
            self._journal.append(batches)
            self._sieve.add(identities["tail"])
            self._current.add(batches, identities)
            self.recorded_rows += len(identities)
            self.kept_through = self.received_through
            self.changed.notify_all()

    def _stamped(self, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Give a group its moment of receipt: the doors' latest, or a microsecond after the group before."""
        place = batches[0].schema.get_field_index(_RECEIVED)
        told = max(batch.column(place)[0].value for batch in batches)
        self.received_through = max(told, self.received_through + 1)
        moment = pa.scalar(self.received_through, pa.int64()).cast(TIME_TYPE)
        return [batch.set_column(place, _RECEIVED, pa.repeat(moment, batch.num_rows)) for batch in batches]

    def _release(self, rows: int, size: int) -> None:
        with self._arrived:
            self._held_rows -= rows
            self._held_bytes -= size


def _repeated(tails: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Tell which keys are there more than once."""
    ordered = np.sort(tails)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.isin(tails, twice) if len(twice) else np.zeros(len(tails), dtype=np.bool_)
