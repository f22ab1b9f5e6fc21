"""Commands as a person runs them, and what they said."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.doors.conftest import Served

SECONDS = 120


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def run(*arguments: object, stdin: str | None = None) -> Said:
    """Run a command in a process of its own, as a person would."""
    command = [sys.executable, "-m", "meterbook", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


def event(project: str, type_: str, at: str, value: str = "1", id_: str | None = None) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id_ or at,
        "source": "test",
        "type": type_,
        "subject": project,
        "time": at,
        "data": {"value": value, "resource": "lb"},
    }


def requests(served: Served, project: str) -> str:
    (item,) = served.read(
        "usage", "--project", project, "--from", "2026-06-01", "--until", "2026-07-01", "--window", "month"
    )["items"]
    quantity: str = item["quantity"]
    return quantity
