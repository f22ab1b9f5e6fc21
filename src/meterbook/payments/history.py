"""The history of an account's money: what each payment paid, and what paid or reduced each invoice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.core.journal import Reason
from meterbook.core.money import Money
from meterbook.invoicing.queries import currency_of_invoice, invoices_by_id
from meterbook.invoicing.tables import CreditNote, Invoice
from meterbook.ledger.queries import movements_by_source, movements_of_invoice
from meterbook.payments.queries import payments_by_id, refunds_of
from meterbook.payments.tables import Payment, Refund


@dataclass(frozen=True, slots=True)
class PaidInvoice:
    """What a payment, or the balance, paid of an invoice."""

    number: str
    amount: Money


@dataclass(frozen=True, slots=True)
class PaymentStory:
    """A payment with what it paid, what of it went into the balance, and what was given or taken back, oldest first."""

    payment: Payment
    amount: Money
    paid: tuple[PaidInvoice, ...]
    to_balance: Money
    refunds: tuple[Refund, ...]


@dataclass(frozen=True, slots=True)
class Settling:
    """An entry that paid an invoice or took something off it; `left` is what it left unpaid.

    `reason` is payment, settlement (from credit and balance), credit_note, write_off, reinstatement or payment_return;
    of the first and the third the payment or the credit note is named. `amount` is what it took off, of it so much
    `from_credit` and `from_balance`; of a payment that was taken back, or a write-off undone, it is below zero.
    """

    at: datetime
    reason: Reason
    amount: Money
    from_credit: Money
    from_balance: Money
    left: Money
    payment: Payment | None
    credit_note: CreditNote | None


def payment_stories(session: Session, account: Account, payments: Sequence[Payment]) -> list[PaymentStory]:
    """Return what became of payments of an account, in their order."""
    money = currency_of(account)
    booked = movements_by_source(session, [f"payment:{payment.id}" for payment in payments])
    ids = {invoice_id for movement in booked.values() for invoice_id, _ in movement.invoices}
    invoices = invoices_by_id(session, ids)
    refunds = refunds_of(session, [payment.id for payment in payments])
    stories = []
    for payment in payments:
        movement = booked.get(f"payment:{payment.id}")
        paid = movement.invoices if movement else ()
        ahead = movement.prepayments if movement else ()
        stories.append(
            PaymentStory(
                payment,
                Money(payment.amount_minor, money),
                tuple(PaidInvoice(str(invoices[id_].number), Money(-minor, money)) for id_, minor in paid),
                Money(-sum(minor for _, minor in ahead), money),
                tuple(refunds.get(payment.id, ())),
            )
        )
    return stories


def settlings_of(session: Session, account: Account, invoice: Invoice, notes: Sequence[CreditNote]) -> list[Settling]:
    """Return what paid an issued invoice or took something off it, oldest first; `notes` are its credit notes."""
    money = currency_of_invoice(invoice)
    moved = movements_of_invoice(session, invoice.id, account.id)
    sources = [movement.source.partition(":") for movement in moved if movement.reason is Reason.payment]
    payments = payments_by_id(session, [int(id_) for _, _, id_ in sources])
    by_source: dict[str, CreditNote] = {f"credit_note:{note.id}": note for note in notes}
    left, found = invoice.total_minor, []
    for movement in moved:
        amount = -sum(minor for invoice_id, minor in movement.invoices if invoice_id == invoice.id)
        left -= amount
        paid = movement.reason is Reason.payment
        settled = movement.reason is Reason.settlement
        found.append(
            Settling(
                at=movement.posted_at,
                reason=movement.reason,
                amount=Money(amount, money),
                from_credit=Money(sum(minor for _, minor in movement.credits) if settled else 0, money),
                from_balance=Money(sum(minor for _, minor in movement.prepayments) if settled else 0, money),
                left=Money(left, money),
                payment=payments[int(movement.source.partition(":")[2])] if paid else None,
                credit_note=by_source.get(movement.source),
            )
        )
    return found


def years_of(session: Session, account: Account, now: datetime) -> list[int]:
    """Return the years since the first invoice or payment of an account, newest first; none before either."""
    zone = zone_of(account)
    issued_at = session.scalar(
        select(func.min(Invoice.issued_at)).where(Invoice.account_id == account.id, Invoice.number.is_not(None))
    )
    received_on: date | None = session.scalar(
        select(func.min(Payment.received_on)).where(Payment.account_id == account.id)
    )
    first = [*([zone.local(issued_at).year] if issued_at else []), *([received_on.year] if received_on else [])]
    return list(range(max(zone.local(now).year, *first), min(first) - 1, -1)) if first else []
