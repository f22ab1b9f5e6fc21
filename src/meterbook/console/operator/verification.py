"""Verification: whether the books keep their rules, and what stands on each ledger account."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from meterbook.console.operator.operator_page import AsOperator
from meterbook.console.operator.report import account_words
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
    )
