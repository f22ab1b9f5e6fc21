"""Reads of payments and refunds."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts.access import Access
from meterbook.accounts.tables import Account
from meterbook.errors import NotFound
from meterbook.payments.tables import Payment, Refund

PAGE: Final = 100


def payments_of(session: Session, account_id: int, *, after: int = 0, limit: int = PAGE) -> list[Payment]:
    """Return an account's payments, newest first, those before the payment `after`."""
    query = select(Payment).where(Payment.account_id == account_id).order_by(Payment.id.desc()).limit(limit)
    return list(session.scalars(query.where(Payment.id < after) if after else query))


def payment_by_id(session: Session, payment_id: int, access: Access) -> tuple[Payment, Account]:
    """Return a payment whose account's billing the caller may see; raises `NotFound`."""
    row = session.execute(
        select(Payment, Account).join(Account, Account.id == Payment.account_id).where(Payment.id == payment_id)
    ).one_or_none()
    if row is None or not access.has_account_billing(row.Account.id):
        raise NotFound(f"There is no payment {payment_id}.", "unknown-payment")
    return row.Payment, row.Account


def refunds_of(session: Session, payment_ids: Collection[int]) -> dict[int, list[Refund]]:
    """Return the refunds of payments, by payment and oldest first."""
    found: dict[int, list[Refund]] = {}
    for row in session.scalars(select(Refund).where(Refund.payment_id.in_(payment_ids)).order_by(Refund.id)):
        found.setdefault(row.payment_id, []).append(row)
    return found
