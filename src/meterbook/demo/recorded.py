"""The recorded series of examples/cloudwatch: which file says what, for the ordinary CSV import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterbook.demo.catalog import examples_folder

RECORDED_MONTHS: Final = ("2014-02", "2014-03", "2014-04")
# What the first part of a file's name says: where the series belongs and what its rows mean.
_MEANING: Final = {
    "ec2": ("cw-web", "host.seen"),
    "rds": ("cw-data", "database.seen"),
    "elb": ("cw-web", "request.count"),
}


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A CSV file with the columns timestamp (UTC) and value, and what to import it as."""

    path: Path
    project: str
    type: str

    @property
    def resource(self) -> str:
        """The resource that the file's name stands for."""
        return self.path.stem


def recorded_files() -> tuple[RecordedFile, ...]:
    """Return the recorded series in order of their names."""
    paths = sorted((examples_folder() / "cloudwatch").glob("*.csv"))
    return tuple(RecordedFile(path, *_MEANING[path.name.partition("_")[0]]) for path in paths)
