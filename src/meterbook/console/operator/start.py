"""The staff's first page: what waits for somebody, each with the way to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from meterbook.accounts.queries import limited_counts
from meterbook.console.operator.fields import Sent
from meterbook.console.operator.operator_page import HOME, UTC, AsOperator, led_to
from meterbook.console.requests import Posted
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.invoicing.account_standings import totals_by_currency
from meterbook.invoicing.attention import draft_sums, undelivered
from meterbook.invoicing.queries import currency_of_invoice
from meterbook.outbox import put_aside, stuck_jobs, try_again
from meterbook.payments.queries import failed_charges
from meterbook.promotions.queries import promotions_ending

router = APIRouter(include_in_schema=False)

SHOWN = 5  # of each kind
ENDING = timedelta(days=14)


@router.get("")
def show_start(at: AsOperator) -> Response:
    """Show drafts to confirm, what is overdue, what failed, who is limited and what ends soon."""
    totals = totals_by_currency(at.session, at.now)
    failed_letters, letters = undelivered(at.session, SHOWN)
    charges = failed_charges(at.session, SHOWN + 1)
    ending = promotions_ending(at.session, at.now, ENDING)
    drafts = draft_sums(at.session)
    limited, jobs = limited_counts(at.session), stuck_jobs(at.session, at.now)
    return at.show(
        "start.html",
        "start",
        drafts=drafts,
        totals=totals,
        overdue=[each for each in totals if each.overdue.minor],
        failed_letters=failed_letters,
        letters=letters,
        charges=[
            (attempt, invoice, account, Money(attempt.amount_minor, currency_of_invoice(invoice)))
            for attempt, invoice, account in charges[:SHOWN]
        ],
        more_charges=len(charges) > SHOWN,
        limited=limited,
        jobs=jobs,
        ending=[(row, UTC.local(row.ends_at)) for row in ending if row.ends_at is not None][:SHOWN],
        ending_count=len(ending),
        month=BillingMonth.of(at.now, UTC).previous(),
        today=UTC.local(at.now),
        is_quiet=not (drafts or failed_letters or charges or limited or jobs or ending)
        and not any(each.overdue.minor for each in totals),
    )


@router.post("/jobs/{task}")
def post_jobs(at: AsOperator, _posted: Posted, sent: Sent, task: Annotated[str, Path(pattern="^[a-z_]+$")]) -> Response:
    """Try the jobs of a task that gave up again, or put them aside."""
    if sent.text("step", 20) == "dismiss":
        put_aside(at.session, task)
        return led_to(HOME, "jobs-dismissed")
    try_again(at.session, task)
    return led_to(HOME, "jobs-retried")
