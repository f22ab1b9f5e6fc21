"""The timeline of an issued invoice: what happened to it, from its draft until nothing of it is unpaid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from meterbook.core.journal import Reason
from meterbook.core.money import Money
from meterbook.invoicing.queries import currency_of_invoice
from meterbook.invoicing.tables import CreditNote, Delivery, Invoice
from meterbook.payments.gateway import ChargeStatus
from meterbook.payments.history import Settling
from meterbook.payments.tables import Payment, PaymentAttempt


class Kind(StrEnum):
    """What can happen to an invoice."""

    drafted = "drafted"
    issued = "issued"
    letter = "letter"
    attempt = "attempt"
    payment = "payment"
    settlement = "settlement"
    credit_note = "credit_note"
    write_off = "write_off"
    reinstatement = "reinstatement"
    payment_return = "payment_return"
    paid = "paid"


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened; `amount` where one moved or was asked for, and the row it is told from.

    A letter or an attempt stands at its newest moment: when it was sent or ended, or else queued or begun.
    """

    at: datetime
    kind: Kind
    amount: Money | None = None
    letter: Delivery | None = None
    attempt: PaymentAttempt | None = None
    payment: Payment | None = None
    credit_note: CreditNote | None = None


def timeline_of(
    invoice: Invoice,
    settlings: Sequence[Settling],
    notes: Sequence[CreditNote],
    letters: Sequence[Delivery],
    attempts: Sequence[PaymentAttempt],
) -> list[Happening]:
    """Return what happened to an issued invoice, oldest first.

    An attempt that succeeded is told by its payment, a credit note once whether it reduced what was unpaid or not.
    """
    found = [*_own(invoice), *_of_money(settlings), *_of_others(invoice, notes, letters, attempts)]
    if invoice.total_minor == 0 and invoice.issued_at is not None:
        found.append(Happening(invoice.issued_at, Kind.paid))
    elif settlings and settlings[-1].left.minor == 0 and settlings[-1].reason is not Reason.write_off:
        found.append(Happening(settlings[-1].at, Kind.paid))
    order = list(Kind)
    return sorted(found, key=lambda each: (each.at, order.index(each.kind)))


def _own(invoice: Invoice) -> Iterator[Happening]:
    assert invoice.issued_at is not None, "only what is issued has a timeline"
    # closes of past months may be replayed: a draft is never told after its invoice
    yield Happening(min(invoice.drafted_at, invoice.issued_at), Kind.drafted)
    yield Happening(invoice.issued_at, Kind.issued, Money(invoice.total_minor, currency_of_invoice(invoice)))


def _of_money(settlings: Sequence[Settling]) -> Iterator[Happening]:
    for each in settlings:
        if each.reason is not Reason.credit_note:
            yield Happening(each.at, Kind(each.reason.value), each.amount, payment=each.payment)


def _of_others(
    invoice: Invoice, notes: Sequence[CreditNote], letters: Sequence[Delivery], attempts: Sequence[PaymentAttempt]
) -> Iterator[Happening]:
    money = currency_of_invoice(invoice)
    for note in notes:
        yield Happening(note.issued_at, Kind.credit_note, Money(note.total_minor, money), credit_note=note)
    for letter in letters:
        yield Happening(letter.sent_at or letter.queued_at, Kind.letter, letter=letter)
    for attempt in attempts:
        if attempt.status != ChargeStatus.succeeded:
            at = attempt.ended_at or attempt.begun_at
            yield Happening(at, Kind.attempt, Money(attempt.amount_minor, money), attempt=attempt)
