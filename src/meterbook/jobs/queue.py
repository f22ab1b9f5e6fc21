"""Procrastinate, set up for this house: the connection, the tasks made of handlers, and how failures are answered.

Imported by the worker's thread alone: the package takes long to import.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import structlog
from procrastinate import App, BaseRetryStrategy, JobContext, PsycopgConnector, RetryDecision
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from meterbook.database import CONNECT_SECONDS, STATEMENT_SECONDS, Database
from meterbook.errors import MeterbookError
from meterbook.jobs.retries import wait_seconds
from meterbook.jobs.schedule import Periodic
from meterbook.jobs.workplace import Handler, Workplace

CONNECTIONS_MAX: Final = 4
# A run missed by longer than this waits for its next time.
MISSED_SECONDS_MAX: Final = 25 * 3_600
# What Procrastinate itself tells of a new job; the number is not looked at.
_LOOK_AGAIN: Final = """
    select pg_notify('procrastinate_any_queue_v1', '{"type": "job_inserted", "job_id": 0}')
"""
_LIBRARIES: Final = ("procrastinate", "psycopg.pool")
# What this module says itself, with less of the arguments.
_TOLD_HERE: Final = frozenset({"job_error", "job_error_retry"})
_log = structlog.get_logger(__name__)


def build_app(place: Workplace, handlers: Mapping[str, Handler], schedule: Sequence[Periodic]) -> App:
    """Return a Procrastinate application over the workplace's database, not open yet, with these tasks."""
    _forward_logs()
    connector = _connector(place.database)
    app = App(connector=connector, periodic_defaults={"max_delay": MISSED_SECONDS_MAX})
    app.job_manager = _Jobs(connector)
    times = {periodic.task: periodic.cron for periodic in schedule}
    for name, handler in handlers.items():
        run = _task(name, handler, place, name in times)
        task = app.task(name=name, retry=_Retries(), pass_context=True)(run)
        if name in times:
            app.periodic(cron=times[name], lock=name, queueing_lock=name)(task)
    return app


def _connector(database: Database) -> PsycopgConnector:
    _, found = database.engine.dialect.create_connect_args(database.engine.url)
    found.pop("context", None)
    arguments = {
        **found,
        "application_name": "meterbook jobs",
        "connect_timeout": CONNECT_SECONDS,
        "options": f"-c timezone=UTC -c statement_timeout={STATEMENT_SECONDS}s",
    }
    return PsycopgConnector(kwargs=arguments, min_size=1, max_size=CONNECTIONS_MAX)


def _task(name: str, handler: Handler, place: Workplace, is_periodic: bool) -> Callable[..., None]:
    def run(context: JobContext, **arguments: Any) -> None:
        if is_periodic:
            # the time for which it was due; the handler goes by the time that it is
            arguments.pop("timestamp", None)
        try:
            handler(place, place.clock(), **arguments)
        except Exception as error:
            _tell(error, name, context.job)
            raise

    return run


def _tell(error: Exception, name: str, job: Job) -> None:
    again = wait_seconds(error, job.attempts)
    told = {"job": job.id, "task": name, "attempt": job.attempts + 1, "again_in_seconds": again}
    if not isinstance(error, MeterbookError):
        _log.error("jobs.failed", **told, exc_info=error)
    elif again is not None:
        _log.warning("jobs.put_off", **told, slug=error.slug, reason=error.message)
    else:
        _log.error("jobs.refused", **told, slug=error.slug, reason=error.message)


class _Retries(BaseRetryStrategy):
    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        wait = wait_seconds(exception, job.attempts)
        return None if wait is None else RetryDecision(retry_in={"seconds": wait})


class _Jobs(JobManager):
    """The queue, and two things that it leaves open: what of one lock waits is told of, and none is left half done."""

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """Write down how the job ended; the next one of its lock need not wait until a worker comes to look."""
        await super().finish_job(job, status, delete_job)
        if job.lock is not None:
            await self.connector.execute_query_async(_LOOK_AGAIN)

    async def retry_job(
        self,
        job: Job,
        retry_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Let the job wait for its next attempt; or leave the work to one with its queueing lock that waits already."""
        try:
            await super().retry_job(job, retry_at, priority, queue, lock)
        except UniqueViolation:
            await self.finish_job(job, Status.FAILED, delete_job=False)


def _forward_logs() -> None:
    """Let what the libraries warn of appear among our own log lines, once."""
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _Forward) for known in logger.handlers):
            logger.addHandler(_Forward(logging.WARNING))


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "action", None) in _TOLD_HERE:
            return
        tell = _log.error if record.levelno >= logging.ERROR else _log.warning
        tell("jobs.library", library=record.name, message=record.getMessage(), exc_info=record.exc_info)
