"""The outbox: a job exists exactly if its cause committed, and one waits at a time where that is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from meterbook.database import Database
from meterbook.jobs.worker import drain
from meterbook.jobs.workplace import Workplace
from meterbook.outbox import ARGUMENTS_BYTES_MAX, defer, put_aside, try_again
from tests.jobs.conftest import jobs, queue

NOW = datetime(2026, 7, 3, 12, tzinfo=UTC)


def test_a_job_of_a_transaction_that_was_rolled_back_never_was(database: Database) -> None:
    with database.sessions() as session:
        assert defer(session, "note", value=1) is not None
        session.rollback()
    assert jobs(database) == []


def test_a_job_of_a_transaction_that_committed_is_there_as_it_was_given(database: Database) -> None:
    with database.transaction() as session:
        made = defer(session, "note", lock="l", queueing_lock="q", at=NOW, priority=3, queue="other", value={"ü": [1]})
        other = defer(session, "note")
    with database.transaction() as session:
        rows = session.execute(text("select * from procrastinate_jobs order by id")).mappings().all()
    wanted = {"id": made, "task_name": "note", "lock": "l", "queueing_lock": "q", "scheduled_at": NOW, "priority": 3}
    assert {name: rows[0][name] for name in wanted} == wanted
    assert (rows[0]["queue_name"], rows[0]["args"], rows[0]["status"]) == ("other", {"value": {"ü": [1]}}, "todo")
    assert (rows[1]["id"], rows[1]["args"], rows[1]["scheduled_at"]) == (other, {}, None)


def test_where_one_waits_another_is_not_queued_and_the_transaction_goes_on(database: Database) -> None:
    assert queue(database, "note", queueing_lock="once")
    with database.transaction() as session:
        session.execute(text("create temporary table before (value int) on commit drop"))
        session.execute(text("insert into before values (1)"))
        assert defer(session, "note", queueing_lock="once") is None
        assert session.scalar(text("select count(*) from before")) == 1
        assert defer(session, "note", queueing_lock="other") is not None
    assert len(jobs(database)) == 2


def test_twice_in_one_transaction_is_once(database: Database) -> None:
    with database.transaction() as session:
        assert defer(session, "note", queueing_lock="once") is not None
        assert defer(session, "note", queueing_lock="once") is None
    assert len(jobs(database)) == 1


@pytest.mark.parametrize("first_commits", [True, False])
def test_at_once_one_waits_for_what_becomes_of_the_other(database: Database, first_commits: bool) -> None:
    made: list[int | None] = []

    def second() -> None:
        with database.transaction() as session:
            made.append(defer(session, "note", queueing_lock="once"))

    thread = threading.Thread(target=second)
    with database.sessions() as session:
        defer(session, "note", queueing_lock="once")
        thread.start()
        thread.join(0.3)
        assert made == []
        if first_commits:
            session.commit()
        else:
            session.rollback()
    thread.join()
    assert (made == [None]) is first_commits
    assert len(jobs(database)) == 1


def test_the_one_that_waits_starts_after_the_transaction_that_relies_on_it(place: Workplace) -> None:
    database, seen = place.database, list[int]()
    with database.transaction() as session:
        session.execute(text("create table if not exists cause (value int)"))
    queue(database, "note", queueing_lock="once")

    def note(place: Workplace, _now: datetime) -> None:
        with place.database.transaction() as session:
            seen.append(session.execute(text("select count(*) from cause")).scalar_one())

    with database.transaction() as session:
        session.execute(text("insert into cause values (1)"))
        assert defer(session, "note", queueing_lock="once") is None
        assert drain(place, handlers={"note": note}) == 0
    assert drain(place, handlers={"note": note}) == 1
    assert seen == [1]
    with database.transaction() as session:
        session.execute(text("drop table cause"))


def test_when_the_waiting_one_has_begun_the_next_can_be_queued(database: Database) -> None:
    queue(database, "note", queueing_lock="once")
    with database.transaction() as session:
        session.execute(
            text("select procrastinate_fetch_job_v2(null, id) from procrastinate_register_worker_v1() as w(id)")
        )
    assert queue(database, "note", queueing_lock="once")
    assert [status for _, status, _ in jobs(database)] == ["doing", "todo"]


def test_many_at_once_are_one(database: Database) -> None:
    def one() -> None:
        with database.transaction() as session:
            defer(session, "note", queueing_lock="once")

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(jobs(database)) == 1


def test_what_json_cannot_hold_is_a_mistake(database: Database) -> None:
    with database.transaction() as session:
        with pytest.raises(TypeError):
            defer(session, "note", value=NOW)
        with pytest.raises(ValueError, match="not JSON compliant"):
            defer(session, "note", value=float("nan"))
        with pytest.raises(AssertionError, match="too long"):
            defer(session, "note", value="x" * ARGUMENTS_BYTES_MAX)
        with pytest.raises(AssertionError, match="zone"):
            defer(session, "note", at=NOW.replace(tzinfo=None))
    assert jobs(database) == []


def test_a_job_for_later_waits_for_its_hour_by_either_clock(place: Workplace) -> None:
    ran: list[datetime] = []
    handlers = {"note": lambda _place, now: ran.append(now)}
    later = place.clock() + timedelta(days=1)
    queue(place.database, "note", at=later)
    assert drain(place, handlers=handlers) == 0
    ahead = Workplace(place.settings, place.database, place.usage, place.mailer, lambda: later)
    assert drain(ahead, handlers=handlers) == 1
    assert ran == [later]


def give_up(database: Database, task: str) -> None:
    with database.transaction() as session:
        session.execute(
            text("update procrastinate_jobs set status = 'failed', attempts = 30 where task_name = :task"),
            {"task": task},
        )


def test_jobs_that_gave_up_are_tried_again_as_they_were_queued(database: Database) -> None:
    for value in (1, 2):
        queue(database, "note", value=value, lock="l", priority=value, queue="other")
    queue(database, "other")
    give_up(database, "note")
    with database.transaction() as session:
        assert try_again(session, "note") == 2
    assert jobs(database) == [("other", "todo", 0), ("note", "todo", 0), ("note", "todo", 0)]
    with database.transaction() as session:
        rows = session.execute(text("select * from procrastinate_jobs where task_name = 'note' order by id")).mappings()
        assert [(row["args"], row["lock"], row["priority"], row["queue_name"]) for row in rows] == [
            ({"value": 1}, "l", 1, "other"),
            ({"value": 2}, "l", 2, "other"),
        ]


def test_of_those_that_gave_up_one_waits_where_one_may(database: Database) -> None:
    for _ in range(2):
        queue(database, "note", queueing_lock="once")
        give_up(database, "note")
    with database.transaction() as session:
        assert try_again(session, "note") == 2
    assert jobs(database) == [("note", "todo", 0)]


def test_jobs_that_are_put_aside_are_gone_and_no_others(database: Database) -> None:
    queue(database, "note")
    give_up(database, "note")
    queue(database, "note")
    with database.transaction() as session:
        assert put_aside(session, "note") == 1
    assert jobs(database) == [("note", "todo", 0)]


@pytest.mark.parametrize("act", [try_again, put_aside])
def test_where_none_gave_up_there_is_nothing_to_do(database: Database, act: Callable[[Session, str], int]) -> None:
    queue(database, "note")
    with database.transaction() as session:
        assert act(session, "note") == 0
    assert jobs(database) == [("note", "todo", 0)]
