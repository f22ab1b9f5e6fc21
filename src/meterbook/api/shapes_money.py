"""Wire shapes of what was issued and paid: invoices, credit notes, payments, balances."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of
from meterbook.accounts.tables import Account, PaymentInformation
from meterbook.api.paging import page
from meterbook.api.shapes import Json, instant, preview
from meterbook.core.invoice import GroupBy
from meterbook.core.money import Money, plain
from meterbook.invoicing.queries import Standing, credit_notes_of, currency_of_invoice, draft_of, standings
from meterbook.invoicing.queue import deliveries_of
from meterbook.invoicing.tables import CreditNote, Invoice
from meterbook.ledger.queries import Movement, movements_of_invoice
from meterbook.payments.balance import Moved
from meterbook.payments.collect import attempts_of
from meterbook.payments.history import PaymentStory
from meterbook.payments.tables import Refund


def invoice_rows(session: Session, rows: Sequence[tuple[Invoice, Account]], now: datetime) -> list[Json]:
    """Return invoices, and kept drafts, as rows of a list."""
    stand = standings(session, [row for row in rows if row[0].number is not None], now)
    return [_row(invoice, account, stand.get(invoice.id)) for invoice, account in rows]


def listed_invoices(
    session: Session, rows: Sequence[tuple[Invoice, Account]], limit: int, now: datetime
) -> dict[str, object]:
    """Return one page of issued invoices, which were read up to one more than `limit`."""
    shaped = list(zip(rows, invoice_rows(session, rows, now), strict=True))
    return page(shaped, limit, lambda each: each[1], lambda each: each[0][0].id)


def invoice_row(session: Session, invoice: Invoice, account: Account, now: datetime) -> Json:
    """Return an invoice as one row of a list."""
    return invoice_rows(session, [(invoice, account)], now)[0]


def _row(invoice: Invoice, account: Account, standing: Standing | None) -> Json:
    """Return a row; a draft has no standing yet."""
    money = currency_of_invoice(invoice)
    total, nothing = Money(invoice.total_minor, money), Money.zero(money)
    standing = standing or Standing(total, nothing, nothing, nothing, "draft")
    return {
        "number": invoice.number,
        "account": account.code,
        "month": invoice.month,
        "currency": invoice.currency,
        "net": str(Money(invoice.net_minor, money)),
        "tax": str(Money(invoice.tax_minor, money)),
        "total": str(total),
        "paid": str(standing.paid),
        "credited": str(standing.credited),
        "written_off": str(standing.written_off),
        "unpaid_now": str(standing.unpaid),
        "status": standing.status,
        "issued_at": instant(invoice.issued_at) if invoice.issued_at else None,
        "due_on": invoice.due_on.isoformat() if invoice.due_on else None,
    }


def invoice_shape(session: Session, invoice: Invoice, account: Account, now: datetime, by: GroupBy) -> Json:
    """Return an invoice as it was issued, in the form of the preview, and what became of it since."""
    row = invoice_row(session, invoice, account, now)
    as_issued = preview(draft_of(invoice, account.code), by)
    notes = credit_notes_of(session, [invoice.id]).get(invoice.id, [])
    return {
        **as_issued,
        "number": invoice.number,
        "status": row["status"],
        "issued_at": row["issued_at"],
        "due_on": row["due_on"],
        **{name: row[name] for name in ("paid", "credited", "written_off", "unpaid_now")},
        **invoice.document,
        "paid_by": [_paid_by(each, invoice) for each in movements_of_invoice(session, invoice.id, account.id)],
        "credit_notes": [credit_note_shape(note, invoice, account) for note in notes],
        "attempts": [
            {
                "number": attempt.number,
                "status": attempt.status,
                "amount": str(Money(attempt.amount_minor, currency_of_invoice(invoice))),
                "at": instant(attempt.begun_at),
                "message": attempt.message,
                "action_url": attempt.action_url,
            }
            for attempt in attempts_of(session, invoice.id)
        ],
        "letters": [
            {
                "kind": letter.kind,
                "message_id": letter.message_id,
                "to": letter.recipient,
                "queued_at": instant(letter.queued_at),
                "sent_at": instant(letter.sent_at) if letter.sent_at else None,
                "error": letter.error,
            }
            for letter in deliveries_of(session, invoice.id)
        ],
    }


def _paid_by(movement: Movement, invoice: Invoice) -> Json:
    money = currency_of_invoice(invoice)
    paid = -sum(minor for invoice_id, minor in movement.invoices if invoice_id == invoice.id)
    return {
        "reason": movement.reason,
        "source": movement.source.partition(">")[0],
        "at": instant(movement.posted_at),
        "from_credit": str(Money(sum(minor for _, minor in movement.credits), money)),
        "from_balance": str(Money(sum(minor for _, minor in movement.prepayments if minor > 0), money)),
        "amount": str(Money(paid, money)),
    }


def credit_note_shape(note: CreditNote, invoice: Invoice, account: Account) -> Json:
    """Return a credit note."""
    money = currency_of_invoice(invoice)
    return {
        "number": note.number,
        "account": account.code,
        "invoice": invoice.number,
        "currency": invoice.currency,
        "issued_at": instant(note.issued_at),
        "reason": note.reason,
        "lines": [{"line": row.line_position, "net": str(Money(row.net_minor, money))} for row in note.lines],
        "net": str(Money(note.net_minor, money)),
        "tax": [
            {
                "rate": plain(tax.rate),
                "base": str(Money(tax.base_minor, money)),
                "amount": str(Money(tax.amount_minor, money)),
            }
            for tax in note.taxes
        ],
        "total": str(Money(note.total_minor, money)),
        "returned": str(Money(note.returned_minor, money)),
    }


def payment_shape(told: PaymentStory, account: Account) -> Json:
    """Return a payment with the invoices that it paid, what went into the balance, and what was given or taken back."""
    payment = told.payment
    return {
        "id": str(payment.id),
        "account": account.code,
        "currency": payment.currency,
        "amount": str(told.amount),
        "method": payment.method,
        "gateway": payment.gateway,
        "received_on": payment.received_on.isoformat(),
        "reference": payment.reference,
        "recorded_at": instant(payment.recorded_at),
        "paid": [{"invoice": each.number, "amount": str(each.amount)} for each in told.paid],
        "to_balance": str(told.to_balance),
        "refunds": [refund_shape(refund, account) for refund in told.refunds],
    }


def refund_shape(refund: Refund, account: Account) -> Json:
    """Return a refund, or a payment's return."""
    return {
        "id": str(refund.id),
        "kind": refund.kind,
        "payment": str(refund.payment_id),
        "amount": str(Money(refund.amount_minor, currency_of(account))),
        "currency": refund.currency,
        "status": refund.status,
        "reason": refund.reason,
        "requested_at": instant(refund.requested_at),
    }


def information_shape(information: PaymentInformation, account: Account) -> Json:
    """Return payment information; of a card, what people recognize it by and nothing else."""
    return {
        "account": account.code,
        "method": information.method,
        "gateway": information.gateway,
        "card": information.method_label,
        "company": information.company,
        "registration_number": information.registration_number,
        "recipient": information.recipient,
        "email": information.email,
        "cc": information.cc,
        "language": information.language,
        "updated_at": instant(information.updated_at),
    }


def balance_movement(moved: Moved) -> Json:
    """Return how one entry moved prepaid money and credit, and what it left."""
    return {
        "at": instant(moved.at),
        "reason": moved.reason,
        "source": moved.source,
        "balance_change": str(moved.balance_change),
        "credit_change": str(moved.credit_change),
        "paid": [{"invoice": each.number, "amount": str(each.amount)} for each in moved.paid],
        "balance_after": str(moved.balance_after),
        "credit_after": str(moved.credit_after),
    }
