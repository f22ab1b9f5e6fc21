"""Jobs whose process was killed: run again by another, given up in the end, and in nobody's way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from structlog.testing import capture_logs

from meterbook.database import Database
from meterbook.jobs import worker as worker_module
from meterbook.jobs.retries import ATTEMPTS_MAX
from meterbook.jobs.stalled import SILENT_SECONDS_MAX, recover
from meterbook.jobs.worker import POLL_SECONDS
from meterbook.jobs.workplace import Workplace
from tests.jobs.conftest import WAIT_SECONDS, at_work, change, jobs, number, queue

# A process that takes the job "note" of the database in sys.argv[1], says so, and never ends it.
TAKE_AND_HANG = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from meterbook.database import open_database
from meterbook.jobs.worker import Worker
from meterbook.jobs.workplace import Workplace
from meterbook.mail import FolderMailer
from meterbook.settings import Settings
settings = Settings(data_dir=Path(sys.argv[1]))
def hang(place, now):
    print("taken", flush=True)
    time.sleep(600)
place = Workplace(settings, open_database(settings), None, FolderMailer(Path("mail"), "a@b"), lambda: datetime.now(UTC))
Worker(place, handlers={"note": hang}, schedule=()).start()
time.sleep(600)
"""


def taken_and_killed(database: Database) -> None:
    """Let another process take the job that waits, and kill it."""
    assert database.embedded is not None
    command = [sys.executable, "-W", "error", "-c", TAKE_AND_HANG, str(database.embedded.folder.parent)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_a_job_whose_process_was_killed_runs_again_at_once_where_nobody_else_works(place: Workplace) -> None:
    queue(place.database, "note")
    taken_and_killed(place.database)
    assert jobs(place.database) == [("note", "doing", 0)]
    done = threading.Event()
    began = time.monotonic()
    with at_work(place, alone=True, note=lambda *_: done.set()):
        assert done.wait(WAIT_SECONDS)
        assert time.monotonic() - began < POLL_SECONDS
    assert jobs(place.database) == [("note", "succeeded", 2)]


def test_with_other_workers_it_runs_again_once_the_dead_one_was_silent_for_long(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 0.2)
    queue(place.database, "note")
    taken_and_killed(place.database)
    done = threading.Event()
    with at_work(place, note=lambda *_: done.set()):
        assert not done.wait(1.5), "it may live"
        silent = "update procrastinate_workers set last_heartbeat = now() - make_interval(secs => :secs) where id = :id"
        holder = number(place.database, "select worker_id from procrastinate_jobs where status = 'doing'")
        change(place.database, silent, secs=SILENT_SECONDS_MAX + 1, id=holder)
        assert done.wait(WAIT_SECONDS)
    assert jobs(place.database) == [("note", "succeeded", 2)]


def take(database: Database) -> None:
    """Take the next job as a worker does that dies before it says anything else."""
    fetch = "select procrastinate_fetch_job_v2(null, id) from procrastinate_register_worker_v1() as worker(id)"
    change(database, fetch)


def test_what_kills_every_process_is_given_up(database: Database) -> None:
    queue(database, "note")
    change(database, "update procrastinate_jobs set attempts = :made", made=ATTEMPTS_MAX - 1)
    take(database)
    with capture_logs() as logs:
        assert recover(database, 0) == 0
    assert jobs(database) == [("note", "failed", ATTEMPTS_MAX)]
    assert [log["event"] for log in logs] == ["jobs.given_up"]


def test_a_lost_job_leaves_the_work_to_the_one_that_waits_in_its_place(database: Database) -> None:
    for _ in range(2):
        queue(database, "note", queueing_lock="once")
        take(database)
    queue(database, "other")
    take(database)
    queue(database, "note", queueing_lock="once")
    assert recover(database, 0) == 1
    assert [(name, status) for name, status, _ in jobs(database)] == [
        ("note", "failed"),
        ("note", "failed"),
        ("other", "todo"),
        ("note", "todo"),
    ]
