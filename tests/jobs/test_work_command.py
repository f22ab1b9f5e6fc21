"""`meterbook work`: does the jobs of a folder until it is told to stop, and leaves them to a server that owns it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sqlalchemy import text

from meterbook.cli.client import RUN_FILE
from meterbook.cli.working import work
from meterbook.database import Database, migrate, open_database
from meterbook.errors import Refused
from meterbook.outbox import defer
from meterbook.settings import Settings
from tests.jobs.conftest import await_that, jobs


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "meterbook", "work", "--data-dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == f"Meterbook does the jobs of {folder}\n", line or process.communicate()[1]
    return process


def opened(folder: Path) -> Database:
    database = open_database(Settings(data_dir=folder))
    migrate(database)
    return database


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_does_jobs_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    database = opened(tmp_path)
    process = start(tmp_path)
    with database.transaction() as session:
        defer(session, "delete_finished_jobs")
    await_that(lambda: ("delete_finished_jobs", "succeeded", 1) in jobs(database))
    os.kill(process.pid, number)
    said, told = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    assert "Traceback" not in told
    with database.transaction() as session:
        assert session.scalar(text("select count(*) from procrastinate_workers")) == 0
    database.dispose()


def test_killed_in_the_middle_it_takes_the_job_up_again_at_its_next_start(tmp_path: Path) -> None:
    database = opened(tmp_path)
    with database.transaction() as session:
        # the job waits for this row, which nobody lets go of before the worker is killed
        defer(session, "delete_finished_jobs", at=datetime(2000, 1, 1, tzinfo=UTC))
        session.execute(
            text("insert into procrastinate_jobs (queue_name, task_name, status) values ('x', 'x', 'succeeded')")
        )
    with database.transaction() as session:
        session.execute(text("select 1 from procrastinate_jobs where task_name = 'x' for update"))
        process = start(tmp_path)
        await_that(lambda: ("delete_finished_jobs", "doing", 0) in jobs(database))
        process.kill()
        process.communicate()
    process = start(tmp_path)
    await_that(lambda: ("delete_finished_jobs", "succeeded", 2) in jobs(database))
    process.terminate()
    assert process.communicate(timeout=60)[0] == ""
    database.dispose()


def test_it_leaves_the_jobs_to_a_server_that_owns_the_folder(tmp_path: Path) -> None:
    class Owner(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Owner) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        (tmp_path / RUN_FILE).write_text(json.dumps({"url": url, "token": "t", "pid": os.getpid()}))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with pytest.raises(Refused, match=f"The server at {url} owns"):
            work(tmp_path)
        server.shutdown()
        thread.join()
