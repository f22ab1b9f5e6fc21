"""The route of exports: a month's charges in the columns of FOCUS, as CSV or Parquet."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from meterbook.api.invoices import At, Month
from meterbook.api.permission import Config, Now, Reader, Transaction, Usage
from meterbook.api.scope import AccountCode, payer_of_caller
from meterbook.api.times import moment_of, month_of
from meterbook.exports.files import focus_csv, focus_parquet
from meterbook.exports.focus import Version, focus_rows
from meterbook.exports.month import billed
from meterbook.invoicing.show import show_month

router = APIRouter(tags=["exports"])

PARQUET = "application/vnd.apache.parquet"
Format = Annotated[Literal["csv", "parquet"], Query(alias="format", description="The kind of file.")]
OfVersion = Annotated[Version, Query(description="The version of the specification.")]


@router.get("/exports/focus", summary="A month's charges in the columns of FOCUS", response_class=Response)
def get_focus(
    session: Transaction,
    usage: Usage,
    access: Reader,
    now: Now,
    settings: Config,
    account: AccountCode = None,
    month: Month = None,
    at: At = None,
    kind: Format = "csv",
    version: OfVersion = Version.v1_4,
) -> Response:
    """Return a row for every charge of the projects whose billing the caller may see.

    Of a month that is issued they are the invoice's, with the credit notes issued in the month; else the preview's.
    """
    payer, moment = payer_of_caller(session, access, account), moment_of(at, access, now)
    of = month_of(month, payer.account, moment)
    shown = show_month(session, usage, payer, of, moment)
    rows = focus_rows(billed(session, settings, payer, shown))
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="focus-{payer.account.code}-{of}.{kind}"',
    }
    if kind == "parquet":
        return Response(focus_parquet(rows, version), 200, headers, PARQUET)
    return StreamingResponse(focus_csv(rows, version), 200, headers, "text/csv; charset=utf-8")
