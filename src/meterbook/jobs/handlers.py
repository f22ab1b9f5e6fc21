"""The list of handlers: the name under which a job is queued, and the function that does it.

A handler is handler(workplace, now, **arguments). It is synchronous, runs in a thread of the worker, opens its own
transactions and calls one act. It may be run again after it was done (a crash before that was written down).
`Busy` and unexpected errors are tried again later, other errors of the world are not (`jobs/retries.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from meterbook.jobs.workplace import Handler, Workplace

KEEP_DONE_DAYS: Final = 30
DELETED_AT_ONCE_MAX: Final = 5_000
_DELETE_DONE: Final = text("""
    delete from procrastinate_jobs
    where id in (
        select job.id
        from procrastinate_jobs as job
        where job.status = 'succeeded'
        and not exists (
            select 1
            from procrastinate_events as event
            where event.job_id = job.id
            and event.at >= :before
        )
        order by job.id
        limit :most
    )
    returning id
""")


def delete_finished_jobs(place: Workplace, now: datetime) -> None:
    """Delete jobs that succeeded more than `KEEP_DONE_DAYS` ago; failed ones stay for someone to look at."""
    before = now - timedelta(days=KEEP_DONE_DAYS)
    deleted = DELETED_AT_ONCE_MAX
    while deleted == DELETED_AT_ONCE_MAX:
        with place.database.transaction() as session:
            found = session.scalars(_DELETE_DONE, {"before": before, "most": DELETED_AT_ONCE_MAX})
            deleted = len(found.all())


HANDLERS: Final[Mapping[str, Handler]] = {
    "delete_finished_jobs": delete_finished_jobs,
}
