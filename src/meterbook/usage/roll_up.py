"""Keeps the roll-up: what projects used a day, summed of their events, so that reading a month does not read them.

The roll-up of an account begins with its first reading and goes on behind the events. It is a list of differences that
only grows: a step counts the hours with newly received events anew, and adds what they differ by from what the roll-up
says so far. So a step may be repeated or broken off anywhere. Its mark, the moment of receipt up to which events are
rolled up, is written after it; a reading counts hours with events received after the mark for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from threading import Condition, Thread
from time import monotonic
from typing import Any, Final, NamedTuple

import structlog

from meterbook.core.period import HOUR, BillingZone
from meterbook.errors import Busy
from meterbook.usage.connection import Connection, Parameter, statement
from meterbook.usage.rolled import Days, Done, begin_roll_up_sql, days_off_sql, faults_sql, roll_up_sql, shift_of
from meterbook.usage.steps import Steps

# A step is worth making when so many events are not rolled up, or any has waited so long.
ROWS_ENOUGH: Final = 100_000
LINGER_SECONDS: Final = 300.0
# How long to rest for each second that a step took, unless an account is asked for the first time.
_REST: Final = 9
_RETRY_SECONDS: Final = 30.0
_BUSY_SECONDS: Final = 1.0
# How old a process's knowledge of others' steps may be.
_KNOWN_SECONDS: Final = 1.0
_ROWS_AT_ONCE: Final = 500_000
_FAULTS_SHOWN: Final = 10
_TOLD_EVERY: Final = 20  # portions of a long step, in the log
_ALL: Final = 0  # stands for all accounts that have a mark
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = 86_400
_log = structlog.get_logger(__name__)

_Pair = tuple[int, int]  # an account and the seconds that its clocks are ahead of UTC


class RollUp:
    """The roll-up of one store, and the thread that keeps it.

    Other processes may keep it too: `steps` sees to it that they make one step at a time. Readings are right with marks
    from before it, so a process need not know of each at once. `received_through` gives the newest moment of receipt,
    all up to which is in ClickHouse; `received_rows` a count of events that grows as they are received.
    """

    def __init__(
        self,
        engine: Connection,
        steps: Steps,
        received_through: Callable[[], datetime],
        received_rows: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._steps = steps
        self._received_through = received_through
        self._received_rows = received_rows
        self._seen = self._look()
        self._wanted: set[_Pair] = set()
        self._open = True
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="usage-roll-up", daemon=True)
        self._thread.start()

    def days_of(self, account_ids: Collection[int], zone: BillingZone) -> Days | None:
        """Return the days of accounts on a zone's clocks; None while one of them has none, which are then begun."""
        utc_offset = zone.utc_offset // _SECOND
        seen, done = self._seen, self._steps.rolled_up()
        is_old = done != seen.done and monotonic() >= seen.at + _KNOWN_SECONDS
        if is_old or done.forgotten != seen.done.forgotten:
            seen = self._seen = self._look()
        marks = {(account_id, utc_offset): seen.marks.get((account_id, utc_offset)) for account_id in account_ids}
        known = [mark for mark in marks.values() if mark is not None]
        if len(known) == len(marks):
            return Days(utc_offset, min(known, default=_EPOCH), done)
        with self._changed:
            self._wanted.update(pair for pair, mark in marks.items() if mark is None)
            self._changed.notify_all()
        return None

    def done(self) -> Done:
        """Return what was done to the roll-up by now."""
        return self._steps.rolled_up()

    def is_as_it_was(self, days: Days) -> bool:
        """Return whether nothing was thrown away, and no addition begun, since days were given."""
        done = self.done()
        return (done.forgotten, done.begun) == (days.done.forgotten, days.done.begun)

    def begin(self) -> None:
        """Roll up the accounts that were asked for and have no roll-up yet."""
        with self._steps.held():
            self._look_again()
            with self._changed:
                wanted = {pair for pair in self._wanted if pair not in self._seen.marks}
            through = self._received_through()
            for utc_offset in sorted({offset for _, offset in wanted}):
                accounts = sorted(account for account, offset in wanted if offset == utc_offset)
                self._add(accounts, utc_offset, _EPOCH, through)
                self._mark(accounts, utc_offset, through)
                begun = dict.fromkeys([(account, utc_offset) for account in accounts], through)
                self._know(self._seen.marks | begun)
            with self._changed:
                self._wanted -= self._seen.marks.keys()

    def go_on(self) -> None:
        """Roll up what was received since the last step."""
        with self._steps.held():
            self._look_again()
            self._go_on(self._received_through())

    def faults(self) -> list[str]:
        """Hold the roll-up against the events, hour by hour; return the first places where it differs.

        One that does is thrown away and made anew.
        """
        with self._steps.held():
            self._look_again()
            through = self._received_through()
            self._go_on(through)
            off = self._engine.query(days_off_sql(), {"most": _FAULTS_SHOWN}).to_pylist()
            found = [f"{_place(row)}: the sums of day {row['first_day']} are not those of its hours" for row in off]
            for utc_offset in sorted({offset for _, offset in self._seen.marks}):
                accounts = sorted(account for account, offset in self._seen.marks if offset == utc_offset)
                for portion in self._portions(accounts, utc_offset, _EPOCH, through):
                    rows = self._engine.query(faults_sql(), portion | {"most": _FAULTS_SHOWN}).to_pylist()
                    found += [_fault(row, utc_offset) for row in rows]
            if found:
                with self._changed:
                    self._wanted.update(self._seen.marks)
                    self._changed.notify_all()
                self._steps.forget()
                self._look_again()
            return found[:_FAULTS_SHOWN]

    def close(self) -> None:
        """Stop when the statement at work is done."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        self._thread.join()

    def _look_again(self) -> None:
        """Know, in a step, of the steps that other processes have made, and end a forgetting that was begun."""
        done = self._steps.rolled_up()
        if done.is_forgetting:
            forget(self._engine)
            self._steps.forget()
        if done != self._seen.done:
            self._seen = self._look()

    def _look(self) -> _Seen:
        # in this order: what is done meanwhile is looked at the next time
        done, at = self._steps.rolled_up(), monotonic()
        return _Seen(done, at, {} if done.is_forgetting else _marks(self._engine))

    def _know(self, marks: dict[_Pair, datetime]) -> None:
        """Know marks that were made in a step, while no other process makes any."""
        self._seen = _Seen(self._steps.rolled_up(), monotonic(), marks)

    def _go_on(self, through: datetime) -> None:
        behind = sorted(
            (offset, mark, account) for (account, offset), mark in self._seen.marks.items() if mark < through
        )
        for utc_offset, mark in sorted({(offset, mark) for offset, mark, _ in behind}):
            accounts = [account for *group, account in behind if group == [utc_offset, mark]]
            self._add(accounts, utc_offset, mark, through)
        if behind:
            self._mark([_ALL], 0, through)
            self._know(dict.fromkeys(self._seen.marks, through))

    def _add(self, accounts: Sequence[int], utc_offset: int, after: datetime, through: datetime) -> None:
        """Roll up what was received after a moment and through another; what is there already changes nothing."""
        sql = roll_up_sql() if after > _EPOCH else begin_roll_up_sql()
        portions = list(self._portions(accounts, utc_offset, after, through))
        for place, portion in enumerate(portions):
            if not self._open:
                raise _Closed
            if place and place % _TOLD_EVERY == 0:
                _log.info("usage.rolling_up", done=place, of=len(portions))
            self._steps.add(sql, portion)

    def _portions(
        self, accounts: Sequence[int], utc_offset: int, after: datetime, through: datetime
    ) -> Iterator[dict[str, Parameter]]:
        """Yield accounts with the days of which events were received, not too many at once, as parameters."""
        moments: dict[str, Parameter] = {
            "utc_offset": utc_offset,
            "shift": shift_of(utc_offset),
            "rolled_through": after,
            "received_through": through,
        }
        rows = self._engine.query(statement("new_events"), moments | {"accounts": accounts}).to_pylist()
        for group in _groups(rows, whole=after == _EPOCH):
            first_day = min(row["first_day"] for row in group)
            last_day = max(row["last_day"] for row in group)
            ends = _instant(last_day + 1, utc_offset)
            yield moments | {
                "accounts": sorted({row["account_id"] for row in group}),
                "first_day": first_day,
                "last_day": last_day,
                "first_hour": first_day * 24,
                "end_hour": (last_day + 1) * 24,
                "starts": _instant(first_day, utc_offset),
                "until": ends,
                "ends": ends,
            }

    def _mark(self, accounts: Sequence[int], utc_offset: int, through: datetime) -> None:
        parameters: dict[str, Parameter] = {
            "accounts": accounts,
            "utc_offset": utc_offset,
            "received_through": through,
        }
        self._engine.run(statement("mark_rolled"), parameters)

    def _run(self) -> None:
        seen_rows, rested_at = -1, monotonic()
        while self._open:
            try:
                if not self._wait(seen_rows, rested_at):
                    return
                begun, rows = monotonic(), self._received_rows()
                if self._wanted:
                    self.begin()
                    continue
                self.go_on()
                seen_rows, rested_at = rows, monotonic() + _REST * (monotonic() - begun)
            except _Closed:
                return
            except Busy:
                # another process makes a step, or a store is away for a moment
                self._rest(_BUSY_SECONDS)
            except Exception:  # noqa: BLE001 - whatever failed, readings count for themselves what is not rolled up
                _log.exception("usage.roll_up_failed")
                self._rest(_RETRY_SECONDS)

    def _rest(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._open, seconds)

    def _wait(self, seen_rows: int, rested_at: float) -> bool:
        """Wait until a step is worth making; False when closed."""
        with self._changed:
            idle_at = monotonic()
            while self._open and not self._wanted:
                now, new = monotonic(), self._received_rows() - seen_rows
                idle_at = idle_at if new else now
                if now >= rested_at and (seen_rows < 0 or new >= ROWS_ENOUGH or now >= idle_at + LINGER_SECONDS):
                    break
                self._changed.wait(1.0)
            return self._open


def forget(engine: Connection) -> None:
    """Throw every roll-up away: it is wrong, or events are put in that were received before others that are there."""
    engine.run(engine.layout.fill(statement("forget_marks")))
    engine.run(engine.layout.fill(statement("forget_days")))


class _Seen(NamedTuple):
    """What a process knew at a time: the steps that were made, and at least their marks."""

    done: Done
    at: float
    marks: dict[_Pair, datetime]


class _Closed(Exception):
    """The store closes while a step is made."""


def _marks(engine: Connection) -> dict[_Pair, datetime]:
    """Read up to which moment of receipt each account is rolled up."""
    marks = {
        (row["account_id"], row["utc_offset"]): row["received_through"].astimezone(UTC)
        for row in engine.query(statement("rolled_marks")).to_pylist()
    }
    of_all = marks.pop((_ALL, 0), _EPOCH)
    return {pair: max(mark, of_all) for pair, mark in marks.items()}


def _groups(rows: Sequence[dict[str, Any]], whole: bool) -> Iterator[list[dict[str, Any]]]:
    """Divide accounts' spans of days, in their order, into groups that do not have too many events together.

    With `whole`, when all their events are counted, spans of few are put together; otherwise a group is of one span:
    between two spans may lie far more than what is new in them.
    """
    group: list[dict[str, Any]] = []
    events = 0
    for _, rows_of_span in groupby(rows, lambda row: row["span"]):
        span = list(rows_of_span)
        more = sum(row["events"] for row in span)
        if group and (not whole or events + more > _ROWS_AT_ONCE):
            yield group
            group, events = [], 0
        if more > _ROWS_AT_ONCE:
            yield from _pieces(span)
        else:
            group, events = [*group, *span], events + more
    if group:
        yield group


def _pieces(span: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Divide the accounts of one span."""
    piece: list[dict[str, Any]] = []
    events = 0
    for row in span:
        if piece and events + row["events"] > _ROWS_AT_ONCE:
            yield piece
            piece, events = [], 0
        piece.append(row)
        events += row["events"]
    yield piece


def _instant(day: int, utc_offset: int) -> datetime:
    return _EPOCH + (day * _DAY - shift_of(utc_offset)) * _SECOND


def _place(row: dict[str, Any]) -> str:
    return f"roll-up of account {row['account_id']}, project {row['project_id']}, {row['type']}"


def _fault(row: dict[str, Any], utc_offset: int) -> str:
    first = _instant(0, utc_offset) + row["first_hour"] * HOUR
    return f"{_place(row)}: {row['hours_off']} hours from {first:%Y-%m-%dT%H:%MZ} on differ from the events"
