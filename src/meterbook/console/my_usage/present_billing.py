"""Presenting the billing history: invoices, payments and credit notes of a time as rows; it computes no amount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Generic, TypeVar

from meterbook.accounts.tables import PaymentInformation
from meterbook.console.address import address_of
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth, BillingZone
from meterbook.invoicing.debt import Debt
from meterbook.invoicing.queries import Standing, currency_of_invoice
from meterbook.invoicing.tables import CreditNote, Invoice
from meterbook.payments.history import PaidInvoice, PaymentStory
from meterbook.payments.next_payment import NextPayment

HISTORY = "/billing-history"
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class HistoryState:
    """What the reader looks at: an account's year, or all of it (None).

    `before` begins the invoices after one that was shown (by id), `payments_before` the payments.
    """

    account: str
    year: int | None
    before: int = 0
    payments_before: int = 0

    def href(self, sheet: str = "") -> str:
        """Return the address of this state, or of one of its sheets ("/invoices.csv")."""
        return address_of(
            f"{HISTORY}{sheet}",
            account=self.account,
            year=self.year,
            before=self.before or None,
            payments_before=self.payments_before or None,
        )

    def in_year(self, year: int | None) -> HistoryState:
        """Return the first page of another year, or of all of them."""
        return HistoryState(self.account, year)

    def invoices_before(self, before: int) -> HistoryState:
        """Return the state with another page of invoices."""
        return replace(self, before=before)

    def with_payments_before(self, before: int) -> HistoryState:
        """Return the state with another page of payments."""
        return replace(self, payments_before=before)


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """An invoice as a row; its four amounts beside `amount` add up to it."""

    number: str
    month: BillingMonth
    issued_on: date
    due_on: date | None
    amount: Money
    paid: Money
    credited: Money
    written_off: Money
    unpaid: Money
    status: str


@dataclass(frozen=True, slots=True)
class RefundRow:
    """What was given back of a payment, or is on its way (`status` pending), or could not be (declined).

    Of `kind` "return" it was taken back.
    """

    kind: str
    asked_on: date
    amount: Money
    status: str


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment as a row."""

    id: int
    received_on: date
    method: str
    reference: str
    amount: Money
    paid: tuple[PaidInvoice, ...]
    to_balance: Money
    refunds: tuple[RefundRow, ...]


@dataclass(frozen=True, slots=True)
class CreditNoteRow:
    """A credit note as a row; `returned` of it was paid before, and went back into balance or credit."""

    number: str
    issued_on: date
    invoice: str
    reason: str
    amount: Money
    returned: Money


@dataclass(frozen=True, slots=True)
class HowToPay:
    """How an account pays: `card` is the label of the one that can be charged, `instruction` the operator's text.

    `method` is card, bank_transfer, send_invoice, or None while nothing is registered.
    """

    method: str | None
    card: str | None
    instruction: str | None


@dataclass(frozen=True, slots=True)
class Rows(Generic[Row]):
    """One page of rows, newest first, and where the older and the newest are."""

    rows: tuple[Row, ...]
    older_href: str | None
    newest_href: str | None


@dataclass(frozen=True, slots=True)
class BillingHistory:
    """The billing history, ready for its template."""

    state: HistoryState
    currency: str
    zone: BillingZone
    as_of: datetime
    years: tuple[int, ...]
    debt: Debt
    payment: NextPayment
    how_to_pay: HowToPay
    invoices: Rows[InvoiceRow]
    payments: Rows[PaymentRow]
    credit_notes: tuple[CreditNoteRow, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever issued or paid."""
        return not self.years


def how_to_pay(information: PaymentInformation | None, instruction: str) -> HowToPay:
    """Present how an account pays; a card can be charged when a gateway keeps it."""
    if information is None:
        return HowToPay(None, None, instruction or None)
    kept = information.gateway is not None and information.method_reference is not None
    return HowToPay(information.method, (information.method_label or "") if kept else None, instruction or None)


def invoice_row(invoice: Invoice, standing: Standing, zone: BillingZone) -> InvoiceRow:
    """Present an issued invoice."""
    assert invoice.number is not None, "drafts are not shown"
    assert invoice.issued_at is not None, "drafts are not shown"
    return InvoiceRow(
        number=invoice.number,
        month=BillingMonth.parse(invoice.month),
        issued_on=zone.local(invoice.issued_at).date(),
        due_on=invoice.due_on,
        amount=Money(invoice.total_minor, currency_of_invoice(invoice)),
        paid=standing.paid,
        credited=standing.credited,
        written_off=standing.written_off,
        unpaid=standing.unpaid,
        status=standing.status,
    )


def payment_row(story: PaymentStory, zone: BillingZone) -> PaymentRow:
    """Present a payment."""
    payment, money = story.payment, story.amount.currency
    return PaymentRow(
        id=payment.id,
        received_on=payment.received_on,
        method=payment.method,
        reference=payment.reference,
        amount=story.amount,
        paid=story.paid,
        to_balance=story.to_balance,
        refunds=tuple(
            RefundRow(each.kind, zone.local(each.requested_at).date(), Money(each.amount_minor, money), each.status)
            for each in story.refunds
        ),
    )


def credit_note_row(note: CreditNote, invoice: Invoice, zone: BillingZone) -> CreditNoteRow:
    """Present a credit note."""
    money = currency_of_invoice(invoice)
    return CreditNoteRow(
        number=note.number,
        issued_on=zone.local(note.issued_at).date(),
        invoice=str(invoice.number),
        reason=note.reason,
        amount=Money(note.total_minor, money),
        returned=Money(note.returned_minor, money),
    )


def invoice_rows(found: Sequence[InvoiceRow], ids: Sequence[int], limit: int, state: HistoryState) -> Rows[InvoiceRow]:
    """Present one page of invoices, of which one more than `limit` was read; `ids` are theirs."""
    older = state.invoices_before(ids[limit - 1]).href() + "#invoices" if len(found) > limit else None
    newest = state.invoices_before(0).href() + "#invoices" if state.before else None
    return Rows(tuple(found[:limit]), older, newest)


def payment_rows(found: Sequence[PaymentRow], limit: int, state: HistoryState) -> Rows[PaymentRow]:
    """Present one page of payments, of which one more than `limit` was read."""
    older = state.with_payments_before(found[limit - 1].id).href() + "#payments" if len(found) > limit else None
    newest = state.with_payments_before(0).href() + "#payments" if state.payments_before else None
    return Rows(tuple(found[:limit]), older, newest)
