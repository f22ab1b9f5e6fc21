"""Import of a CSV of 1,000,000 rows by the command, again, and of three times the rows: memory must not grow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from bench.figures import SMALL, Figure
from bench.load import serving

ROWS = 300_000 if SMALL else 1_000_000
TARGET = 300_000


def run(folder: Path) -> list[Figure]:
    folder.mkdir(parents=True)
    stores = folder / "stores"
    with serving(stores):
        pass  # the account and its projects are there now; the command opens the stores itself
    started = _import(stores, _write(folder / "one.csv", 1))["seconds"]
    many = _import(stores, _write(folder / "many.csv", ROWS))
    again = _import(stores, folder / "many.csv")
    more = _import(stores, _write(folder / "more.csv", 3 * ROWS))
    assert (many["accepted"], again["duplicates"]) == (ROWS, ROWS)
    how = (
        "`meterbook import` of a CSV of {:,} rows with the embedded stores; less what it takes to start and stop".format
    )
    return [
        Figure(
            name="import of CSV",
            value=ROWS / (many["seconds"] - started),
            unit="rows/s",
            how=how(ROWS),
            at_least=TARGET,
        ),
        Figure(
            name="import of CSV, again",
            value=ROWS / (again["seconds"] - started),
            unit="rows/s",
            how="the same file once more: all rows are duplicates",
        ),
        Figure(
            name="import of CSV, three times the rows",
            value=3 * ROWS / (more["seconds"] - started),
            unit="rows/s",
            how=how(3 * ROWS),
        ),
        Figure(
            name="import, memory at most",
            value=more["peak_mib"],
            unit="MiB",
            how="of the command and its engine, three times the rows",
            at_most=600,
        ),
        Figure(name="import, start and stop", value=started, unit="s", how="of a file of one row"),
    ]


def _write(file: Path, rows: int) -> Path:
    start = datetime(2026, 1, 1)  # noqa: DTZ001 - the file's times have no zone, as those of many exports
    with file.open("w") as lines:
        lines.write("timestamp,value\n")
        for number in range(rows):
            lines.write(f"{start + timedelta(seconds=number * 5)},{number % 97}.{number % 10}\n")
    return file


def _import(stores: Path, file: Path) -> dict[str, int | float]:
    command = [sys.executable, "-m", "meterbook", "import", str(file), "--json", "--data-dir", str(stores)]
    command += ["--project", "p0", "--type", "request.count"]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    told = process.stdout.read()
    process.stdout.close()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, told
    (outcome,) = json.loads(told)["files"]
    return {
        "seconds": seconds,
        "peak_mib": used.ru_maxrss // 1024,
        "accepted": outcome["accepted"],
        "duplicates": outcome["duplicates"],
    }
