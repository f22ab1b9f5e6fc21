"""Book money that came in: it pays unpaid invoices, and what is over goes into the balance (DOMAIN 6)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of
from meterbook.accounts.tables import Account
from meterbook.announce import Announcement, Happening, announce
from meterbook.core.journal import LedgerAccount, Posting, Reason, entry
from meterbook.core.money import Money
from meterbook.core.sentence import say
from meterbook.errors import Invalid, Refused
from meterbook.invoicing.facts import open_items
from meterbook.invoicing.limit import lift_limits
from meterbook.invoicing.settle import announce_paid, settle_account
from meterbook.ledger.post import add_prepayment, post
from meterbook.payments.tables import Payment

LONGEST_REFERENCE: Final = 200


def amount_of(account: Account, text: str, currency: str | None = None) -> Money:
    """Read an amount above zero in the account's currency; raises `Invalid`, or `Refused` ("wrong-currency")."""
    if currency not in (None, account.currency):
        raise Refused(
            say(
                "The account %(account)s is billed in %(currency)s: give the amount in it.",
                account=account.code,
                currency=account.currency,
            ),
            "wrong-currency",
        )
    try:
        amount = Money.parse(text, currency_of(account))
    except ValueError as error:
        raise Invalid(say("%(what)s.", what=error.args[0]), "wrong-amount", field="amount") from None
    if amount.minor <= 0:
        raise Invalid("The amount has to be above zero.", "wrong-amount", field="amount")
    return amount


def reference_of(text: str) -> str:
    """Return what a payment is recognized by; raises `Invalid`."""
    reference = text.strip()
    if len(reference) > LONGEST_REFERENCE or not (reference.isprintable() or not reference):
        raise Invalid(
            say("The reference has %(most)s characters at most.", most=LONGEST_REFERENCE),
            "wrong-reference",
            field="reference",
        )
    return reference


def add_payment(
    session: Session,
    now: datetime,
    *,
    account: Account,
    amount: Money,
    method: str,
    received_on: date,
    reference: str,
    gateway: str | None = None,
    gateway_reference: str | None = None,
) -> Payment:
    """Note money that came in; booking it is `book_payment` or `book_top_up`."""
    payment = Payment(
        account_id=account.id,
        currency=amount.currency.code,
        amount_minor=amount.minor,
        method=method,
        gateway=gateway,
        gateway_reference=gateway_reference,
        received_on=received_on,
        reference=reference,
        recorded_at=now,
    )
    session.add(payment)
    session.flush()
    announce(session, now, told(Happening.payment_received, account, payment.id, amount))
    return payment


def told(happening: Happening, account: Account, payment_id: int, amount: Money) -> Announcement:
    """Return what is announced of a payment: the amount that came, or went again."""
    data = {"payment": payment_id, "currency": amount.currency.code, "amount": str(amount)}
    return Announcement(happening, account.code, str(payment_id), data)


def book_payment(session: Session, now: datetime, account: Account, payment: Payment, first: int | None = None) -> None:
    """Let a payment pay the invoice `first` and then the oldest unpaid ones; the rest goes into the balance.

    The account is locked.
    """
    money = currency_of(account)
    left, paid_off = payment.amount_minor, list[tuple[Account, int]]()
    postings = [Posting(LedgerAccount.cash_clearing, Money(left, money))]
    owed = open_items(session, [account])[account.id].owed
    for each in sorted(owed, key=lambda item: item.invoice_id != first):
        part = min(left, each.unpaid.minor)
        if part:
            left -= part
            postings.append(Posting(LedgerAccount.receivable, Money(-part, money), invoice_id=each.invoice_id))
            if part == each.unpaid.minor and each.invoice_id is not None:
                paid_off.append((account, each.invoice_id))
    if left:
        rest = Money(left, money)
        lot = add_prepayment(session, now, account_id=account.id, amount=rest, source=f"payment:{payment.id}")
        postings.append(Posting(LedgerAccount.customer_balance, -rest, prepayment_id=lot))
    post(session, now, entry(Reason.payment, f"payment:{payment.id}", account.id, *postings))
    announce_paid(session, now, paid_off)
    lift_limits(session, now, account)


def book_top_up(session: Session, now: datetime, account: Account, payment: Payment) -> None:
    """Put a payment into the balance, which then pays what is unpaid; the account is locked."""
    amount = Money(payment.amount_minor, currency_of(account))
    lot = add_prepayment(session, now, account_id=account.id, amount=amount, source=f"payment:{payment.id}")
    post(
        session,
        now,
        entry(
            Reason.top_up,
            f"payment:{payment.id}",
            account.id,
            Posting(LedgerAccount.cash_clearing, amount),
            Posting(LedgerAccount.customer_balance, -amount, prepayment_id=lot),
        ),
    )
    settle_account(session, now, account, f"payment:{payment.id}")
