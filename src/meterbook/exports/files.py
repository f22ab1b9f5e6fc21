"""Files of rows: CSV for whatever reads text; FOCUS as Parquet too, for what would rather have types."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from io import BytesIO, StringIO
from typing import Final

import pyarrow as pa
from pyarrow import parquet

from meterbook.core.money import plain
from meterbook.exports.focus import Cell, Kind, Row, Version, columns

ROWS_A_PART: Final = 1_000
PRICE_DECIMALS: Final = 12  # those of a unit price in a catalog; quantities have fewer
_TYPES: Final = {
    Kind.text: pa.string(),
    Kind.amount: pa.decimal128(38, 4),
    Kind.quantity: pa.decimal128(38, PRICE_DECIMALS),
    Kind.instant: pa.timestamp("us", "UTC"),
}


def focus_csv(rows: Iterable[Row], version: Version) -> Iterator[str]:
    """Return a CSV file of UTF-8 in parts: instants as ISO 8601 in UTC, nulls empty."""
    kinds = columns(version)
    return csv_file(kinds, ([_written(row.get(name), kind) for name, kind in kinds.items()] for row in rows))


def csv_file(names: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield a CSV file in parts: its columns' names, then a line for each row."""
    part = StringIO()
    writer = csv.writer(part, lineterminator="\n")
    writer.writerow(names)
    for number, row in enumerate(rows, start=1):
        writer.writerow(row)
        if number % ROWS_A_PART == 0:
            yield part.getvalue()
            part.seek(0)
            part.truncate()
    yield part.getvalue()


def focus_parquet(rows: Iterable[Row], version: Version) -> bytes:
    """Return a Parquet file: costs and quantities as decimals, instants as timestamps in UTC."""
    kinds = columns(version)
    schema = pa.schema([(name, _TYPES[kind]) for name, kind in kinds.items()])
    found = list(rows)
    values = {name: [row.get(name) for row in found] for name in kinds}
    out = BytesIO()
    parquet.write_table(pa.table(values, schema=schema), out, compression="zstd")
    return out.getvalue()


def _written(cell: Cell, kind: Kind) -> str:
    match cell:
        case None:
            return ""
        case str():
            return cell
        case Decimal():
            return plain(cell) if kind is Kind.quantity else f"{cell:f}"
        case datetime():
            return _instant(cell)


@lru_cache(maxsize=256)
def _instant(at: datetime) -> str:
    """Write an instant once for all the rows that have it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
