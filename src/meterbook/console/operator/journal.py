"""The journal: what was posted to the books, why and by whom, on a page, and a month of it as a file."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from meterbook.catalog.queries import current_catalog
from meterbook.console.address import address_of
from meterbook.console.operator.operator_page import HOME, UTC, AsOperator
from meterbook.console.operator.report import account_words, reason_words
from meterbook.console.requests import RowOrNone
from meterbook.core.journal import Reason
from meterbook.exports.journal import SoughtEntries, begun, journal_csv, journal_entries

router = APIRouter(include_in_schema=False)

PATH: Final = f"{HOME}/journal"
PAGE: Final = 100
Wanted = Annotated[str, Query(max_length=400)]


@router.get("/journal")
def show_journal(
    at: AsOperator, account: Wanted = "", reason: Wanted = "", by: Wanted = "", before: RowOrNone = 0
) -> Response:
    """List what was posted, the newest first."""
    account, by = account.strip(), by.strip()
    sought = SoughtEntries(account, Reason(reason) if reason in list(Reason) else None, by)
    rows = journal_entries(at.session, sought, before=before, limit=PAGE + 1)
    state = {"account": account, "reason": sought.reason, "by": by}
    return at.show(
        "journal.html",
        "journal",
        sought=sought,
        rows=rows[:PAGE],
        reasons=reason_words(at),
        account_words=account_words(at),
        products={product.code: product.name_in(at.language) for product in current_catalog(at.session)},
        month=at.month(""),
        first=address_of(PATH, **state) if before else None,
        next=address_of(PATH, **state, before=rows[PAGE - 1].entry.id) if len(rows) > PAGE else None,
    )


@router.get("/journal.csv")
def journal(at: AsOperator, month: Annotated[str, Query(max_length=7)] = "") -> StreamingResponse:
    """Return a row for each posting of a month (UTC), the last one that is over if none is named."""
    of = at.month(month)
    reading = at.request.app.state.database.reading
    parts = begun(journal_csv(reading, of.starts_at(UTC), of.ends_at(UTC), None))
    headers = {"content-disposition": f'attachment; filename="journal-{of}.csv"', "cache-control": "no-store"}
    return StreamingResponse(parts, headers=headers, media_type="text/csv; charset=utf-8")
