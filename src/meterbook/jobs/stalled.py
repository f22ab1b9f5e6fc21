"""Jobs whose process died in the middle of them: found, and queued again."""

from __future__ import annotations

from typing import Final

import structlog
from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from meterbook.database import Database
from meterbook.jobs.retries import ATTEMPTS_MAX

# A worker says every HEARTBEAT_SECONDS that it lives; one that was silent for longer than this is dead.
HEARTBEAT_SECONDS: Final = 10
SILENT_SECONDS_MAX: Final = 60
CHECK_SECONDS: Final = 30
_FORGET_DEAD: Final = text("select procrastinate_prune_stalled_workers_v1(cast(:silent as double precision))")
# What another process is bringing back at this moment is passed over.
_LEFT: Final = text("""
    select id, task_name, attempts
    from procrastinate_jobs
    where status = 'doing'
    and worker_id is null
    order by id
    for update skip locked
""")
_AGAIN: Final = text("select procrastinate_retry_job_v2(:id, now(), null, null, null)")
_GIVE_UP: Final = text("select procrastinate_finish_job_v1(:id, 'failed', false)")
_log = structlog.get_logger(__name__)


def recover(database: Database, silent_seconds: int = SILENT_SECONDS_MAX) -> int:
    """Queue the jobs of workers that were silent for so long again; return how many.

    With 0 every worker known so far is taken for dead: for a process that knows that it is alone. A job that has
    had `ATTEMPTS_MAX` attempts is not queued again: it may be what kills the process.
    """
    with database.transaction() as session:
        session.execute(_FORGET_DEAD, {"silent": silent_seconds})
        return sum(_brought_back(session, job) for job in session.execute(_LEFT).all())


def _brought_back(session: Session, job: Row[tuple[int, str, int]]) -> bool:
    if job.attempts + 1 < ATTEMPTS_MAX:
        try:
            with session.begin_nested():
                session.execute(_AGAIN, {"id": job.id})
        except IntegrityError:
            # one with the same queueing lock waits already, and will do the same work
            pass
        else:
            _log.warning("jobs.recovered", job=job.id, task=job.task_name)
            return True
    session.execute(_GIVE_UP, {"id": job.id})
    _log.error("jobs.given_up", job=job.id, task=job.task_name, attempts=job.attempts + 1)
    return False
