"""A folder of its own: commands without a server and beside one, and how a server starts, stops and is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from meterbook.cli.client import RUN_FILE, running_server
from meterbook.settings import Settings
from tests.doors.commands import SECONDS, requests, run
from tests.doors.conftest import CATALOG, Served, start, wait_ready


@contextmanager
def serving(folder: Path, stopped_by: signal.Signals) -> Iterator[Served]:
    """Run a server in the folder, stop it by a signal, and see that it left everything closed."""
    process = start(folder)
    try:
        served = wait_ready(process, folder)
        yield served
        assert (folder / "postgres" / "postmaster.pid").exists()
        with httpx.Client(base_url=served.url, verify=False) as idle:  # a connection kept alive does not delay it
            assert idle.get("/healthz").status_code == 200
            began = time.monotonic()
            process.send_signal(stopped_by)
            assert process.wait(timeout=60) == 0
            assert time.monotonic() - began < 20
    finally:
        process.kill()
        process.wait()
    assert not (folder / RUN_FILE).exists()
    assert not (folder / "postgres" / "postmaster.pid").exists()
    assert list((folder / "usage" / "journal").glob("*.journal")) == []
    assert "Traceback" not in served.log


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalog and a project, that no process has open."""
    folder = tmp_path_factory.mktemp("own")
    with serving(folder, signal.SIGTERM) as served:
        served.run("catalog", "apply", str(CATALOG))
        served.account("half", projects=["half"])
    return folder


def test_an_import_killed_half_way_and_run_again_counts_once(folder: Path, tmp_path: Path) -> None:
    rows = 600_000
    times = np.datetime64("2026-06-01T00:00:00") + np.arange(rows).astype("timedelta64[s]")
    with (tmp_path / "lb.csv").open("w") as file:
        file.write("timestamp,value\n")
        file.writelines(f"{at},{number % 7}\n" for number, at in enumerate(times.astype(str)))
    what = ["import", str(tmp_path / "lb.csv"), "--project", "half", "--type", "request.count"]
    command = [sys.executable, "-m", "meterbook", *what, "--data-dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal, until = folder / "usage" / "journal", time.monotonic() + SECONDS
    try:
        # the second segment begins when the first holds a whole request
        while not any(int(path.stem) > 1 for path in journal.glob("*.journal")):
            assert process.poll() is None, "the import was over before it could be stopped"
            assert time.monotonic() < until
            time.sleep(0.005)
    finally:
        process.kill()
        process.wait()
    said = run(*what, "--data-dir", folder, "--json")
    assert said.code == 0, said.err
    (outcome,) = said.json()["files"]
    assert outcome["accepted"] + outcome["duplicates"] == rows
    assert 0 < outcome["duplicates"] < rows, "it was stopped half way"
    with serving(folder, signal.SIGINT) as served:
        assert requests(served, "half") == str(sum(number % 7 for number in range(rows)))
        (outcome,) = served.read(*what)["files"]
        assert outcome["duplicates"] == rows


def test_keys_made_without_a_server_and_beside_one(folder: Path) -> None:
    made = run("key", "create", "--scope", "operator", "--data-dir", folder)
    key = made.out.strip()
    assert (made.code, made.err, made.out) == (0, "", f"{key}\n")
    with serving(folder, signal.SIGTERM) as served:
        assert served.api("GET", "/accounts", key).status_code == 200
        beside = run("key", "create", "--scope", "operator", "--data-dir", folder)
        assert (beside.code, beside.err) == (0, "")
        assert served.api("GET", "/accounts", beside.out.strip()).status_code == 200
        second = run("serve", "--port", "0", "--data-dir", folder)
        assert (second.code, second.out) == (1, "")
        assert second.err == (
            f"meterbook: Another process has the folder {folder} open: stop it, and run the command again\n"
        )
        taken = run("serve", "--port", httpx.URL(served.url).port, "--data-dir", folder.with_name("other"))
        assert (taken.code, taken.out) == (1, "")
        assert taken.err.startswith("meterbook: Cannot listen on 127.0.0.1:")


def test_a_folder_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        said = run("invoice", "list", "--data-dir", folder)
        assert (said.code, said.out) == (1, "")
        assert said.err.splitlines()[-1].startswith(f"meterbook: The data folder {folder} cannot be made or written")
        assert "Traceback" not in said.err


def test_stores_that_a_server_has_are_up_to_date(served: Served) -> None:
    said = run("migrate", "--data-dir", served.folder)
    assert (said.code, said.out) == (
        0,
        f"The stores are up to date: the server at {served.url} brought them there when it started.\n",
    )


def test_what_a_killed_server_leaves_confuses_nothing(served: Served, folder: Path) -> None:
    process = start(folder)
    try:
        killed = wait_ready(process, folder)
    finally:
        process.kill()
        process.wait()
    assert (folder / RUN_FILE).exists()
    settings = Settings(data_dir=folder)
    assert running_server(settings) is None
    # a half file, an address that is none, and another server at the address that was this one's
    for written in (
        "",
        "[]",
        '{"url": "http',
        '{"url": 7, "token": "x"}',
        '{"url": "http://[", "token": "x"}',
        json.dumps({"url": served.url, "token": killed.token}),
    ):
        (folder / RUN_FILE).write_text(written)
        assert running_server(settings) is None, written
    listed = run("account", "list", "--data-dir", folder, "--json")
    assert (listed.code, listed.err) == (0, "")
    assert [account["code"] for account in listed.json()["items"]] == ["half"]
    assert running_server(Settings(data_dir=served.folder)) == (served.url, served.token)
