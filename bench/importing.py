"""Import of 10,000,000 rows (SIZE=small: 300,000) by the command: from Parquet, from CSV.

Then of rows known already (not in the small size), and, with the events of both in the folder, how soon the command
line answers, a server is ready, and takes its first event.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from bench.figures import SMALL, Figure, say
from bench.load import TYPES, event, serving, serving_as_it_is

ROWS = 300_000 if SMALL else 10_000_000
PARQUET_TARGET = 1_000_000
CSV_TARGET = 500_000
MEMORY_TARGET_MIB = 600
HELP_TARGET_SECONDS = 0.3
READY_TARGET_SECONDS = 3
_STEP_SECONDS = 5
_HELPS = 5
_SAMPLE_SECONDS = 0.1
_START = np.datetime64("2020-01-01", "us")  # without a zone, as the times of many exports


def run(folder: Path) -> list[Figure]:
    folder.mkdir(parents=True)
    stores = folder / "stores"
    with serving(stores):
        pass  # the account and its projects are there now; the command opens the stores itself
    parquet, csv, one = folder / "lb-1.parquet", folder / "lb-2.csv", folder / "one.csv"
    pa.parquet.write_table(_table(ROWS), parquet)
    pa.csv.write_csv(_table(ROWS), csv)
    pa.csv.write_csv(_table(1), one)
    started = _import(stores, one).seconds
    figures = []
    for name, file, target in (("Parquet", parquet, PARQUET_TARGET), ("CSV", csv, CSV_TARGET)):
        told = _import(stores, file)
        assert told.accepted == ROWS, told
        figures += [
            Figure(
                name=f"import of {name}",
                value=ROWS / (told.seconds - started),
                unit="rows/s",
                how=f"`meterbook import` of {ROWS:,} rows, embedded stores; less what it takes to start and stop",
                at_least=target,
            ),
            Figure(
                name=f"import of {name}, memory at most",
                value=told.peak_mib,
                unit="MiB",
                how="of the command, its engine in it, and of PostgreSQL beside it",
                at_most=MEMORY_TARGET_MIB,
            ),
        ]
    for name, file in (("Parquet", parquet), ("CSV", csv))[: 0 if SMALL else 2]:
        told = _import(stores, file)
        assert told.duplicates == ROWS, told
        figures.append(
            Figure(
                name=f"import of {name}, again",
                value=ROWS / (told.seconds - started),
                unit="rows/s",
                how="the same file once more: all rows are duplicates",
            )
        )
    ready, first_event = _start(stores)
    return [
        *figures,
        Figure(name="import, start and stop", value=started, unit="s", how="of a file of one row"),
        Figure(name="help", value=_help(), unit="s", how="`meterbook --help`", at_most=HELP_TARGET_SECONDS),
        Figure(
            name="server ready",
            value=ready,
            unit="s",
            how=f"from the start of `meterbook serve` on the folder, {2 * ROWS:,} events in it, until /readyz says so",
            at_most=READY_TARGET_SECONDS,
        ),
        Figure(
            name="first event taken",
            value=first_event,
            unit="s",
            how="from the same start until an event is acknowledged: identities are read beside the start",
        ),
    ]


def _table(rows: int) -> pa.Table:
    number = np.arange(rows)
    return pa.table(
        {
            "timestamp": pa.array(_START + number * np.timedelta64(_STEP_SECONDS * 1_000_000, "us")),
            "value": number % 97 + number % 10 / 10,
        }
    )


@dataclass(frozen=True)
class _Told:
    seconds: float
    peak_mib: int
    accepted: int
    duplicates: int


def _import(stores: Path, file: Path) -> _Told:
    command = [sys.executable, "-m", "meterbook", "import", str(file), "--json", "--data-dir", str(stores)]
    command += ["--project", "p0", "--type", "request.count"]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with _Memory(process.pid, stores) as memory:
        told = process.stdout.read()
        process.stdout.close()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, told
    (outcome,) = json.loads(told)["files"]
    cpu = used.ru_utime + used.ru_stime
    say(f"{file.name}: {seconds:.1f} s, {cpu:.1f} s of CPU, {memory.peak_kib // 1024} MiB")
    return _Told(seconds, memory.peak_kib // 1024, outcome["accepted"], outcome["duplicates"])


class _Memory:
    """The most memory that a command and its PostgreSQL have together, looked at ten times a second.

    All that is resident of the command counts; of PostgreSQL's processes, what they share counts once.
    """

    def __init__(self, process: int, stores: Path) -> None:
        self.peak_kib = 0
        self._process = process
        self._postmaster = stores / "postgres" / "postmaster.pid"
        self._done = Event()
        self._thread = Thread(target=self._watch)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            every = sum(_kib(process, "smaps_rollup", "Pss:") for process in self._servers())
            self.peak_kib = max(self.peak_kib, every + _kib(self._process, "status", "VmRSS:"))

    def _servers(self) -> list[int]:
        try:
            first = int(self._postmaster.read_text().split()[0])
            children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        except (OSError, IndexError):
            return []
        return [first, *map(int, children)]


def _kib(process: int, file: str, name: str) -> int:
    try:
        lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)


def _help() -> float:
    times = []
    for _ in range(_HELPS):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "meterbook", "--help"], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begun)
    return round(sorted(times)[_HELPS // 2], 3)


def _start(stores: Path) -> tuple[float, float]:
    """Return the seconds from the start of a server until /readyz answers 200, and until an event is taken."""
    begun = time.perf_counter()
    with serving_as_it_is(stores) as (host, port, token, _):
        while True:
            connection = HTTPConnection(host, port)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                break
            time.sleep(0.02)
        ready = time.perf_counter() - begun
        now = datetime.now(UTC)
        body = json.dumps(event(time.time_ns(), TYPES[0], "p0", now, "1", "r1"))
        connection = HTTPConnection(host, port)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", "/api/v1/events", body, headers)
        assert connection.getresponse().status == 200
        return round(ready, 2), round(time.perf_counter() - begun, 2)
