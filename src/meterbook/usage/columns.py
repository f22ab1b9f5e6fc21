"""Events as columns: what the wire forms are turned into, and the checks that need no knowledge of the installation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# Lengths in bytes of UTF-8.
LENGTHS_MAX: Final = {"id": 256, "source": 1024, "type": 256, "subject": 256, "resource": 256, "dimensions": 4096}
TIME_TYPE: Final = pa.timestamp("us", tz="UTC")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN_ID_LENGTH: Final = 200
_NO_VALUE: Final = {
    "id": "no id",
    "source": "no source",
    "type": "no type",
    "subject": "no subject: it names the project",
}
# Matched on text that the buffer check has already found wanting.
_CONTROL: Final = r"[\x00-\x1f\x7f]"


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that was not taken: its position in the request (from 0), its id if it has one, and why."""

    index: int
    id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class EventColumns:
    """Events, one per row: text columns without nulls, instants in UTC, values of nine decimals (null: none sent).

    `positions` holds each row's position in the request.
    """

    positions: npt.NDArray[np.int64]
    ids: pa.StringArray
    sources: pa.StringArray
    types: pa.StringArray
    subjects: pa.StringArray
    resources: pa.StringArray
    times: pa.TimestampArray
    values: pa.Decimal128Array
    dimensions: pa.StringArray

    def __len__(self) -> int:
        return len(self.positions)

    def without(self, reasons: dict[int, str]) -> tuple[EventColumns, list[Rejection]]:
        """Return the other rows, and a rejection for each row (by its number here) that has a reason."""
        if not reasons:
            return self, []
        rows = sorted(reasons)
        rejections = [
            Rejection(int(self.positions[row]), self.ids[row].as_py()[:_SHOWN_ID_LENGTH] or None, reasons[row])
            for row in rows
        ]
        keep = np.ones(len(self), dtype=np.bool_)
        keep[rows] = False
        mask = pa.array(keep)
        return (
            EventColumns(
                self.positions[keep],
                self.ids.filter(mask),
                self.sources.filter(mask),
                self.types.filter(mask),
                self.subjects.filter(mask),
                self.resources.filter(mask),
                self.times.filter(mask),
                self.values.filter(mask),
                self.dimensions.filter(mask),
            ),
            rejections,
        )


def check(columns: EventColumns) -> dict[int, str]:
    """Return the reason for each row that no installation would take, for its texts or its time."""
    reasons: dict[int, str] = {}
    texts = {
        "id": columns.ids,
        "source": columns.sources,
        "type": columns.types,
        "subject": columns.subjects,
        "resource": columns.resources,
        "dimensions": columns.dimensions,
    }
    for name, texts_of_name in texts.items():
        for row, reason in _check_texts(name, texts_of_name):
            reasons.setdefault(row, reason)
    micros = columns.times.cast(pa.int64()).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(micros < 0).tolist():
        reasons.setdefault(row, f"time is before {_EPOCH:%Y}")
    return reasons


def _check_texts(name: str, texts: pa.StringArray) -> Iterator[tuple[int, str]]:
    lengths = pc.binary_length(texts).to_numpy(zero_copy_only=False)
    if name in _NO_VALUE:
        yield from ((row, _NO_VALUE[name]) for row in np.flatnonzero(lengths == 0).tolist())
    limit = LENGTHS_MAX[name]
    too_long = np.flatnonzero(lengths > limit).tolist()
    what = "the further members of data are" if name == "dimensions" else f"{name} is"
    yield from ((row, f"{what} longer than {limit} bytes") for row in too_long)
    if _has_control(texts):
        bad = np.flatnonzero(pc.match_substring_regex(texts, _CONTROL).to_numpy(zero_copy_only=False))
        yield from ((row, f"{name} holds a control character") for row in bad.tolist())


def _has_control(texts: pa.StringArray) -> bool:
    """Look at the column's bytes at once; may say yes for a neighbour in a shared buffer, never no for a culprit."""
    buffer = texts.buffers()[2]
    if buffer is None or not buffer.size:
        return False
    characters = np.frombuffer(buffer, dtype=np.uint8)
    return bool(((characters < 32) | (characters == 127)).any())
