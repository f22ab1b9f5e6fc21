"""Two servers on one PostgreSQL and one ClickHouse: what one was told both know, and neither keeps anything itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meterbook.database import Database
from tests.doors.asking import check_problem
from tests.doors.conftest import CATALOG, Served, start, stop, wait_ready
from tests.server_process import ServerProcess, environment_of


@pytest.fixture
def clickhouse(tmp_path: Path) -> Iterator[ServerProcess]:
    """A ClickHouse server of its own, which may be killed and started."""
    process = ServerProcess(tmp_path / "clickhouse")
    process.start()
    yield process
    process.kill()


@pytest.fixture
def pair(clickhouse: ServerProcess, database: Database, tmp_path: Path) -> Iterator[list[Served]]:
    """Both servers, started at once over stores without a table in ClickHouse and without a row."""
    variables = environment_of(clickhouse.another_database(), database)
    settings = {name.removeprefix("METERBOOK_").lower(): value for name, value in variables.items()}
    folders = [tmp_path / "one", tmp_path / "other"]
    processes = [start(folder, **settings) for folder in folders]
    try:
        yield [wait_ready(process, folder) for process, folder in zip(processes, folders, strict=True)]
    finally:
        for process in processes:
            stop(process)


def test_two_servers_are_one_installation(pair: list[Served], clickhouse: ServerProcess) -> None:
    one, other = pair
    one.run("catalog", "apply", str(CATALOG))
    other.account("shared", projects=["shared-web"])
    event = {
        "specversion": "1.0",
        "id": "first",
        "source": "pair",
        "type": "host.seen",
        "subject": "shared-web",
        "time": "2026-06-10T10:30:00Z",
        "data": {"resource": "host-1"},
    }
    assert one.send([event])["accepted"] == 1
    assert other.send([event, event | {"id": "second"}]) == {"accepted": 1, "duplicates": 1, "rejected": []}
    preview = ["preview", "--account", "shared", "--month", "2026-06"]
    assert one.read(*preview)["total"] == other.read(*preview)["total"]
    assert one.run("verify").exit_code == 0

    clickhouse.kill()
    for answer in (
        one.request("GET", "/readyz"),
        other.api("POST", "/events", json=[event | {"id": "third"}]),
        one.api("GET", "/invoices/preview", params={"account": "shared", "month": "2026-06"}),
    ):
        check_problem(answer, 503, "usage-unavailable", "The usage store cannot answer now")
        assert answer.headers["retry-after"] == "5"
    clickhouse.start()
    assert one.request("GET", "/readyz").status_code == 200
    assert one.send([event | {"id": "third"}])["accepted"] == 1
    assert other.send([event | {"id": "third"}])["duplicates"] == 1
