"""Verification: whether the books keep their rules, what stands on each ledger account, and the journal as a file."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from meterbook.console.operator.operator_page import UTC, AsOperator
from meterbook.console.operator.report import account_words
from meterbook.exports.journal import begun, journal_csv
from meterbook.invoicing.verify import check_books
from meterbook.ledger.check import trial_balances

router = APIRouter(include_in_schema=False)

FAULTS_SHOWN = 100  # of one rule


@router.get("/verification")
def show_verification(at: AsOperator) -> Response:
    """Show every rule with where it is broken, and the trial balance of each currency, as they are now."""
    return at.show(
        "verification.html",
        "verification",
        checks=check_books(at.session),
        balances=trial_balances(at.session),
        account_words=account_words(at),
        shown=FAULTS_SHOWN,
        month=at.month(""),
    )


@router.get("/journal.csv")
def journal(at: AsOperator, month: Annotated[str, Query(max_length=7)] = "") -> StreamingResponse:
    """Return a row for each posting of a month (UTC), the last one that is over if none is named."""
    of = at.month(month)
    reading = at.request.app.state.database.reading
    parts = begun(journal_csv(reading, of.starts_at(UTC), of.ends_at(UTC), None))
    headers = {"content-disposition": f'attachment; filename="journal-{of}.csv"', "cache-control": "no-store"}
    return StreamingResponse(parts, headers=headers, media_type="text/csv; charset=utf-8")
