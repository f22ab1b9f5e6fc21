"""The outbox: work that a transaction causes is queued in that very transaction, and exists exactly if it commits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from meterbook.errors import Busy

QUEUE: Final = "default"
# Jobs carry ids, not documents.
ARGUMENTS_BYTES_MAX: Final = 8_000
_ROUNDS: Final = 5
_WAITING_ONCE: Final = "procrastinate_jobs_queueing_lock_idx_v1"
# A job that should have begun so long ago waits for a worker that is not there.
LATE: Final = timedelta(minutes=10)
_STUCK: Final = text("""
    select task_name, trouble, count(*) as jobs, min(at) as since
    from (
        select job.task_name,
            case when job.status = 'failed' then 'failed' else 'late' end as trouble,
            coalesce(
                case when job.status = 'todo' then job.scheduled_at end,
                (select max(event.at) from procrastinate_events as event where event.job_id = job.id)
            ) as at,
            job.status
        from procrastinate_jobs as job
        where job.status in ('failed', 'todo')
    ) as job
    where status = 'failed' or at < :before
    group by task_name, trouble
    order by trouble, task_name
""")
_TAKE_FAILED: Final = text("""
    with gone as (
        delete from procrastinate_jobs
        where task_name = :task
        and status = 'failed'
        returning id, queue_name, priority, lock, queueing_lock, args
    )
    select queue_name, priority, lock, queueing_lock, args
    from gone
    order by id
""")
_DEFER: Final = text("""
    select unnest(procrastinate_defer_jobs_v1(array[
        row(
            cast(:queue as varchar),
            cast(:task as varchar),
            cast(:priority as integer),
            cast(:lock as text),
            cast(:queueing_lock as text),
            cast(:arguments as jsonb),
            cast(:at as timestamptz)
        )::procrastinate_job_to_defer_v1
    ]))
""")
_DEFER_ALL: Final = text("""
    select procrastinate_defer_jobs_v1(array(
        select row(
            cast(:queue as varchar),
            cast(:task as varchar),
            0,
            null,
            null,
            job -> 'arguments',
            cast(job ->> 'at' as timestamptz)
        )::procrastinate_job_to_defer_v1
        from jsonb_array_elements(cast(:jobs as jsonb)) with ordinality as listed (job, place)
        order by place
    ))
""")
# A worker passes over a job that is locked here, until this transaction ends.
_HOLD_WAITING: Final = text("""
    select id
    from procrastinate_jobs
    where queueing_lock = :queueing_lock
    and status = 'todo'
    for key share
""")


def defer(
    session: Session,
    task: str,
    *,
    lock: str | None = None,
    queueing_lock: str | None = None,
    at: datetime | None = None,
    priority: int = 0,
    queue: str = QUEUE,
    **arguments: object,
) -> int | None:
    """Queue a job in the session's transaction and return its id; `arguments` are what JSON can hold.

    It runs once the transaction has committed, and not before `at`. Jobs of one `lock` run one after the other in the
    order of their ids, those that wait for another attempt included. Of one `queueing_lock` one job waits at a
    time: when there is one already, nothing is queued and None returned, and that job starts after this
    transaction's end, so that it sees what was written here. Higher priorities run first.
    """
    assert at is None or at.tzinfo is not None, "an instant has a zone"
    written = json.dumps(arguments, allow_nan=False)
    assert len(written) <= ARGUMENTS_BYTES_MAX, f"{task}: the arguments are too long"
    job = {
        "queue": queue,
        "task": task,
        "priority": priority,
        "lock": lock,
        "queueing_lock": queueing_lock,
        "arguments": written,
        "at": at,
    }
    return _defer(session, job)


@dataclass(frozen=True, slots=True)
class Job:
    """One of many jobs that are queued together: what JSON can hold, and before when it does not run."""

    arguments: Mapping[str, object]
    at: datetime | None = None


def defer_all(session: Session, task: str, jobs: Sequence[Job]) -> None:
    """Queue jobs of one task in the session's transaction, in one statement; they run as those of `defer` do."""
    if not jobs:
        return
    listed = [{"arguments": job.arguments, "at": job.at and job.at.isoformat()} for job in jobs]
    written = json.dumps(listed, allow_nan=False)
    assert len(written) <= ARGUMENTS_BYTES_MAX * len(jobs), f"{task}: the arguments are too long"
    session.execute(_DEFER_ALL, {"queue": QUEUE, "task": task, "jobs": written})


def _defer(session: Session, job: dict[str, object]) -> int | None:
    if job["queueing_lock"] is None:
        return int(session.execute(_DEFER, job).scalar_one())
    for _ in range(_ROUNDS):
        try:
            with session.begin_nested():
                return int(session.execute(_DEFER, job).scalar_one())
        except IntegrityError as error:
            if _WAITING_ONCE not in str(error.orig):
                raise
        if session.scalar(_HOLD_WAITING, {"queueing_lock": job["queueing_lock"]}) is not None:
            return None
        # a worker took the waiting job between the two statements: there is room for the next one now
    raise Busy("The queue of jobs is changing too fast: try again shortly.")


@dataclass(frozen=True, slots=True)
class StuckJobs:
    """Jobs of one task in trouble: "failed" ones, whose attempts are over, or "late" ones, which nobody begins."""

    task: str
    trouble: str
    count: int
    since: datetime


def stuck_jobs(session: Session, now: datetime, late: timedelta = LATE) -> list[StuckJobs]:
    """Return the jobs that failed for good, or that were due longer ago than `late` and still wait."""
    rows = session.execute(_STUCK, {"before": now - late})
    return [StuckJobs(row.task_name, row.trouble, row.jobs, row.since) for row in rows]


def try_again(session: Session, task: str) -> int:
    """Queue the jobs of a task that failed for good anew, with all of their attempts; return how many those were."""
    failed = _take_failed(session, task)
    for job in failed:
        _defer(session, job)
    return len(failed)


def put_aside(session: Session, task: str) -> int:
    """Delete the jobs of a task that failed for good, which nobody will do then; return how many those were."""
    return len(_take_failed(session, task))


def _take_failed(session: Session, task: str) -> list[dict[str, object]]:
    return [
        {
            "queue": row.queue_name,
            "task": task,
            "priority": row.priority,
            "lock": row.lock,
            "queueing_lock": row.queueing_lock,
            "arguments": json.dumps(row.args),
            "at": None,
        }
        for row in session.execute(_TAKE_FAILED, {"task": task})
    ]
