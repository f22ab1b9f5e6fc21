"""A served installation for the doors: one server process for the run, as an operator would start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from meterbook.cli.app import app, main
from meterbook.cli.client import RUN_FILE
from tests.doors.commands import Said

CATALOG = Path(__file__).with_name("catalog.toml")
LOG_FILE = "server.log"
START_SECONDS = 60


@dataclass(frozen=True)
class Served:
    """A running server and the folder it owns; commands run in this process and talk to it."""

    folder: Path
    url: str
    token: str

    def run(self, *arguments: str, stdin: str | None = None, ok: bool = True) -> Result:
        result = CliRunner().invoke(app, [*arguments, "--data-dir", str(self.folder)], input=stdin)
        if ok:
            assert result.exit_code == 0, f"{arguments}: {result.output} {result.exception!r}"
        return result

    def read(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)

    def request(self, method: str, path: str, key: str | None = None, **how: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token if key is None else key}"} | how.pop("headers", {})
        # loading certificates, which are not needed here, would take longer than the answer
        return httpx.request(method, self.url + path, headers=headers, timeout=60, verify=False, trust_env=False, **how)

    def api(self, method: str, path: str, key: str | None = None, **how: Any) -> httpx.Response:
        return self.request(method, f"/api/v1{path}", key, **how)

    def get(self, path: str, key: str | None = None, **query: object) -> Any:
        """Read something that is there; `from_` stands for the word that Python keeps for itself."""
        answer = self.api("GET", path, key, params={name.rstrip("_"): value for name, value in query.items()})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def key(self, scope: str, account: str | None = None, project: str | None = None, **more: object) -> str:
        answer = self.api("POST", "/keys", json={"scope": scope, "account": account, "project": project, **more})
        assert answer.status_code == 201, answer.text
        made: str = answer.json()["key"]
        return made

    @property
    def log(self) -> str:
        return (self.folder / LOG_FILE).read_text()

    def send(self, events: Sequence[Mapping[str, object]], key: str | None = None) -> dict[str, Any]:
        answer = self.request("POST", "/api/v1/events", key, json=list(events))
        assert answer.status_code == 200, answer.text
        receipt: dict[str, Any] = answer.json()
        return receipt

    def account(self, code: str, currency: str = "USD", *options: str, projects: Sequence[str] = ()) -> None:
        self.run("account", "add", code, "--currency", currency, *options)
        for project in projects:
            self.run("project", "add", code, project)


def start(folder: Path, **settings: str) -> subprocess.Popen[bytes]:
    """Start a server on a free port, its log in the folder; `wait_ready` tells when it answers."""
    environment = os.environ | {f"METERBOOK_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "meterbook", "serve", "--port", "0", "--data-dir", str(folder)]
    folder.mkdir(exist_ok=True)
    with (folder / LOG_FILE).open("ab") as log:
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)


def wait_ready(process: subprocess.Popen[bytes], folder: Path) -> Served:
    """Wait until the server of the folder is ready."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, (folder / LOG_FILE).read_text()
        try:
            written = json.loads((folder / RUN_FILE).read_text())
            if written.get("pid") == process.pid:
                served = Served(folder, written["url"], written["token"])
                if served.request("GET", "/readyz").status_code == 200:
                    return served
        except (OSError, ValueError, httpx.HTTPError):
            pass
        time.sleep(0.05)
    raise AssertionError("the server did not become ready")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=60)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the catalog of `catalog.toml`, zones with daylight saving time allowed."""
    folder = tmp_path_factory.mktemp("served")
    process = start(folder, dst_zones="true")
    try:
        server = wait_ready(process, folder)
        server.run("catalog", "apply", str(CATALOG))
        yield server
    finally:
        stop(process)


@pytest.fixture
def say(served: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command in this process against the running server; much faster, and otherwise the same."""

    def said(*arguments: object) -> Said:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["meterbook", *map(str, arguments), "--data-dir", str(served.folder)])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert left.value.code is None or isinstance(left.value.code, int)
        return Said(left.value.code or 0, out, err)

    return said
