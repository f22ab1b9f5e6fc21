"""The worker on a real queue: at once, once, again after a failure, and again after a kill."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from procrastinate.schema import SchemaManager
from sqlalchemy import text
from structlog.testing import capture_logs

from meterbook.errors import Busy, NotFound, Refused
from meterbook.jobs import worker as worker_module
from meterbook.jobs.retries import ATTEMPTS_MAX, LONGEST_WAIT_SECONDS, wait_seconds
from meterbook.jobs.schedule import Periodic
from meterbook.jobs.worker import POLL_SECONDS, Worker, drain
from meterbook.jobs.workplace import Workplace
from meterbook.outbox import defer
from tests.jobs.conftest import WAIT_SECONDS, at_work, await_that, change, failing, jobs, queue, workers

# What the migration 0004 has made. A newer Procrastinate with another schema needs a migration of its own, made of the
# files in procrastinate/sql/migrations; then this is the sum of that schema.
SCHEMA_SHA256 = "c70ec4b400a60ad9592787653aae5ae77ae41bf801d56b5bd2712751a07f2009"


def later(place: Workplace, **how: int) -> Workplace:
    now = place.clock() + timedelta(**how)
    return replace(place, clock=lambda: now)


def test_a_job_is_done_as_soon_as_its_cause_has_committed(place: Workplace) -> None:
    done = threading.Event()
    with at_work(place, note=lambda *_: done.set()):
        await_that(lambda: workers(place.database))
        time.sleep(0.3)
        with place.database.transaction() as session:
            defer(session, "note")
            time.sleep(0.2)
            assert not done.is_set()
        assert done.wait(POLL_SECONDS - 2), "it was not told of it, but came to look"
    assert jobs(place.database) == [("note", "succeeded", 1)]
    assert workers(place.database) == 0


def test_two_workers_do_each_job_once(place: Workplace) -> None:
    done: Counter[int] = Counter()

    def note(_place: Workplace, _now: datetime, *, value: int) -> None:
        time.sleep(0.005)
        done[value] += 1

    with at_work(place, note=note), at_work(place, note=note):
        with place.database.transaction() as session:
            for value in range(60):
                defer(session, "note", value=value)
        await_that(lambda: len(done) == 60)
    assert set(done.values()) == {1}
    assert Counter(jobs(place.database)) == {("note", "succeeded", 1): 60}


def test_busy_is_tried_again_later(place: Workplace) -> None:
    note, ran = failing(Busy("The mail server is away.", "mail-unavailable"), None)
    queue(place.database, "note")
    with capture_logs() as logs:
        assert drain(place, handlers={"note": note}) == 1
        assert drain(place, handlers={"note": note}) == 0
    (log,) = (log for log in logs if log["event"] == "jobs.put_off")
    assert (log["log_level"], log["slug"], log["again_in_seconds"]) == ("warning", "mail-unavailable", 15)
    assert jobs(place.database) == [("note", "todo", 1)]
    assert drain(later(place, minutes=1), handlers={"note": note}) == 1
    assert jobs(place.database) == [("note", "succeeded", 2)]
    assert len(ran) == 2


def test_a_mistake_of_ours_is_told_with_its_trace_and_tried_again(place: Workplace) -> None:
    note, _ = failing(ZeroDivisionError("ours"), None)
    queue(place.database, "note")
    with capture_logs() as logs:
        drain(place, handlers={"note": note})
    (log,) = (log for log in logs if log["event"] == "jobs.failed")
    assert isinstance(log["exc_info"], ZeroDivisionError)
    assert log["log_level"] == "error"
    assert [log for log in logs if log["event"] == "jobs.library"] == []
    assert drain(later(place, minutes=1), handlers={"note": note}) == 1
    assert jobs(place.database) == [("note", "succeeded", 2)]


def test_what_asking_again_cannot_help_is_not_asked_again(place: Workplace) -> None:
    note, ran = failing(Refused("The letter is refused.", "mail-refused"))
    queue(place.database, "note")
    with capture_logs() as logs:
        drain(place, handlers={"note": note})
    (log,) = (log for log in logs if log["event"] == "jobs.refused")
    assert (log["log_level"], log["slug"], log["reason"]) == ("error", "mail-refused", "The letter is refused.")
    assert drain(later(place, days=9), handlers={"note": note}) == 0
    assert jobs(place.database) == [("note", "failed", 1)]
    assert len(ran) == 1


def test_the_attempts_end(place: Workplace) -> None:
    note, _ = failing(ValueError("always"))
    queue(place.database, "note")
    change(place.database, "update procrastinate_jobs set attempts = :made", made=ATTEMPTS_MAX - 1)
    drain(place, handlers={"note": note})
    assert jobs(place.database) == [("note", "failed", ATTEMPTS_MAX)]


def test_the_waits_grow_to_an_hour_and_last_a_day() -> None:
    waits = [wait_seconds(Busy("away"), attempts) for attempts in range(ATTEMPTS_MAX)]
    assert waits[:5] == [15, 30, 60, 120, 240]
    assert waits[8:-1] == [LONGEST_WAIT_SECONDS] * (ATTEMPTS_MAX - 9)
    assert waits[-1] is None
    assert 20 * 3_600 < sum(wait for wait in waits if wait) < 30 * 3_600
    assert wait_seconds(OSError("odd"), 0) == 15
    assert wait_seconds(Busy("told when", retry_after=300), 0) == 300
    assert wait_seconds(Refused("never"), 0) is None
    assert wait_seconds(NotFound("never"), 0) is None


def test_a_job_that_nobody_knows_fails_and_holds_nothing_up(place: Workplace) -> None:
    note, ran = failing(None)
    queue(place.database, "of a newer version")
    queue(place.database, "note")
    with capture_logs() as logs:
        assert drain(place, handlers={"note": note}) == 1
    assert [log["log_level"] for log in logs if log["event"] == "jobs.library"] == ["error"]
    assert [status for _, status, _ in jobs(place.database)] == ["failed", "succeeded"]
    assert len(ran) == 1


def test_jobs_that_jobs_cause_are_done_as_well(place: Workplace) -> None:
    order: list[str] = []

    def first(place: Workplace, _now: datetime, *, value: int) -> None:
        order.append(f"first {value}")
        with place.database.transaction() as session:
            defer(session, "second", value=value)

    def second(_place: Workplace, _now: datetime, *, value: int) -> None:
        order.append(f"second {value}")

    for value in range(2):
        queue(place.database, "first", value=value)
    assert drain(place, handlers={"first": first, "second": second}) == 4
    assert order == ["first 0", "first 1", "second 0", "second 1"]


def test_jobs_of_one_lock_run_one_after_the_other(place: Workplace) -> None:
    running, most, done = 0, 0, list[int]()

    def note(_place: Workplace, _now: datetime, *, value: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.03)
        running -= 1
        done.append(value)

    with at_work(place, note=note), at_work(place, note=note):
        for value in range(6):
            queue(place.database, "note", lock="one", value=value)
        began = time.monotonic()
        await_that(lambda: len(done) == 6)
        assert time.monotonic() - began < POLL_SECONDS, "the next one waited until a worker came to look"
    assert (most, done) == (1, list(range(6)))


def test_stopping_lets_a_job_that_runs_end(place: Workplace) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def note(*_: object) -> None:
        begun.set()
        assert may_end.wait(WAIT_SECONDS)

    with at_work(place, note=note) as worker:
        queue(place.database, "note")
        assert begun.wait(WAIT_SECONDS)
        stopping = threading.Thread(target=worker.stop)
        stopping.start()
        stopping.join(0.5)
        assert stopping.is_alive()
        # what is queued while it stops is left to the next worker
        queue(place.database, "note")
        stopping.join(0.3)
        may_end.set()
        stopping.join()
    assert [status for _, status, _ in jobs(place.database)] == ["succeeded", "todo"]
    assert workers(place.database) == 0


def test_stopping_at_once_is_possible(place: Workplace) -> None:
    for _ in range(5):
        with at_work(place):
            pass
    await_that(lambda: workers(place.database) == 0)


def test_a_failed_job_leaves_the_work_to_the_one_that_waits_in_its_place(place: Workplace) -> None:
    ran = 0

    def note(place: Workplace, _now: datetime) -> None:
        nonlocal ran
        ran += 1
        if ran == 1:
            queue(place.database, "note", queueing_lock="once")
            raise Busy("not now")

    queue(place.database, "note", queueing_lock="once")
    assert drain(place, handlers={"note": note}) == 2
    assert [status for _, status, _ in jobs(place.database)] == ["failed", "succeeded"]


def test_a_worker_outlives_its_connections(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "RESTART_SECONDS", 0.1)
    ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'meterbook jobs'"
    done = threading.Event()
    with at_work(place, note=lambda *_: done.set()):
        await_that(lambda: workers(place.database))
        time.sleep(0.3)
        with place.database.transaction() as session:
            assert int(session.execute(text(ended)).scalar_one()) >= 2
        queue(place.database, "note")
        assert done.wait(WAIT_SECONDS)


def test_a_time_that_was_missed_is_made_up_for_once_by_however_many_workers(place: Workplace) -> None:
    ran: list[datetime] = []
    two_hours_ago = Periodic("note", f"0 {(datetime.now(UTC).hour - 2) % 24} * * *")
    for _ in range(2):
        both = [
            Worker(place, handlers={"note": lambda _, now: ran.append(now)}, schedule=(two_hours_ago,))
            for _ in range(2)
        ]
        for worker in both:
            worker.start()
        await_that(lambda: workers(place.database) == 2 and [s for _, s, _ in jobs(place.database)] == ["succeeded"])
        for worker in both:
            worker.stop()
    assert len(ran) == 1
    with place.database.transaction() as session:
        kept = session.execute(text("select lock, queueing_lock from procrastinate_jobs")).one()
    assert tuple(kept) == ("note", "note")


def test_the_schema_is_the_one_that_the_migration_was_written_for() -> None:
    assert hashlib.sha256(SchemaManager.get_schema().encode()).hexdigest() == SCHEMA_SHA256
