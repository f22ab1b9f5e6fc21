"""Reads the rows of CSV and Parquet files as batches of times, value texts and ids, without ever holding the file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from meterbook.errors import Invalid
from meterbook.usage.columns import TIME_TYPE

# About a hundred thousand rows of a time and a value.
_BLOCK_BYTES: Final = 3 * 1024 * 1024
# A file with more rows of another number of fields is not the CSV file it is taken for.
_SKIPPED_MAX: Final = 100_000
_HEADER_BYTES_MAX: Final = 64 * 1024
_COLUMNS_SHOWN: Final = 20
_NAIVE: Final = pa.timestamp("us")


@dataclass(frozen=True, slots=True)
class TableColumns:
    """Which columns of a file hold what."""

    time: str = "timestamp"
    value: str = "value"
    id: str | None = None

    def names(self) -> list[str]:
        """Return the columns to read."""
        return [self.time, self.value] + ([self.id] if self.id else [])

    def missing(self, found: Sequence[str]) -> str | None:
        """Return what to do about the first column that is not among those of a file, None when all are."""
        options = ((self.time, "--time-column"), (self.value, "--value-column"), (self.id, "--id-column"))
        for name, option in options:
            if name is None or name in found:
                continue
            if len(found) == 1 and (";" in found[0] or "\t" in found[0]):
                mark = "semicolons" if ";" in found[0] else "tabs"
                return f"The separator has to be a comma: the header {found[0]!r} is one column, parted by {mark}"
            shown = ", ".join(found[:_COLUMNS_SHOWN]) + (", ..." if len(found) > _COLUMNS_SHOWN else "")
            return f"There is no column {name!r}: name the right one with {option}; the columns are {shown}"
        return None


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a file: `numbers` counts its data rows from 1; a null time could not be read, its text is in `broken`."""

    numbers: npt.NDArray[np.int64]
    times: pa.TimestampArray
    values: pa.StringArray
    ids: pa.StringArray | None
    broken: dict[int, str]


def read_csv(
    file: BinaryIO, columns: TableColumns, rows_max: int, refuse: Callable[[int, str], None]
) -> Iterator[Rows]:
    """Yield a CSV file's rows; a row with another number of fields is told to `refuse` with its number and left out.

    Everything is read as text, so that no value passes through a binary float. Raises `Invalid` ("broken-file").
    """
    skipped: list[int] = []

    def skip(row: pa.csv.InvalidRow) -> str:
        number = (row.number or 0) - 1
        if len(skipped) == _SKIPPED_MAX:
            return "error"
        skipped.append(number)
        refuse(number, f"the row has {row.actual_columns} fields, the header {row.expected_columns}")
        return "skip"

    try:
        reader = pa.csv.open_csv(
            file,
            read_options=pa.csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
            parse_options=pa.csv.ParseOptions(invalid_row_handler=skip, newlines_in_values=False),
            convert_options=pa.csv.ConvertOptions(
                include_columns=columns.names(), column_types=dict.fromkeys(columns.names(), pa.string())
            ),
        )
        done = 0
        for batch in reader:
            numbers = _numbers(done, batch.num_rows, skipped)
            done += batch.num_rows
            yield from _rows(batch, numbers, columns, rows_max)
    except (pa.ArrowException, KeyError, UnicodeDecodeError) as error:
        if isinstance(error, KeyError) and (what := columns.missing(_header(file))):
            raise Invalid(what, "broken-file") from None
        raise Invalid(f"The CSV file cannot be read: {error}", "broken-file") from None


def read_parquet(file: BinaryIO, columns: TableColumns, rows_max: int) -> Iterator[Rows]:
    """Yield a Parquet file's rows; a float becomes its shortest decimal text. Raises `Invalid` ("broken-file")."""
    try:
        parquet = pa.parquet.ParquetFile(file)
        _check_types(parquet.schema_arrow, columns)
        done = 0
        for batch in parquet.iter_batches(batch_size=rows_max, columns=columns.names()):
            yield from _rows(batch, np.arange(done + 1, done + 1 + batch.num_rows), columns, rows_max)
            done += batch.num_rows
    except pa.ArrowException as error:
        raise Invalid(f"The Parquet file cannot be read: {error}", "broken-file") from None


def _header(file: BinaryIO) -> list[str]:
    """Return the names in the first line of a CSV file that holds anything."""
    file.seek(0)
    lines = file.read(_HEADER_BYTES_MAX).decode("utf-8-sig", "replace").splitlines()
    return next(csv.reader(line for line in lines if line.strip()), [])


def _check_types(schema: pa.Schema, columns: TableColumns) -> None:
    if what := columns.missing(schema.names):
        raise Invalid(what, "broken-file")
    time = schema.field(columns.time).type
    if not (pa.types.is_timestamp(time) or _is_text(time)):
        raise Invalid(f"The column {columns.time!r} holds {time}, neither timestamps nor text", "broken-file")
    value = schema.field(columns.value).type
    numeric = pa.types.is_integer(value) or pa.types.is_floating(value) or pa.types.is_decimal(value)
    if not (numeric or _is_text(value)):
        raise Invalid(f"The column {columns.value!r} holds {value}, neither numbers nor text", "broken-file")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _numbers(done: int, count: int, skipped: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return the rows' numbers in the file, of which the skipped ones do not reach us."""
    rows = np.arange(done, done + count)
    gaps = np.sort(np.array(skipped, dtype=np.int64))
    # So many of the rows that reach us lie before each gap.
    before = gaps - np.arange(len(gaps)) - 1
    return rows + 1 + np.searchsorted(before, rows, "right")


def _rows(
    batch: pa.RecordBatch, numbers: npt.NDArray[np.int64], columns: TableColumns, rows_max: int
) -> Iterator[Rows]:
    for start in range(0, batch.num_rows, rows_max):
        part = batch.slice(start, rows_max)
        times, broken = _read_times(part.column(columns.time))
        values = part.column(columns.value).cast(pa.string())
        values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
        ids = part.column(columns.id).cast(pa.string()) if columns.id else None
        yield Rows(numbers[start : start + part.num_rows], times, values, ids, broken)


def _read_times(column: pa.Array) -> tuple[pa.TimestampArray, dict[int, str]]:
    """Return instants; times without a zone are UTC."""
    if pa.types.is_timestamp(column.type):
        return column.cast(TIME_TYPE, safe=False), {}
    texts = column.cast(pa.string())
    for kind in (_NAIVE, TIME_TYPE):
        try:
            return texts.cast(kind).cast(TIME_TYPE), {}
        except pa.ArrowInvalid:
            continue
    times: list[datetime | None] = []
    broken: dict[int, str] = {}
    for row, text in enumerate(texts.to_pylist()):
        time = _read_time(text or "")
        if time is None:
            broken[row] = text or ""
        times.append(time)
    return pa.array(times, TIME_TYPE), broken


def _read_time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
