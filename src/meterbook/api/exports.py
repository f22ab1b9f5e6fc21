"""Routes of exports: a month's charges in the columns of FOCUS, as CSV or Parquet, and the journal of the books."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from meterbook.accounts.queries import account_by_code, zone_of
from meterbook.api.invoices import At, Month
from meterbook.api.permission import Config, Now, Operator, Reader, Transaction, Usage, database_of
from meterbook.api.scope import AccountCode, payer_of_caller
from meterbook.api.times import day_or_instant_of, moment_of, month_of
from meterbook.core.period import billing_zone
from meterbook.errors import Invalid
from meterbook.exports.files import focus_csv, focus_parquet
from meterbook.exports.focus import Version, focus_rows
from meterbook.exports.journal import begun, journal_csv
from meterbook.exports.month import billed
from meterbook.invoicing.show import show_month

router = APIRouter(tags=["exports"])

PARQUET = "application/vnd.apache.parquet"
CSV = "text/csv; charset=utf-8"
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
    of = month_of(month, zone_of(payer.account), moment)
    shown = show_month(session, usage, payer, of, moment)
    rows = focus_rows(billed(session, settings, payer, shown))
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="focus-{payer.account.code}-{of}.{kind}"',
    }
    if kind == "parquet":
        return Response(focus_parquet(rows, version), 200, headers, PARQUET)
    return StreamingResponse(focus_csv(rows, version), 200, headers, CSV)


From = Annotated[str, Query(alias="from", max_length=40, description="The first day (2026-10-01, UTC), or an instant.")]
Until = Annotated[str, Query(max_length=40, description="The day or instant before which it ends.")]
OneAccount = Annotated[str | None, Query(alias="account", max_length=64, description="The code of one account.")]


@router.get("/exports/journal", summary="The journal of the books", response_class=Response)
def get_journal(
    request: Request, session: Transaction, access: Operator, since: From, until: Until, code: OneAccount = None
) -> Response:
    """Return a row for each posting of a time, of one account or all: of each currency, debits are credits."""
    zone = billing_zone("UTC")
    starts_at, ends_at = day_or_instant_of(since, zone), day_or_instant_of(until, zone)
    if starts_at >= ends_at:
        raise Invalid("`from` has to lie before `until`.", "wrong-range")
    account_id = None if code is None else account_by_code(session, code, access).id
    parts = begun(journal_csv(database_of(request).reading, starts_at, ends_at, account_id))
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="journal.csv"'}
    return StreamingResponse(parts, 200, headers, CSV)
