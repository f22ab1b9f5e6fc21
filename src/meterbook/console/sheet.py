"""Sheets: what is on the screen as a CSV file that Excel opens right, in Korean and Japanese too."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from io import StringIO
from typing import Final

from fastapi.responses import StreamingResponse

from meterbook.core.money import Money

ROWS_A_PART: Final = 1_000
ROWS_MAX: Final = 10_000  # of a list that grows with an account's years, or with the number of accounts
# Without the mark at its beginning, Excel reads a file by the letters of its own country.
_MARK: Final = "\ufeff"
# A spreadsheet takes a text that begins like this for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

Cell = str | int | Decimal | Money | date | datetime | None


def sheet(name: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> StreamingResponse:
    """Return a CSV file: UTF-8 with a mark, numbers and days in the one form that every spreadsheet reads.

    Amounts are written without their currency, which its column names. Rows are written as they come.
    """
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return StreamingResponse(_parts(columns, rows), media_type="text/csv; charset=utf-8", headers=headers)


def in_currency(column: str, currency: str) -> str:
    """Return the name of a column of amounts, which are written without their currency: "Discount (USD)"."""
    return f"{column} ({currency})"


def _parts(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    part = StringIO()
    part.write(_MARK)
    writer = csv.writer(part)
    writer.writerow(columns)
    for number, row in enumerate(rows, start=1):
        writer.writerow([_written(cell) for cell in row])
        if number % ROWS_A_PART == 0:
            yield part.getvalue()
            part.seek(0)
            part.truncate()
    yield part.getvalue()


def _written(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            return f"'{cell}" if cell.startswith(_FORMULA) else cell
        case Decimal():
            return f"{cell:f}"
        case datetime():
            return f"{cell:%Y-%m-%d %H:%M}"
        case date():
            return cell.isoformat()
        case _:
            return str(cell)
