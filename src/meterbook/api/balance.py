"""Routes of the balance and of the billing history."""

from __future__ import annotations

from fastapi import APIRouter, Response

from meterbook.api.paging import Cursor, Limit, after_number, page
from meterbook.api.permission import Now, Reader, Transaction
from meterbook.api.scope import AccountCode, billed_account
from meterbook.api.shapes import answer, instant
from meterbook.api.shapes_money import balance_movement, listed_invoices
from meterbook.invoicing.debt import debt_of
from meterbook.invoicing.queries import issued_invoices
from meterbook.payments.balance import balance_standing, moved_balance

router = APIRouter(tags=["balance"])


@router.get("/balance", summary="Prepaid money and promotional credit")
def get_balance(
    session: Transaction,
    access: Reader,
    now: Now,
    account: AccountCode = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Return the balance, the credits with their ends, and how both moved, newest first, each deduction by invoice."""
    payer = billed_account(session, access, account)
    standing = balance_standing(session, payer, now)
    moved = moved_balance(session, payer, after=after_number(cursor), limit=limit + 1)
    return answer(
        {
            "account": payer.code,
            "currency": payer.currency,
            "balance": str(standing.balance),
            "credit": str(standing.credit),
            "credits": [
                {
                    "name": each.name,
                    "amount": str(each.granted),
                    "left": str(each.left),
                    "from": instant(each.starts_at),
                    "until": instant(each.ends_at) if each.ends_at else None,
                    "ended": each.has_ended,
                }
                for each in standing.credits
            ],
            **page(moved, limit, balance_movement, lambda each: each.entry_id),
        }
    )


@router.get("/billing-history", summary="Invoices, and what is unpaid")
def get_billing_history(
    session: Transaction,
    access: Reader,
    now: Now,
    account: AccountCode = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List an account's invoices, newest first, with what is unpaid in all and what of it is overdue."""
    payer = billed_account(session, access, account)
    debt = debt_of(session, payer, now)
    rows = issued_invoices(session, [payer.id], after=after_number(cursor), limit=limit + 1)
    return answer(
        {
            "account": payer.code,
            "currency": payer.currency,
            "unpaid": str(debt.unpaid),
            "overdue": str(debt.overdue),
            **listed_invoices(session, rows, limit, now),
        }
    )
