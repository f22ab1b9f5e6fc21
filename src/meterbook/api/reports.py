"""The route of the month report: what a month came to in the books."""

from __future__ import annotations

from fastapi import APIRouter, Response

from meterbook.api.invoices import Month
from meterbook.api.permission import Now, Operator, Transaction
from meterbook.api.shapes import Json, answer, instant
from meterbook.api.times import month_of
from meterbook.core.money import plain
from meterbook.core.period import billing_zone
from meterbook.exports.month_report import MonthReport, begun, month_reports

router = APIRouter(tags=["reports"])


@router.get("/reports/month", summary="A month of the books")
def get_month(session: Transaction, _access: Operator, now: Now, month: Month = None) -> Response:
    """Return by currency how each ledger account moved in a month (UTC), revenue, tax, and what is owed at its end.

    Refuses a month that has not begun.
    """
    of = month_of(month, billing_zone("UTC"), now)
    starts_at, ends_at = begun(of, now)
    return answer(
        {
            "month": str(of),
            "from": instant(starts_at),
            "until": instant(ends_at),
            "is_over": ends_at <= now,
            "currencies": [_shape(each) for each in month_reports(session, starts_at, ends_at, now)],
        }
    )


def _shape(report: MonthReport) -> Json:
    return {
        "currency": report.currency.code,
        "ledger_accounts": [
            {
                "ledger_account": each.ledger_account.value,
                "opening": str(each.opening),
                "changes": {reason.value: str(amount) for reason, amount in each.changes},
                "closing": str(each.closing),
            }
            for each in report.movements
        ],
        "revenue": [
            {"product": each.product, "billed": str(each.billed), "credited": str(each.credited)}
            for each in report.revenue
        ],
        "tax": [{"rate": plain(each.rate), "base": str(each.base), "tax": str(each.tax)} for each in report.taxes],
        "owed": {name: str(amount) for name, amount in report.owed.items()},
    }
