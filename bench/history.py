"""The runs that were kept: a JSON file each under bench/history, named by its moment, commit and size."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.figures import Result

FOLDER = Path(__file__).parent / "history"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: when (UTC), of which commit and whether all of it was committed, where, and what came out.

    `busy` is how many percent of the machine others had before each part; `failed` says why a part gave no figures.
    """

    at: str
    commit: str
    clean: bool
    size: str
    machine: dict[str, Any]
    versions: dict[str, str]
    busy: dict[str, float]
    seconds: dict[str, float]
    failed: dict[str, str]
    results: list[Result]

    @property
    def place(self) -> str:
        """The machine in words, by which runs are told apart."""
        told = self.machine
        return f"{told['processor']}, {told['cores']} cores, {told['memory_gib']} GiB"

    @property
    def short_commit(self) -> str:
        """The commit as people write it; a star says that there was more than was committed."""
        return f"{self.commit[:7] or 'none'}{'' if self.clean else '*'}"

    def value(self, part: str, name: str) -> float | None:
        """Return a figure, or None if this run has it not."""
        return next((each.value for each in self.results if (each.part, each.name) == (part, name)), None)


def write(run: Run) -> str:
    """Return a run as JSON."""
    return json.dumps(asdict(run), indent=1) + "\n"


def read(text: str) -> Run:
    """Return the run that `write` wrote."""
    told = json.loads(text)
    return Run(**told | {"results": [Result(**each) for each in told["results"]]})


def keep(run: Run, folder: Path = FOLDER) -> Path:
    """Add a run to the history."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{run.at.replace(':', '')}-{run.commit[:7] or 'none'}-{run.size}.json"
    path.write_text(write(run))
    return path


def kept(folder: Path = FOLDER) -> list[Run]:
    """Return the history, oldest first."""
    return sorted((read(path.read_text()) for path in folder.glob("*.json")), key=lambda run: run.at)


def newest(runs: Iterable[Run], size: str, place: str | None = None) -> Run | None:
    """Return the newest run of a size, of one machine if it is named."""
    fitting = [run for run in runs if run.size == size and place in (None, run.place)]
    return fitting[-1] if fitting else None
