"""Record money by hand: a bank transfer that came in, or money paid ahead."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from sqlalchemy.orm import Session

from meterbook.accounts.queries import locked, zone_of
from meterbook.accounts.tables import Account
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.core.sentence import say
from meterbook.errors import Invalid
from meterbook.invoicing.queries import oldest_month
from meterbook.payments.book import add_payment, book_payment, book_top_up, reference_of
from meterbook.payments.tables import Payment

_MONTHS_AHEAD: Final = 13  # a year's prepayment, and a month for its transfer


def record(
    session: Session, now: datetime, *, account: Account, amount: Money, received_on: date, reference: str
) -> Payment:
    """Record a bank transfer: it pays the oldest unpaid invoices, and an overpayment goes to the balance.

    Raises `Invalid` ("wrong-day") for a day that is not over or running in the account's zone, and for one more than 13
    months before the account was added and before the first month it has an invoice or a draft of.
    """
    locked(session, [account.id])
    _check_day(session, now, account, received_on)
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


def _check_day(session: Session, now: datetime, account: Account, day: date) -> None:
    zone = zone_of(account)
    if day > zone.local(now).date():
        raise Invalid(
            say("%(day)s is still to come: record a payment once it is there.", day=day),
            "wrong-day",
            field="received_on",
        )
    # history is imported: its months are closed before what paid them is recorded
    first, oldest = BillingMonth.of(account.created_at, zone), oldest_month(session, account.id)
    if oldest is not None:
        first = min(first, oldest)
    for _ in range(_MONTHS_AHEAD):
        first = first.previous()
    if (day.year, day.month) < (first.year, first.month):
        raise Invalid(
            say(
                "%(day)s is long before the account was added and before its first bill: check the year. What paid an"
                " older month is recorded once that month is closed.",
                day=day,
            ),
            "wrong-day",
            field="received_on",
        )
