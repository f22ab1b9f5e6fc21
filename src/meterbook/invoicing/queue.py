"""Queue the letter of an invoice, a credit note or a reminder, in the transaction of its cause."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from meterbook import outbox
from meterbook.accounts.tables import Account, PaymentInformation
from meterbook.errors import Refused
from meterbook.invoicing.tables import CreditNote, Delivery, Invoice
from meterbook.settings import Settings


def queue_letter(
    session: Session,
    now: datetime,
    settings: Settings,
    account: Account,
    information: PaymentInformation | None,
    invoice: Invoice,
    credit_note: CreditNote | None = None,
    reminder: str | None = None,
) -> None:
    """Note a letter and queue its delivery; the same letter again changes nothing.

    Its Message-ID is made of what it is about, so that a letter sent again is known to be the same one. `reminder`
    names a reminder among those of an invoice.
    """
    subject = credit_note.number if credit_note else invoice.number
    kind = "reminder" if reminder else "credit_note" if credit_note else "invoice"
    message_id = f"<{subject}{f'.{reminder}' if reminder else ''}@{settings.mail_domain}>"
    made = session.execute(
        insert(Delivery)
        .values(
            message_id=message_id,
            kind=kind,
            invoice_id=invoice.id,
            credit_note_id=credit_note.id if credit_note else None,
            recipient=information.email if information else account.billing_email,
            cc=information.cc if information else [],
            queued_at=now,
            attempts=0,
        )
        .on_conflict_do_nothing(index_elements=["message_id"])
        .returning(Delivery.id)
    ).scalar_one_or_none()
    if made is not None:
        outbox.defer(session, "deliver", delivery_id=made)


def queue_again(session: Session, account: Account, information: PaymentInformation | None, letter: Delivery) -> None:
    """Queue a letter that did not arrive once more, to where the account's letters go by now.

    Raises `Refused`: "delivered" for one that was sent, "no-recipient" while there is no address.
    """
    if letter.sent_at is not None:
        raise Refused("This letter was delivered: a second one is not sent.", "delivered")
    letter.recipient = information.email if information else account.billing_email
    letter.cc = information.cc if information else []
    if letter.recipient is None:
        raise Refused(f"There is no address to send letters of {account.code} to: register one first.", "no-recipient")
    letter.error = None
    session.flush()
    outbox.defer(session, "deliver", queueing_lock=f"deliver/{letter.id}", delivery_id=letter.id)


def deliveries_of(session: Session, invoice_id: int) -> list[Delivery]:
    """Return the letters of an invoice and its credit notes, in the order they were queued."""
    return list(session.scalars(select(Delivery).where(Delivery.invoice_id == invoice_id).order_by(Delivery.id)))
