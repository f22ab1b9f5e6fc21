"""Takes usage in: checks what a request carried against the installation, hands what is right over for recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterbook.usage.columns import TIME_TYPE, EventColumns, Rejection
from meterbook.usage.events import Decoded
from meterbook.usage.identity import identities
from meterbook.usage.record import Submission
from meterbook.usage.store import UsageStore
from meterbook.usage.values import VALUE_TYPE

_AHEAD_MAX: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOWHERE: Final = 0


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a project's events go; both ids are 1 or more."""

    project_id: int
    account_id: int


# Stands for a project of the sender's that takes no more usage.
CLOSED: Final = Destination(_NOWHERE, _NOWHERE)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to one request: events newly stored, events known before, and what was not taken and why."""

    accepted: int
    duplicates: int
    rejected: tuple[Rejection, ...]


# Given the project codes of a request, returns the destinations of those the sender may send to. What it leaves out is
# "unknown", be it another account's or nobody's; what it gives as `CLOSED` is closed.
Resolve = Callable[[AbstractSet[str]], Mapping[str, Destination]]


def ingest(
    store: UsageStore,
    decoded: Decoded,
    resolve: Resolve,
    known_types: AbstractSet[str],
    now: datetime,
    presence_types: AbstractSet[str] = frozenset(),
) -> Future[Receipt]:
    """Store a request's events and return a future of the receipt, done once the events are on disk.

    An event of an unknown type or project, more than an hour after `now`, or without a value is rejected alone;
    events of `presence_types` need no value and count as 1. An event whose account, source and id are known is a
    duplicate and changes nothing (DOMAIN 2). Raises `Busy` when too many events are waiting. Takes about a millisecond
    for a thousand events and does not wait: await the future with `asyncio.wrap_future`, or take its `result()`.
    """
    answer: Future[Receipt] = Future()
    answer.set_running_or_notify_cancel()
    columns, accounts, projects, rejections = _admit(decoded.columns, resolve, known_types, presence_types, now)
    rejected = tuple(sorted((*decoded.rejections, *rejections), key=lambda rejection: rejection.index))
    if not len(columns):
        answer.set_result(Receipt(0, 0, rejected))
        return answer
    names = identities(accounts, columns.sources, columns.ids)
    submission = Submission(_rows(columns, accounts, projects, now), names)

    def reply(kept: Future[int]) -> None:
        if error := kept.exception():
            answer.set_exception(error)
        else:
            answer.set_result(Receipt(kept.result(), len(names) - kept.result(), rejected))

    submission.kept.add_done_callback(reply)
    store.submit(submission)
    return answer


Ids = npt.NDArray[np.uint64]


def _admit(
    columns: EventColumns,
    resolve: Resolve,
    known_types: AbstractSet[str],
    presence_types: AbstractSet[str],
    now: datetime,
) -> tuple[EventColumns, Ids, Ids, list[Rejection]]:
    """Return the events that this installation takes, their accounts and projects, and a rejection for each other."""
    projects, accounts, reasons = _destinations(columns, resolve)
    for row, reason in (*_wrong_types(columns, known_types, presence_types), *_ahead(columns, now)):
        reasons.setdefault(row, reason)
    taken, rejections = columns.without(reasons)
    if rejections:
        keep = np.ones(len(columns), dtype=np.bool_)
        keep[list(reasons)] = False
        accounts, projects = accounts[keep], projects[keep]
    return taken, accounts, projects, rejections


def _destinations(columns: EventColumns, resolve: Resolve) -> tuple[Ids, Ids, dict[int, str]]:
    codes, which = _distinct(columns.subjects)
    found = resolve(set(codes)) if codes else {}
    nowhere = Destination(_NOWHERE, _NOWHERE)
    places = [found.get(code, nowhere) for code in codes]
    projects = np.array([place.project_id for place in places], dtype=np.uint64)[which]
    accounts = np.array([place.account_id for place in places], dtype=np.uint64)[which]
    reasons = {}
    for row in np.flatnonzero(projects == _NOWHERE).tolist():
        code = columns.subjects[row].as_py()
        why = "the project is closed and takes no more usage" if code in found else "unknown project"
        reasons[row] = f"{why}: {code[:80]}"
    return projects, accounts, reasons


def _wrong_types(
    columns: EventColumns, known_types: AbstractSet[str], presence_types: AbstractSet[str]
) -> Iterator[tuple[int, str]]:
    types, which = _distinct(columns.types)
    known = np.array([name in known_types for name in types], dtype=np.bool_)
    for row in np.flatnonzero(~known[which]).tolist():
        yield row, f"unknown type, no product is metered by it: {columns.types[row].as_py()[:80]}"
    if columns.values.null_count:
        needs_value = np.array([name not in presence_types for name in types], dtype=np.bool_)[which]
        missing = columns.values.is_null().to_numpy(zero_copy_only=False)
        yield from ((row, "no value") for row in np.flatnonzero(missing & needs_value).tolist())


def _ahead(columns: EventColumns, now: datetime) -> Iterator[tuple[int, str]]:
    latest = (now + _AHEAD_MAX - _EPOCH) // timedelta(microseconds=1)
    micros = columns.times.cast(pa.int64()).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(micros > latest).tolist():
        # not by way of a datetime, which ends with the year 9999
        yield row, f"time is more than an hour ahead: {columns.times[row].cast(pa.string()).as_py()}"


def _distinct(texts: pa.StringArray) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the distinct texts, and for each row which of them it is."""
    encoded = texts.dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _rows(columns: EventColumns, accounts: Ids, projects: Ids, now: datetime) -> pa.RecordBatch:
    """Return the rows of the table `events`."""
    count = len(columns)
    values = columns.values
    if values.null_count:
        values = values.fill_null(pa.scalar(1, VALUE_TYPE))
    return pa.record_batch(
        {
            "account_id": pa.array(accounts),
            "project_id": pa.array(projects),
            "type": columns.types,
            "resource": columns.resources,
            "at": columns.times,
            "value": values,
            "source": columns.sources,
            "id": columns.ids,
            "dimensions": columns.dimensions,
            "received_at": pa.repeat(pa.scalar(now, TIME_TYPE), count),
        }
    )
