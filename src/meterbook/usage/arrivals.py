"""Remembers what times the events are of that came in lately, so that a reading need not look for new ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from threading import Lock
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

# Times are kept to the quarter of an hour: every zone's hours begin with one.
_QUARTER: Final = 900_000_000
_KEPT: Final = 32  # quarters of an account
_LONG_AGO: Final = 0

_Arrival = tuple[int, int]  # a moment of receipt, and a time


class Arrivals:
    """The earliest times of accounts' events, by when they were received; used by many threads at once.

    Moments and times are microseconds since 1970. Of what was received through `opened_through` nothing is known.
    """

    def __init__(self, opened_through: int) -> None:
        self._opened_through = opened_through
        # Of an account, in the order of receipt: events that came in later are of later times, the others are left out.
        self._arrivals: dict[int, list[_Arrival]] = {}
        self._lock = Lock()

    def add(self, batches: Sequence[pa.RecordBatch], received: int) -> None:
        """Take note of events that were received at one moment, later than all before."""
        for batch in batches:
            for account_id, at in _earliest(batch):
                with self._lock:
                    _add(self._arrivals.setdefault(account_id, []), received, at // _QUARTER * _QUARTER)

    def earliest(self, account_ids: Collection[int], after: int) -> int | None:
        """Return a time that no event of accounts is before that was received after a moment; None without any.

        It is the quarter of an hour of the first of them, or long ago when that is not known.
        """
        if after < self._opened_through:
            return _LONG_AGO
        with self._lock:
            found = (_first(self._arrivals.get(account_id, ()), after) for account_id in account_ids)
            return min((at for at in found if at is not None), default=None)

    def newest_before(self, account_ids: Collection[int], before: int) -> int:
        """Return the newest moment at which events of accounts were received whose times are before one.

        It is not after the store's opening if none was since, and may be later than it was. `before` begins a quarter
        of an hour.
        """
        with self._lock:
            found = [_newest(self._arrivals.get(account_id, ()), before) for account_id in account_ids]
        return max([self._opened_through, *found])


def _earliest(batch: pa.RecordBatch) -> list[tuple[int, int]]:
    """Return the accounts of events, each with the time of its earliest one."""
    accounts, times = batch.column("account_id"), batch.column("at").cast(pa.int64())
    first, last = pc.min_max(accounts).values()
    if first == last:
        return [(first.as_py(), pc.min(times).as_py())]
    by_account = pa.table({"account": accounts, "at": times}).group_by("account").aggregate([("at", "min")])
    return list(zip(by_account.column("account").to_pylist(), by_account.column("at_min").to_pylist(), strict=True))


def _add(arrivals: list[_Arrival], received: int, at: int) -> None:
    while arrivals and arrivals[-1][1] >= at:
        arrivals.pop()
    arrivals.append((received, at))
    if len(arrivals) > _KEPT:
        # the second counts as early as the first from here on
        arrivals[:2] = [(arrivals[1][0], arrivals[0][1])]


def _first(arrivals: Sequence[_Arrival], after: int) -> int | None:
    return next((at for received, at in arrivals if received > after), None)


def _newest(arrivals: Sequence[_Arrival], before: int) -> int:
    return next((received for received, at in reversed(arrivals) if at < before), 0)
