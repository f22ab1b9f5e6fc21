"""Turns a file of usage into ingest requests: CSV and Parquet of one resource, or CloudEvents line by line.

Importing the same usage again counts it once, wherever the file lies, whatever it is called (if the resource is named)
and whichever of its rows were sent before: a row's id is made of its time, and its source of project, type and
resource. A row whose value was corrected is therefore the same event, and the first one stays (DOMAIN 2).
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from meterbook.errors import Invalid
from meterbook.usage.arrow_events import ARROW_STREAM, DICTIONARY
from meterbook.usage.columns import LENGTHS_MAX
from meterbook.usage.occurrence import Occurrences
from meterbook.usage.read_table import Rows, TableColumns, read_csv, read_parquet
from meterbook.usage.unpack import BODY_BYTES_MAX

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Of a request: more are not faster, and there are copies of some requests on their way.
_ROWS_MAX: Final = 25_000
_LINES_MAX: Final = 5_000
_LINES: Final = "application/x-ndjson"
_LINES_BYTES: Final = 4 * 1024 * 1024
_LINE_BYTES_MAX: Final = BODY_BYTES_MAX
_LINE_FILES: Final = (".ndjson", ".jsonl")
_PARQUET_FILES: Final = (".parquet", ".pq")
_PACKED_FILES: Final = (".gz", ".zst")


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What a CSV or Parquet file is: every row is one event of this project, type and resource.

    `resource` None stands for the file's name without its ending.
    """

    project: str
    type: str
    resource: str | None = None
    columns: TableColumns = field(default_factory=TableColumns)


@dataclass(frozen=True, slots=True)
class FileRejection:
    """A row that was not taken: its number in the file, from 1 (a CSV header not counted), and why."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """One request to the ingest door.

    `rows[index]` is the file's row of the request's event `index`, as in a receipt's rejections; `refused` are rows
    that are no events at all and were left out; `is_distinct` says that no id is there twice in the file. `bytes_read`
    of the file's `bytes_total` were read so far.
    """

    content_type: str
    body: bytes
    rows: npt.NDArray[np.int64]
    refused: tuple[FileRejection, ...]
    is_distinct: bool
    bytes_read: int
    bytes_total: int


def read_file(path: Path, options: TableOptions | None = None) -> Iterator[ImportRequest]:
    """Read a file as ingest requests, one after the other; memory does not grow with the file.

    `.csv` and `.parquet` need `options`; `.ndjson` and `.jsonl` hold CloudEvents as they are; all but Parquet may be
    packed (`.gz`, `.zst`). Times without a zone are UTC. Raises `Invalid` ("broken-file", "unknown-file",
    "missing-option") and `OSError`.
    """
    endings = [ending.lower() for ending in path.suffixes]
    packed = endings.pop() if endings and endings[-1] in _PACKED_FILES else ""
    ending = endings[-1] if endings else ""
    if ending in _LINE_FILES:
        return _read_lines(path, packed)
    if ending not in (".csv", *_PARQUET_FILES) or (packed and ending != ".csv"):
        raise Invalid(f"{path.name} is none of .csv, .parquet, .ndjson and .jsonl", "unknown-file")
    if options is None:
        raise Invalid(f"{path.name} holds rows of one project and type: name both", "missing-option")
    return _read_rows(path, packed, ending, options)


def import_source(project: str, type_: str, resource: str) -> str:
    """Return the CloudEvents source of imported rows."""
    return f"import:{project}/{type_}/{resource}"


def _read_rows(path: Path, packed: str, ending: str, options: TableOptions) -> Iterator[ImportRequest]:
    resource = options.resource or _stem(path)
    constants = {
        "project": options.project,
        "type": options.type,
        "resource": resource,
        "source": import_source(options.project, options.type, resource),
    }
    if any(
        len(text.encode()) > LENGTHS_MAX["subject" if name == "project" else name] for name, text in constants.items()
    ):
        raise Invalid("The project, type or resource is too long", "missing-option")
    total = path.stat().st_size
    occurrences = Occurrences(partial(_times_before, path, packed, ending, options.columns))
    refused: list[FileRejection] = []
    with path.open("rb") as raw, _unpacked(raw, packed) as file:
        for rows in _open_rows(file, ending, options.columns, lambda row, why: refused.append(FileRejection(row, why))):
            table, numbers = _event_table(rows, constants, occurrences, refused)
            for body, part in _arrow_bodies(table, numbers):
                # The CSV reader goes on meanwhile in a thread of its own, and tells of rows further down.
                told = tuple(refused)
                del refused[: len(told)]
                yield ImportRequest(ARROW_STREAM, body, part, told, rows.ids is None, min(raw.tell(), total), total)
    if refused:
        yield ImportRequest(_LINES, b"", np.array([], dtype=np.int64), tuple(refused), False, total, total)


def _open_rows(
    file: BinaryIO, ending: str, columns: TableColumns, refuse: Callable[[int, str], None]
) -> Iterator[Rows]:
    if ending == ".csv":
        return read_csv(file, columns, _ROWS_MAX, refuse)
    return read_parquet(file, columns, _ROWS_MAX)


def _times_before(
    path: Path, packed: str, ending: str, columns: TableColumns, count: int
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the readable times of the file's first `count` rows that have one."""
    with path.open("rb") as raw, _unpacked(raw, packed) as file:
        for rows in _open_rows(file, ending, columns, lambda _row, _why: None):
            times = _micros(rows.times.drop_null())[:count]
            count -= len(times)
            yield times
            if not count:
                return


def _event_table(
    rows: Rows, constants: dict[str, str], occurrences: Occurrences, refused: list[FileRejection]
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    numbers, times, values, ids = rows.numbers, rows.times, rows.values, rows.ids
    if times.null_count:
        missing = np.flatnonzero(times.is_null().to_numpy(zero_copy_only=False)).tolist()
        refused.extend(
            FileRejection(
                int(numbers[row]),
                f"time is not an instant such as 2026-11-20T10:00:00Z: {rows.broken.get(row, '')[:60]!r}",
            )
            for row in missing
        )
        keep = times.is_valid()
        numbers = numbers[keep.to_numpy(zero_copy_only=False)]
        times, values = times.filter(keep), values.filter(keep)
        ids = None if ids is None else ids.filter(keep)
    count = len(times)
    columns = {name: _constant(text, count) for name, text in constants.items()}
    columns |= {"id": _ids_of(times, occurrences) if ids is None else ids, "time": times, "value": values}
    return pa.table(columns), numbers


def _ids_of(times: pa.TimestampArray, occurrences: Occurrences) -> pa.StringArray:
    """Make ids of times, told apart by a number where a time occurs more than once."""
    # The text of a timestamp with a zone takes thirty times as long.
    ids = times.cast(pa.timestamp("us")).cast(pa.string())
    numbers = occurrences.number(_micros(times))
    if numbers.any():
        numbered = pc.binary_join_element_wise(ids, pa.array(numbers).cast(pa.string()), "#")
        ids = pc.if_else(pa.array(numbers > 0), numbered, ids)
    return ids


def _constant(text: str, count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(count, dtype=np.int32)), pa.array([text], pa.string())
    ).cast(DICTIONARY)


def _arrow_bodies(table: pa.Table, numbers: npt.NDArray[np.int64]) -> Iterator[tuple[bytes, npt.NDArray[np.int64]]]:
    """Yield Arrow streams of the rows with the rows' numbers, in halves where a body would be too large."""
    sink = BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    if sink.tell() <= BODY_BYTES_MAX or len(numbers) == 1:
        yield sink.getvalue(), numbers
        return
    half = len(numbers) // 2
    yield from _arrow_bodies(table.slice(0, half), numbers[:half])
    yield from _arrow_bodies(table.slice(half), numbers[half:])


def _micros(times: pa.TimestampArray) -> npt.NDArray[np.int64]:
    return cast("npt.NDArray[np.int64]", times.cast(pa.int64()).to_numpy(zero_copy_only=False))


def _stem(path: Path) -> str:
    """Return the file's name without its endings for packing and format."""
    name = path.name[: -len(path.suffix)] if path.suffix.lower() in _PACKED_FILES else path.name
    return Path(name).stem


def _read_lines(path: Path, packed: str) -> Iterator[ImportRequest]:
    total = path.stat().st_size
    first, lines, size = 1, list[bytes](), 0
    with path.open("rb") as raw, _unpacked(raw, packed) as file:
        while line := file.readline(_LINE_BYTES_MAX):
            if not line.endswith(b"\n") and len(line) == _LINE_BYTES_MAX:
                raise Invalid(f"Line {first + len(lines)} is longer than {_LINE_BYTES_MAX} bytes", "broken-file")
            if lines and (len(lines) == _LINES_MAX or size + len(line) > _LINES_BYTES):
                yield _request_of_lines(lines, first, min(raw.tell(), total), total)
                first, lines, size = first + len(lines), [], 0
            lines.append(line)
            size += len(line)
    if lines:
        yield _request_of_lines(lines, first, total, total)


def _request_of_lines(lines: list[bytes], first: int, bytes_read: int, bytes_total: int) -> ImportRequest:
    numbers = np.arange(first, first + len(lines))
    return ImportRequest(_LINES, b"".join(lines), numbers, (), False, bytes_read, bytes_total)


@contextmanager
def _unpacked(raw: BinaryIO, packed: str) -> Iterator[BinaryIO]:
    try:
        if packed == ".gz":
            with gzip.open(raw) as file:
                yield cast("BinaryIO", file)
        elif packed == ".zst":
            with zstd.open(raw) as frames:
                yield cast("BinaryIO", frames)
        else:
            yield raw
    except (gzip.BadGzipFile, zlib.error, zstd.ZstdError, EOFError) as error:
        raise Invalid(f"The file cannot be unpacked: {error}", "broken-file") from None
