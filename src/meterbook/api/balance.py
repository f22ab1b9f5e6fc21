"""Routes of the balance and of the billing history."""

from __future__ import annotations

from fastapi import APIRouter, Response

from meterbook.accounts.queries import currency_of, zone_of
from meterbook.api.paging import Cursor, Limit, after_number, cursor_at, page
from meterbook.api.permission import Now, Reader, Transaction
from meterbook.api.scope import AccountCode, billed_account
from meterbook.api.shapes import answer, instant
from meterbook.api.shapes_money import balance_movement, invoice_row
from meterbook.core.journal import Reason
from meterbook.core.money import Money
from meterbook.invoicing.queries import invoices_by_id, issued_invoices
from meterbook.ledger.queries import balance_through, credits_left, movements, unpaid_by_invoice
from meterbook.promotions.queries import credits_of

router = APIRouter(tags=["balance"])

_MOVES = (
    Reason.payment,
    Reason.top_up,
    Reason.settlement,
    Reason.refund,
    Reason.credit_note,
    Reason.credit_granted,
    Reason.credit_expired,
)


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
    money = currency_of(payer)
    found = movements(session, payer.id, after=after_number(cursor), limit=limit + 1, reasons=_MOVES)
    moved = [each for each in found if each.prepayments or each.credits]
    ids = {invoice_id for each in moved for invoice_id, _ in each.invoices}
    numbers = {id_: row.number for id_, row in invoices_by_id(session, list(ids)).items()}
    shown = [each for each in moved if len(found) <= limit or each.entry_id >= found[limit - 1].entry_id]
    left = credits_left(session, [payer.id])
    granted = [
        {
            "name": row.name,
            "amount": str(Money(row.amount_minor, money)),
            "left": str(Money(left.get(row.id, 0), money)),
            "from": instant(row.starts_at),
            "until": instant(row.ends_at) if row.ends_at else None,
            "ended": row.ends_at is not None and row.ends_at <= now,
        }
        for row in credits_of(session, payer.id)
    ]
    items = [
        balance_movement(each, payer, numbers, Money(balance_through(session, payer.id, each.entry_id), money))
        for each in shown
    ]
    return answer(
        {
            "account": payer.code,
            "currency": payer.currency,
            "balance": str(Money(balance_through(session, payer.id), money)),
            "credit": str(Money(sum(left.values()), money)),
            "credits": granted,
            "items": items,
            "next_cursor": cursor_at(found[limit - 1].entry_id) if len(found) > limit else None,
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
    money = currency_of(payer)
    unpaid = unpaid_by_invoice(session, [payer.id])
    owed = invoices_by_id(session, list(unpaid))
    today = zone_of(payer).local(now).date()
    overdue = sum(unpaid[row.id] for row in owed.values() if row.due_on is not None and row.due_on < today)
    rows = issued_invoices(session, [payer.id], after=after_number(cursor), limit=limit + 1)
    listed = page(rows, limit, lambda row: invoice_row(session, *row, now), lambda row: row[0].id)
    return answer(
        {
            "account": payer.code,
            "currency": payer.currency,
            "unpaid": str(Money(sum(unpaid.values()), money)),
            "overdue": str(Money(overdue, money)),
            **listed,
        }
    )
