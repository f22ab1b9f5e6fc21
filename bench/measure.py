"""Makes one run: the parts one after the other, each in a process of its own and a folder that is deleted after it."""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

from bench.figures import SIZE, Figure, judge
from bench.history import Run
from bench.machine import busy_percent, commit, machine, versions, warn_if_busy

PARTS = {
    "limits": "bench.limits",
    "ingest": "bench.ingest",
    "reads": "bench.reads",
    "import": "bench.importing",
    "preview": "bench.preview",
    "close": "bench.closing",
    "console": "bench.console",
}


def measure(parts: Iterable[str], modules: Mapping[str, str] = PARTS) -> Run:
    """Measure parts by the `run(folder)` of their modules; one that fails is told and takes no other with it."""
    at, (revision, clean) = datetime.now(UTC), commit()
    figures: dict[str, list[Figure]] = {}
    busy, seconds, failed = {}, {}, {}
    for part in parts:
        busy[part] = busy_percent()
        warn_if_busy(busy[part])
        print(f"{part} ...", file=sys.stderr, flush=True)
        begun = time.perf_counter()
        try:
            figures[part] = _alone(modules[part])
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the other parts' figures are not lost
            traceback.print_exc()
            failed[part] = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        seconds[part] = round(time.perf_counter() - begun, 1)
    return Run(
        at=at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        commit=revision,
        clean=clean,
        size=SIZE,
        machine=machine(),
        versions=versions(),
        busy=busy,
        seconds=seconds,
        failed=failed,
        results=judge(figures),
    )


def _alone(module: str) -> list[Figure]:
    with (
        tempfile.TemporaryDirectory(prefix="meterbook-bench-") as folder,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process,
    ):
        return process.submit(_run, module, Path(folder) / "data").result()


def _run(module: str, folder: Path) -> list[Figure]:
    found: list[Figure] = import_module(module).run(folder)
    return found
