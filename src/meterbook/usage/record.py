"""Records events: decides in order of arrival what is new, keeps it for many requests at once, and answers them.

One thread does it, so that two requests with the same event can never both count it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterbook.errors import Busy, Refused
from meterbook.usage.columns import TIME_TYPE
from meterbook.usage.identity import Identities, keys_of
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


class Keeper(Protocol):
    """Where a recorder keeps new events; `holds` says that they stay in memory until they are released."""

    holds: bool

    def deciding(self) -> AbstractContextManager[Sieve]:
        """Keep others from recording while a group is decided on and kept; give the filter of what is recorded."""

    def find_known(self, wanted: Identities) -> set[tuple[int, int]]:
        """Return those identities that are recorded, exactly, as pairs of head and tail."""

    def keep(self, batches: Sequence[pa.RecordBatch], identities: Identities) -> None:
        """Keep a group of new events, and put them into the filter; on return they are on disk."""


class Recorder:
    """The one writer of events in this process; `keeper` is where new ones go."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._queue: list[Submission] = []
        self._held_rows = 0
        self._held_bytes = 0
        self._open = True
        self._arrived = Condition()
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

    def release(self, rows: int, size: int) -> None:
        """Make room: so many rows and bytes are held in memory no longer."""
        with self._arrived:
            self._held_rows -= rows
            self._held_bytes -= size

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
                    self.release(submission.rows.num_rows, submission.rows.nbytes)
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
        with self._keeper.deciding() as sieve:
            new = self._find_new(sieve, identities)
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
                self._keeper.keep(batches, identities[new])
        held = batches if self._keeper.holds else []
        size = sum(submission.rows.nbytes for submission in group) - sum(batch.nbytes for batch in held)
        self.release(len(identities) - sum(batch.num_rows for batch in held), size)
        return kept

    def _find_new(self, sieve: Sieve, identities: Identities) -> npt.NDArray[np.bool_]:
        """Tell which events are the first with their identity: in the group and of all that are recorded.

        Only what the filter or the group itself makes suspect is looked up.
        """
        new = np.ones(len(identities), dtype=np.bool_)
        keys = keys_of(identities)
        suspects = np.flatnonzero(sieve.might_hold(keys) | _repeated(keys))
        if len(suspects):
            wanted = identities[suspects]
            seen = self._keeper.find_known(wanted)
            for row, identity in zip(suspects.tolist(), wanted.tolist(), strict=True):
                new[row] = identity not in seen
                seen.add(identity)
        return new


def _repeated(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Tell which keys are there more than once."""
    ordered = np.sort(keys)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.isin(keys, twice) if len(twice) else np.zeros(len(keys), dtype=np.bool_)


def told_moment(batches: Sequence[pa.RecordBatch]) -> int:
    """Return the latest moment of receipt that the doors gave, in microseconds since 1970."""
    place = batches[0].schema.get_field_index(_RECEIVED)
    told: int = max(batch.column(place)[0].value for batch in batches)
    return told


def stamped(batches: Sequence[pa.RecordBatch], moment: int) -> list[pa.RecordBatch]:
    """Give the events of a group one moment of receipt."""
    place = batches[0].schema.get_field_index(_RECEIVED)
    received = pa.scalar(moment, pa.int64()).cast(TIME_TYPE)
    return [batch.set_column(place, _RECEIVED, pa.repeat(received, batch.num_rows)) for batch in batches]
