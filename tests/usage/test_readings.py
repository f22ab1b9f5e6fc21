"""Readings know what is new without looking for it, are kept while they are right, and are made again when not."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event as Signal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterbook.usage.arrivals import Arrivals
from meterbook.usage.columns import TIME_TYPE
from meterbook.usage.connection import Parameter
from meterbook.usage.kept_readings import KeptReadings
from meterbook.usage.queries import late_windows
from meterbook.usage.rolled import Done
from meterbook.usage.store import open_usage
from tests.usage.sending import COUNTER, HOUR, PRESENCE, Sender, event
from tests.usage.test_metering import END, LATER, START, UTC_ZONE
from tests.usage.test_roll_up import begin, use

QUARTER = timedelta(minutes=15) // timedelta(microseconds=1)
OPENED = 1_000
DONE = Done(0, 0)


def batch(rows: Sequence[tuple[int, int]]) -> pa.RecordBatch:
    accounts, times = zip(*rows, strict=True)
    return pa.RecordBatch.from_pydict(
        {"account_id": pa.array(accounts, pa.uint64()), "at": pa.array(times, pa.int64()).cast(TIME_TYPE)}
    )


GROUPS = st.lists(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 300 * QUARTER)), min_size=1), max_size=60)


@settings(deadline=None)
@given(GROUPS, st.integers(0, 70), st.sets(st.integers(1, 4), min_size=1))
def test_the_earliest_time_of_what_came_in_is_known(
    groups: list[list[tuple[int, int]]], after: int, account_ids: set[int]
) -> None:
    arrivals = Arrivals(OPENED)
    for place, rows in enumerate(groups, start=1):
        arrivals.add([batch([row]) for row in rows[:1]] + [batch(rows)], OPENED + place)
    later = [at for rows in groups[after:] for account_id, at in rows if account_id in account_ids]
    found = arrivals.earliest(account_ids, OPENED + after)
    assert (found is None) == (not later)
    if found is not None:
        assert found % QUARTER == 0
        assert found <= min(later)
        if len(groups) <= 30:
            assert found == min(later) // QUARTER * QUARTER
    before = (after + 1) * 4 * QUARTER
    receipts = [
        OPENED + place
        for place, rows in enumerate(groups, start=1)
        if any(account_id in account_ids and at < before for account_id, at in rows)
    ]
    newest = arrivals.newest_before(account_ids, before)
    assert newest >= max(receipts, default=OPENED)
    if len(groups) <= 30:
        assert newest == max(receipts, default=OPENED)
    assert arrivals.earliest(account_ids, OPENED - 1) == 0, "what was there before is not known"


def test_events_in_the_order_of_their_times_take_little_memory() -> None:
    arrivals = Arrivals(OPENED)
    for place in range(1000):
        arrivals.add([batch([(1, place * QUARTER)])], OPENED + 1 + place)
    assert arrivals.earliest([1], OPENED + 990) == 990 * QUARTER
    assert arrivals.earliest([1], OPENED) == 0
    assert len(arrivals._arrivals[1]) <= 32


def counting(rows: int) -> tuple[Callable[[Mapping[str, Parameter]], pa.Table], list[Mapping[str, Parameter]]]:
    asked: list[Mapping[str, Parameter]] = []

    def query(parameters: Mapping[str, Parameter]) -> pa.Table:
        asked.append(parameters)
        return pa.table({"rows": range(rows)})

    return query, asked


def test_a_reading_is_kept_until_something_is_added() -> None:
    kept, (query, asked) = KeptReadings(10_000), counting(3)
    sql = "select {accounts:Array(UInt64)} - {day:UInt32}"
    for day in (1, 2, 1, 2):
        kept.read(DONE, None, sql, {"accounts": [1, 2], "day": day, "until": len(asked)}, query)
    assert asked == [{"accounts": [1, 2], "day": day} for day in (1, 2)], "only what the statement names matters"
    kept.read(Done(0, 1), None, sql, {"accounts": [1, 2], "day": 1}, query)
    moment = datetime(2026, 6, 1, tzinfo=UTC)
    for received_through in (moment, moment, moment + HOUR):
        kept.read(DONE, received_through, sql, {"accounts": [1, 2], "day": 1}, query)
    assert len(asked) == 5


def test_readings_that_are_kept_take_so_much_place_and_no_more() -> None:
    kept, (query, asked), (large, asked_large) = KeptReadings(rows_max=2000), counting(100), counting(500)
    for _ in range(2):
        for day in range(10):
            kept.read(DONE, None, "{day:UInt32}", {"day": day}, query)
        kept.read(DONE, None, "{day:UInt32} in all", {"day": 0}, large)
    assert (len(asked), len(asked_large)) == (10, 2)
    kept.read(DONE, None, "{day:UInt32}", {"day": 10}, query)
    kept.read(DONE, None, "{day:UInt32}", {"day": 0}, query)
    assert len(asked) == 12, "the oldest had to go"


def test_who_asks_for_what_is_being_read_waits_for_it() -> None:
    kept, begun, go = KeptReadings(10_000), Signal(), Signal()

    def query(_: Mapping[str, Parameter]) -> pa.Table:
        assert not begun.is_set()
        begun.set()
        go.wait(10)
        return pa.table({"rows": [1]})

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(kept.read, DONE, None, "", {}, query)
        begun.wait(10)
        second = threads.submit(kept.read, DONE, None, "", {}, query)
        go.set()
        assert first.result() is second.result()


def test_a_reading_that_fails_is_made_again() -> None:
    kept, (query, asked) = KeptReadings(10_000), counting(1)

    def broken(_: Mapping[str, Parameter]) -> pa.Table:
        raise TimeoutError

    for _ in range(2):
        with pytest.raises(TimeoutError):
            kept.read(DONE, None, "", {}, broken)
    assert kept.read(DONE, None, "", {}, query).num_rows == len(asked) == 1


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_step_in_the_middle_of_a_reading_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    store = open_usage(tmp_path, 10_000)
    sender = Sender(store, 1)
    sender.send([event("a", START), event("b", START, COUNTER.type, value="2")], now=LATER)
    begin(sender)
    moment, query, made = store.received_through(), store._engine.query, []

    def after_a_step(sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        if "from metered_days" in sql and len(made) < steps:
            made.append(sql)
            name = f"late-{len(made)}"
            sender.send([event(name, START, resource=name), event(f"b{name}", START, COUNTER.type)], now=LATER)
            store._roll_up.go_on()
        return query(sql, parameters)

    monkeypatch.setattr(store._engine, "query", after_a_step)
    assert use(sender, PRESENCE, [START, END], UTC_ZONE, END, moment) == [(Decimal(1), 1)]
    assert made
    assert use(sender, COUNTER, [START, END], UTC_ZONE, END, moment) == [(Decimal(2), 1)]
    assert use(sender, COUNTER, [START, END], UTC_ZONE, END) == [(Decimal(2 + len(made)), 1)]
    store.close()


def test_late_events_show_whatever_was_read_before(tmp_path: Path) -> None:
    store = open_usage(tmp_path, 10_000)
    sender = Sender(store, 1)
    sender.send([event("a", START)], now=LATER)
    moment, expected = store.received_through(), {}
    for number, at in enumerate([END, END + HOUR, START + 5 * HOUR, END, START, START + HOUR]):
        sender.send([event(f"late-{number}", at)], now=LATER)
        if at < END:
            expected = {(1, START): store.received_through()}
        for _ in range(2):
            assert late_windows(store, [1], [START, END], moment) == expected
    store.close()
