"""The worker: a thread of this process that does jobs, and a way to do those that are due and return."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import text

from meterbook.jobs.handlers import HANDLERS
from meterbook.jobs.schedule import SCHEDULE, Periodic
from meterbook.jobs.stalled import CHECK_SECONDS, HEARTBEAT_SECONDS, SILENT_SECONDS_MAX, recover
from meterbook.jobs.workplace import Handler, Workplace

if TYPE_CHECKING:
    from procrastinate.app import WorkerOptions

# Most jobs wait for a mail server or a gateway.
JOBS_AT_ONCE: Final = 4
# PostgreSQL tells of a new job at once; this is how late one that waited for its hour may start.
POLL_SECONDS: Final = 5
RESTART_SECONDS: Final = 5
# Jobs that queue jobs without end are a mistake of ours.
DRAIN_ROUNDS_MAX: Final = 1_000
_ABORT_POLL_SECONDS: Final = 600
_BRING_FORWARD: Final = text("""
    update procrastinate_jobs
    set scheduled_at = now()
    where status = 'todo'
    and scheduled_at > now()
    and scheduled_at <= :now
""")
_log = structlog.get_logger(__name__)


class Worker:
    """Does jobs in a thread until it is stopped; when the database goes away it starts anew until it is back.

    `alone` says that no other worker lives: what is marked as being done was left by a process that died, and is
    queued again at the start; otherwise that happens `SILENT_SECONDS_MAX` after the last sign of life.
    """

    def __init__(
        self,
        place: Workplace,
        *,
        alone: bool = False,
        handlers: Mapping[str, Handler] = HANDLERS,
        schedule: Sequence[Periodic] = SCHEDULE,
    ) -> None:
        self._place, self._handlers, self._schedule = place, handlers, schedule
        self._silent_seconds = 0 if alone else SILENT_SECONDS_MAX
        self._stopping = Event()
        self._interrupt: Callable[[], object] = lambda: None
        # a process that ends without stopping it is as good as killed: that is provided for
        self._thread = Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Start the thread; does not wait for it."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more jobs, and wait until those that run have ended."""
        self._stopping.set()
        # the loop may have ended by itself just now
        with suppress(RuntimeError):
            self._interrupt()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                asyncio.run(self._work())
            except Exception:  # noqa: BLE001 - whatever ended it, jobs wait for a worker
                _log.exception("jobs.worker_failed")
            self._stopping.wait(RESTART_SECONDS)

    async def _work(self) -> None:
        """Work until stopped; raises what the database raises when it goes away."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._interrupt = lambda: loop.call_soon_threadsafe(stop.set)
        if self._stopping.is_set():
            return
        await asyncio.to_thread(recover, self._place.database, self._silent_seconds)
        # from here on the workers that are known may be this one and others that live
        self._silent_seconds = SILENT_SECONDS_MAX
        options = _options(wait=True, concurrency=JOBS_AT_ONCE, listen_notify=True)
        async with _opened(self._place, self._handlers, self._schedule) as app:
            working = asyncio.create_task(app.run_worker_async(**options))
            others = [asyncio.create_task(stop.wait()), asyncio.create_task(self._recover_now_and_then())]
            await asyncio.wait([working, *others], return_when=asyncio.FIRST_COMPLETED)
            for task in (working, *others):
                task.cancel()
            await asyncio.wait([working, *others])
            if not working.cancelled():
                working.result()

    async def _recover_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await asyncio.to_thread(recover, self._place.database)
            except Exception:  # noqa: BLE001 - the next time will do
                _log.exception("jobs.recovery_failed")


@contextmanager
def working(place: Workplace) -> Iterator[Worker]:
    """Have jobs done while the block runs; it ends when the jobs that were running have ended.

    With the embedded database this process is alone, as it holds the data folder.
    """
    worker = Worker(place, alone=place.database.embedded is not None)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def drain(place: Workplace, *, alone: bool = False, handlers: Mapping[str, Handler] = HANDLERS) -> int:
    """Do the jobs that are due, one after the other, and those that they cause, then return how many ran.

    Due is what the database's clock, or the workplace's when it begins, says. A job that failed waits for its next
    attempt.
    """
    recover(place.database, 0 if alone else SILENT_SECONDS_MAX)
    with place.database.transaction() as session:
        session.execute(_BRING_FORWARD, {"now": place.clock()})
    return asyncio.run(_drain(place, handlers))


async def _drain(place: Workplace, handlers: Mapping[str, Handler]) -> int:
    ran = 0

    async def count(call_next: Callable[[], Awaitable[Any]], *_: object) -> Any:
        nonlocal ran
        ran += 1
        return await call_next()

    options = _options(wait=False, concurrency=1, listen_notify=False)
    async with _opened(place, handlers, ()) as app:
        for _ in range(DRAIN_ROUNDS_MAX):
            before = ran
            await app.run_worker_async(**options, worker_middleware=[count])
            if ran == before:
                return ran
    raise AssertionError("these jobs queue jobs without end")


def _options(*, wait: bool, concurrency: int, listen_notify: bool) -> WorkerOptions:
    return {
        "wait": wait,
        "concurrency": concurrency,
        "listen_notify": listen_notify,
        "install_signal_handlers": False,
        "fetch_job_polling_interval": POLL_SECONDS,
        "abort_job_polling_interval": _ABORT_POLL_SECONDS,
        "update_heartbeat_interval": HEARTBEAT_SECONDS,
        "stalled_worker_timeout": SILENT_SECONDS_MAX,
    }


def _opened(place: Workplace, handlers: Mapping[str, Handler], schedule: Sequence[Periodic]) -> Any:
    # here, in the thread: the package takes long to import, and the server answers meanwhile
    from meterbook.jobs.queue import build_app

    return build_app(place, handlers, schedule).open_async()
