"""Where a run was made: the machine, its load, the versions, and the commit that was measured."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import chdb

import meterbook

REPOSITORY = Path(__file__).resolve().parents[1]
MEASURED = ("src", "bench", "examples", "pyproject.toml", "requirements.lock", ":!bench/history")
BUSY_PERCENT_MAX = 10
REST_SECONDS_MAX = 60


def machine() -> dict[str, object]:
    """Return what tells one machine from another."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"processor": _processor(), "cores": os.cpu_count(), "memory_gib": round(memory / 2**30)}


def versions() -> dict[str, str]:
    """Return the versions of what the figures depend on besides the commit."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "chdb": version("chdb-core"),
        "engine": chdb.engine_version,
        "meterbook": version("meterbook"),
    }


def commit() -> tuple[str, bool]:
    """Return the commit that is checked out, and whether what is measured is as committed."""
    assert Path(meterbook.__file__).is_relative_to(REPOSITORY), f"this measures another checkout: {meterbook.__file__}"
    changed = _git("status", "--porcelain", "--", *MEASURED)
    return _git("rev-parse", "HEAD"), not changed


def busy_percent(seconds: float = 1.0) -> float:
    """Return how much of the machine computes at present, which should be nothing before a part begins."""
    before = _jiffies()
    time.sleep(seconds)
    after = _jiffies()
    spent = [now - then for then, now in zip(before, after, strict=True)]
    return round(100 * (1 - (spent[3] + spent[4]) / max(1, sum(spent))), 1)


def await_rest() -> None:
    """Wait until nothing computes: a server that was just started reads the known identities beside what it answers."""
    latest = time.monotonic() + REST_SECONDS_MAX
    while busy_percent() > BUSY_PERCENT_MAX and time.monotonic() < latest:
        pass


def warn_if_busy(busy: float) -> None:
    """Say so loudly when others compute: figures of such a run tell of them as much as of Meterbook."""
    if busy > BUSY_PERCENT_MAX:
        print(
            f"WARNING: {busy:.0f} % of this machine is busy with something else; do not trust what follows.",
            file=sys.stderr,
            flush=True,
        )


def _jiffies() -> list[int]:
    """Return the time that all cores have spent, by what: 3 is idle, 4 is waiting for a disk (proc(5))."""
    line = Path("/proc/stat").read_text().partition("\n")[0]
    return [int(part) for part in line.split()[1:9]]


def _git(*arguments: str) -> str:
    told = subprocess.run(["git", "-C", str(REPOSITORY), *arguments], check=False, stdout=subprocess.PIPE, text=True)
    return told.stdout.strip() if told.returncode == 0 else ""


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
