"""Price simulation: a past month of every account by the prices of a file, beside what it comes to."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from meterbook.accounts.queries import visible_accounts
from meterbook.catalog.load import parse_catalog
from meterbook.console.operator.catalog import HERE, LONGEST_FILE
from meterbook.console.operator.fields import Sent
from meterbook.console.operator.operator_page import AsOperator, status_of
from meterbook.console.requests import Posted
from meterbook.core.period import BillingMonth
from meterbook.errors import Invalid
from meterbook.invoicing.simulate import simulate, simulated_totals

router = APIRouter(include_in_schema=False)

ACCOUNTS_A_RUN = 200


@router.post("/catalog/simulation")
def post_simulation(at: AsOperator, _posted: Posted, sent: Sent) -> Response:
    """Draft a month of a page of accounts by the prices of a file, and keep nothing."""
    text = sent.values.get("catalog", ("",))[0].replace("\r\n", "\n")[:LONGEST_FILE]
    after = sent.text("after", 100)
    problem, month, rows, accounts = None, at.month(""), [], []
    try:
        month = at.month(sent.text("month", 20))
        catalog = parse_catalog(text)
        found = visible_accounts(at.session, at.reader.access, after=after or None, limit=ACCOUNTS_A_RUN + 1)
        accounts = found[:ACCOUNTS_A_RUN]
        rows = simulate(at.session, at.usage, accounts, month, at.now, catalog.products)
    except Invalid as wrong:
        problem, found = wrong, []
    return at.show(
        "simulation.html",
        HERE,
        200 if problem is None else status_of(problem),
        text=text,
        month=month,
        months=_months(at.month("")),
        rows=rows,
        totals=simulated_totals(rows),
        first=accounts[0].code if accounts else "",
        last=accounts[-1].code if accounts else "",
        more=len(found) > ACCOUNTS_A_RUN,
        from_start=not after,
        most=ACCOUNTS_A_RUN,
        problem=problem,
    )


def _months(last: BillingMonth) -> list[BillingMonth]:
    months = [last]
    while len(months) < 13:
        months.append(months[-1].previous())
    return months
