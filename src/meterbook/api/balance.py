"""Routes of the balance and of the billing history."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from meterbook.accounts.queries import account_by_code
from meterbook.accounts.tables import Account
from meterbook.api.paging import Cursor, Limit, after_number, page
from meterbook.api.permission import Now, Operator, Reader, Transaction
from meterbook.api.repeat import Key, answered_once
from meterbook.api.scope import AccountCode, billed_account
from meterbook.api.shapes import Json, answer, instant
from meterbook.api.shapes_money import balance_movement, listed_invoices
from meterbook.api.times import Instant
from meterbook.invoicing.debt import debt_of
from meterbook.invoicing.queries import issued_invoices
from meterbook.payments.balance import HeldCredit, balance_standing, moved_balance
from meterbook.payments.book import amount_of
from meterbook.payments.give_credit import give_credit
from meterbook.promotions.withdraw import withdraw_credit

router = APIRouter(tags=["balance"])


class NewCredit(BaseModel):
    """Promotional credit without a code, under the name that the customer reads."""

    model_config = ConfigDict(extra="forbid")

    account: str = Field(max_length=64)
    amount: str = Field(max_length=40)
    currency: str | None = Field(None, max_length=10)
    name: str = Field(max_length=400)
    until: Instant | None = None


class CreditBack(BaseModel):
    """Whose credit is taken back."""

    model_config = ConfigDict(extra="forbid")

    account: str = Field(max_length=64)


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
            "credits": [_credit(each) for each in standing.credits],
            **page(moved, limit, balance_movement, lambda each: each.entry_id),
        }
    )


@router.post("/balance/credits", status_code=201, summary="Give credit")
def post_credit(
    body: NewCredit, request: Request, session: Transaction, access: Operator, now: Now, key: Key = None
) -> Response:
    """Give an account credit without a code; it pays bills of the running month and later ones."""
    account = account_by_code(session, body.account, access)
    amount = amount_of(account, body.amount, body.currency)

    def act() -> Response:
        given = give_credit(session, now, account=account, amount=amount, name=body.name, ends_at=body.until)
        return answer(_held(session, account, now, given.id), 201)

    return answered_once(request, session, now, access, key, body, act)


@router.post("/balance/credits/{credit}/withdrawal", summary="Take a credit back")
def post_credit_back(
    credit: Annotated[int, Path(ge=1, le=2**62)],
    body: CreditBack,
    request: Request,
    session: Transaction,
    access: Operator,
    now: Now,
    key: Key = None,
) -> Response:
    """Take back what is left of a credit that was given without a code; what it paid stays paid."""
    account = account_by_code(session, body.account, access)

    def act() -> Response:
        withdraw_credit(session, now, account=account, credit_id=credit)
        return answer(_held(session, account, now, credit))

    return answered_once(request, session, now, access, key, body, act)


def _held(session: Session, account: Account, now: datetime, credit_id: int) -> Json:
    held = balance_standing(session, account, now).credits
    return {"account": account.code, "currency": account.currency} | _credit(
        next(each for each in held if each.id == credit_id)
    )


def _credit(credit: HeldCredit) -> Json:
    return {
        "id": credit.id,
        "name": credit.name,
        "by_hand": credit.by_hand,
        "amount": str(credit.granted),
        "left": str(credit.left),
        "from": instant(credit.starts_at),
        "until": instant(credit.ends_at) if credit.ends_at else None,
        "ended": credit.has_ended,
    }


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
