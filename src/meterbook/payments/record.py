"""Record money by hand: a bank transfer that came in, or money paid ahead."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy.orm import Session

from meterbook.accounts.queries import locked, zone_of
from meterbook.accounts.tables import Account
from meterbook.core.money import Money
from meterbook.payments.book import add_payment, book_payment, book_top_up, reference_of
from meterbook.payments.tables import Payment


def record(
    session: Session, now: datetime, *, account: Account, amount: Money, received_on: date, reference: str
) -> Payment:
    """Record a bank transfer: it pays the oldest unpaid invoices, and an overpayment goes to the balance."""
    locked(session, [account.id])
    payment = add_payment(
        session,
        now,
        account=account,
        amount=amount,
        method="bank_transfer",
        received_on=received_on,
        reference=reference_of(reference),
    )
    book_payment(session, now, account, payment)
    return payment


def top_up(session: Session, now: datetime, *, account: Account, amount: Money, reference: str) -> Payment:
    """Record money paid ahead: it goes into the balance, which pays what is unpaid at once."""
    locked(session, [account.id])
    payment = add_payment(
        session,
        now,
        account=account,
        amount=amount,
        method="top_up",
        received_on=zone_of(account).local(now).date(),
        reference=reference_of(reference),
    )
    book_top_up(session, now, account, payment)
    return payment
