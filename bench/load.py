"""What the benchmarks share: a server in a process of its own, and requests of events whose ids never repeat."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from bench.late import ahead, present

BATCH = 1_000
PROJECTS = 10
HOSTS = 200
MARK = b"@@@@@@@@@@@@"
_numbers = count(1)

CATALOG = """
version = 1
[[products]]
code = "server"
name = "Server"
unit = "host"
meter = { type = "host.seen", kind = "presence" }
prices = [{ currency = "USD", from = 2010-01-01T00:00:00Z, model = "per_unit", per = "month", unit_price = "12.00" }]
[[products]]
code = "apm"
name = "APM"
unit = "core"
meter = { type = "apm.cores", kind = "gauge" }
prices = [{ currency = "USD", from = 2010-01-01T00:00:00Z, model = "per_unit", per = "month", unit_price = "40.00" }]
[[products]]
code = "requests"
name = "Requests"
unit = "request"
meter = { type = "request.count", kind = "counter" }
prices = [{ currency = "USD", from = 2010-01-01T00:00:00Z, model = "per_unit", per = "quantity", unit_price = "0.01" }]
"""
TYPES = ("host.seen", "apm.cores", "request.count")


@dataclass(frozen=True)
class Server:
    """A running server, the folder it owns and the key of one account."""

    folder: Path
    host: str
    port: int
    key: str
    pid: int

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=120)

    def get(self, connection: http.client.HTTPConnection, path: str) -> Any:
        connection.request("GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {self.key}"})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return json.loads(body)


def post(connection: http.client.HTTPConnection, key: str, body: bytes) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/cloudevents-batch+json"}
    connection.request("POST", "/api/v1/events", body, headers)
    answer = connection.getresponse()
    told: dict[str, Any] = json.loads(answer.read())
    assert answer.status == 200, told
    return told


@contextmanager
def serving(folder: Path, *, keeping: bool = True) -> Iterator[Server]:
    """Serve a fresh folder with one account of ten projects."""
    folder.mkdir(parents=True)
    with serving_as_it_is(folder, keeping=keeping) as (host, port, token, pid):
        yield Server(folder, host, port, _furnish(host, port, token), pid)


@contextmanager
def serving_as_it_is(folder: Path, *, keeping: bool = True) -> Iterator[tuple[str, int, str, int]]:
    """Serve a folder, keeping what was read of usage or not; yield the server's host, port, local token and process."""
    command = [sys.executable, "-m", "meterbook", "serve", "--port", "0", "--data-dir", str(folder)]
    if ahead():
        command = [sys.executable, "-m", "bench.late", str(folder)]
    settings = {} if keeping else {"METERBOOK_READINGS_KEPT": "0"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | settings)
    try:
        run_file = folder / "server.json"
        while not run_file.exists():
            assert process.poll() is None, "the server stopped"
            time.sleep(0.05)
        written = json.loads(run_file.read_text())
        host, port = written["url"].removeprefix("http://").split(":")
        yield host, int(port), written["token"], process.pid
    finally:
        process.terminate()
        process.wait()


def _furnish(host: str, port: int, token: str) -> str:
    """Create the account and its projects p0 to p9; return a key of the account."""
    connection = http.client.HTTPConnection(host, port)

    def send(method: str, path: str, body: str) -> Any:
        media = "application/json" if method == "POST" else "application/toml"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": media}
        connection.request(method, f"/api/v1{path}", body, headers)
        answer = connection.getresponse()
        told = answer.read()
        assert answer.status < 300, told
        return json.loads(told)

    try:
        send("PUT", "/catalog", CATALOG)
        send("POST", "/accounts", json.dumps({"code": "bench", "currency": "USD"}))
        for number in range(PROJECTS):
            send("POST", "/projects", json.dumps({"account": "bench", "code": f"p{number}"}))
        return str(send("POST", "/keys", json.dumps({"scope": "account", "account": "bench"}))["key"])
    finally:
        connection.close()


def template(seed: int) -> bytes:
    """One request of 1,000 events over the present month, with a mark where each id is to be made unique."""
    start = month_start()
    hours = max(1, int((present() - start) / timedelta(hours=1)))
    events = []
    for number in range(BATCH):
        place = seed * BATCH + number
        at = start + timedelta(hours=place % hours, seconds=place * 7 % 3600)
        host = f"host-{place // 3 % HOSTS}"
        events.append(event(number, TYPES[place % 3], f"p{place % PROJECTS}", at, str(place % 16), host))
    return json.dumps(events, separators=(",", ":")).encode()


def event(number: int, kind: str, project: str, at: datetime, value: str, resource: str) -> dict[str, object]:
    """An event whose id is made unique by `fresh`."""
    return {
        "specversion": "1.0",
        "id": f"{MARK.decode()}{number:04}",
        "source": "agent",
        "type": kind,
        "subject": project,
        "time": at.isoformat(),
        "data": {"value": value, "resource": resource},
    }


def fresh(body: bytes) -> bytes:
    """The request with ids that no request had before."""
    return body.replace(MARK, b"%012d" % next(_numbers))


def month_start() -> datetime:
    return present().replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def peak_mib(pid: int) -> int:
    """The most memory a process has had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024


def percentile_ms(seconds: list[float], percent: int) -> float:
    """Return a percentile of times in seconds, as milliseconds; 50 is the median."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


assert os.name == "posix", "the benchmarks read /proc"
