"""Deliver a queued letter: an invoice or a credit note with its PDF, or a reminder, in the account's language."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account
from meterbook.core.money import Money
from meterbook.database import Transactions
from meterbook.errors import MeterbookError
from meterbook.formats import Formats
from meterbook.invoicing.paper import credit_note_pdf, invoice_pdf
from meterbook.invoicing.queries import currency_of_invoice, draft_of, frame_of_invoice
from meterbook.invoicing.tables import CreditNote, Delivery, Invoice
from meterbook.ledger.queries import unpaid_of
from meterbook.mail import Attachment, Letter, Mailer, fit_for_letter
from meterbook.settings import Settings

_PDF = "application/pdf"


def deliver(
    transactions: Transactions,
    mailer: Mailer,
    settings: Settings,
    clock: Callable[[], datetime],
    *,
    delivery_id: int,
) -> None:
    """Send a letter and note that it was sent; one that was sent, or has no recipient, is left alone.

    Killed between the two, it is sent again with the same Message-ID. Raises what the mailer raises, noted beside the
    letter; nothing else waits for it.
    """
    with transactions() as session:
        letter = _letter(session, settings, delivery_id)
    if letter is None:
        return
    try:
        mailer.send(letter)
    except MeterbookError as error:
        with transactions() as session:
            row = session.get_one(Delivery, delivery_id)
            row.attempts, row.error = row.attempts + 1, error.message[:500]
        raise
    with transactions() as session:
        row = session.get_one(Delivery, delivery_id)
        row.attempts, row.sent_at, row.error = row.attempts + 1, clock(), None


def _letter(session: Session, settings: Settings, delivery_id: int) -> Letter | None:
    row = session.get_one(Delivery, delivery_id)
    if row.sent_at is not None or row.recipient is None:
        return None
    invoice = session.get_one(Invoice, row.invoice_id)
    account = session.get_one(Account, invoice.account_id)
    note = None if row.credit_note_id is None else session.get_one(CreditNote, row.credit_note_id)
    shown = invoice.document if note is None else note.document
    language: str = shown["language"]
    words = _words()[_form_of(row)]
    values = _values(session, invoice, account, note, language)
    if note is not None:
        papers = (Attachment(f"{note.number}.pdf", _PDF, credit_note_pdf(note, invoice, account)),)
    else:
        papers = (Attachment(f"{invoice.number}.pdf", _PDF, invoice_pdf(invoice, account)),)
    return Letter(
        to=row.recipient,
        cc=tuple(row.cc),
        subject=words["subject"][language].format(**values),
        text=words["body"][language].lstrip("\n").format(**values) + f"\n{settings.legal_entity_name}\n",
        attachments=papers,
        message_id=row.message_id,
        date=row.queued_at,
        language=language,
    )


def _form_of(row: Delivery) -> str:
    if row.kind != "reminder":
        return row.kind
    return "not_charged" if ".not-charged-" in row.message_id else "overdue"


def _values(
    session: Session, invoice: Invoice, account: Account, note: CreditNote | None, language: str
) -> dict[str, Any]:
    formats, money = Formats(language, {}), currency_of_invoice(invoice)
    draft = draft_of(invoice, account.code)
    shown = invoice.document if note is None else note.document
    return {
        "number": invoice.number if note is None else note.number,
        "invoice": invoice.number,
        "month": formats.month(frame_of_invoice(invoice).month),
        "seller": fit_for_letter(shown["seller"]["name"]),
        "recipient": shown["buyer"]["recipient"] or shown["buyer"]["name"],
        "total": formats.money(draft.total if note is None else Money(note.total_minor, money)),
        "due": formats.money(draft.due),
        "unpaid": formats.money(Money(unpaid_of(session, invoice.id, account.id), money)),
        "due_on": formats.date(invoice.due_on) if invoice.due_on else "",
        "reason": note.reason if note else "",
    }


@cache
def _words() -> dict[str, Any]:
    return tomllib.loads(files("meterbook.invoicing").joinpath("letters.toml").read_text("utf-8"))
