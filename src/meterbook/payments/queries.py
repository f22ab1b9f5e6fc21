"""Reads of payments and refunds."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook.accounts.access import Access
from meterbook.accounts.tables import Account
from meterbook.core.journal import LedgerAccount
from meterbook.core.sentence import say
from meterbook.database import among
from meterbook.errors import NotFound
from meterbook.invoicing.tables import Invoice
from meterbook.ledger.tables import PostingRow
from meterbook.payments.gateway import ChargeStatus
from meterbook.payments.tables import Payment, PaymentAttempt, Refund

PAGE: Final = 100
# The ids of invoices of which something is unpaid, and of the last charge of each invoice that was charged.
OWED_INVOICES: Final = (
    select(PostingRow.invoice_id)
    .where(PostingRow.ledger_account == LedgerAccount.receivable)
    .group_by(PostingRow.invoice_id)
    .having(func.sum(PostingRow.amount_minor) > 0)
)
LAST_ATTEMPTS: Final = select(func.max(PaymentAttempt.id)).group_by(PaymentAttempt.invoice_id)


def payments_of(
    session: Session, account_id: int, *, after: int = 0, limit: int = PAGE, within: tuple[date, date] | None = None
) -> list[Payment]:
    """Return an account's payments, newest first, those before the payment `after`.

    `within` names the days they were received on, from its first until its second, which is not in it.
    """
    query = select(Payment).where(Payment.account_id == account_id).order_by(Payment.id.desc()).limit(limit)
    if within is not None:
        query = query.where(Payment.received_on >= within[0], Payment.received_on < within[1])
    return list(session.scalars(query.where(Payment.id < after) if after else query))


def payments_by_id(session: Session, ids: Collection[int]) -> dict[int, Payment]:
    """Return payments by id."""
    return {row.id: row for row in session.scalars(select(Payment).where(among(Payment.id, ids)))}


def payment_by_id(session: Session, payment_id: int, access: Access) -> tuple[Payment, Account]:
    """Return a payment whose account's billing the caller may see; raises `NotFound`."""
    row = session.execute(
        select(Payment, Account).join(Account, Account.id == Payment.account_id).where(Payment.id == payment_id)
    ).one_or_none()
    if row is None or not access.has_account_billing(row.Account.id):
        raise NotFound(say("There is no payment %(payment)s.", payment=payment_id), "unknown-payment")
    return row.Payment, row.Account


def refunds_by_id(session: Session, ids: Collection[int]) -> dict[int, Refund]:
    """Return refunds by id."""
    return {row.id: row for row in session.scalars(select(Refund).where(among(Refund.id, ids)))}


def refunds_of(session: Session, payment_ids: Collection[int]) -> dict[int, list[Refund]]:
    """Return the refunds of payments, by payment and oldest first."""
    found: dict[int, list[Refund]] = {}
    for row in session.scalars(select(Refund).where(among(Refund.payment_id, payment_ids)).order_by(Refund.id)):
        found.setdefault(row.payment_id, []).append(row)
    return found


def failed_charges(session: Session, limit: int = PAGE) -> list[tuple[PaymentAttempt, Invoice, Account]]:
    """Return the invoices whose last charge did not go through and of which something is unpaid, the newest first."""
    rows = session.execute(
        select(PaymentAttempt, Invoice, Account)
        .join(Invoice, Invoice.id == PaymentAttempt.invoice_id)
        .join(Account, Account.id == Invoice.account_id)
        .where(
            PaymentAttempt.id.in_(LAST_ATTEMPTS),
            PaymentAttempt.status.in_([ChargeStatus.declined.value, ChargeStatus.needs_action.value]),
            Invoice.id.in_(OWED_INVOICES),
        )
        .order_by(PaymentAttempt.id.desc())
        .limit(limit)
    )
    return [(attempt, invoice, account) for attempt, invoice, account in rows]
