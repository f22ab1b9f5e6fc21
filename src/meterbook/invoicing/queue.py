"""Queue the letter of an invoice, a credit note or a reminder, in the transaction of its cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from meterbook import outbox
from meterbook.accounts.tables import Account, PaymentInformation
from meterbook.announce import Announcement, Happening, announce
from meterbook.core.money import Money
from meterbook.core.sentence import say
from meterbook.errors import Refused
from meterbook.invoicing.queries import currency_of_invoice
from meterbook.invoicing.tables import CreditNote, Delivery, Invoice
from meterbook.settings import Settings

OVERDUE: Final = "overdue"


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter about an invoice, or about its `credit_note`; `reminder` names a reminder among those of an invoice.

    It is OVERDUE, or tells of a charge that was declined.
    """

    account: Account
    information: PaymentInformation | None
    invoice: Invoice
    credit_note: CreditNote | None = None
    reminder: str | None = None

    @property
    def kind(self) -> str:
        """What the letter is, as deliveries call it."""
        return "reminder" if self.reminder else "credit_note" if self.credit_note else "invoice"

    def message_id(self, domain: str) -> str:
        """Return its Message-ID, made of what it is about, so that a letter sent again is known to be the same one."""
        subject = self.credit_note.number if self.credit_note else self.invoice.number
        return f"<{subject}{f'.{self.reminder}' if self.reminder else ''}@{domain}>"


def queue_letters(session: Session, now: datetime, settings: Settings, letters: Sequence[Letter]) -> None:
    """Note letters, queue their deliveries and announce what they tell; the same letter again changes nothing."""
    rows = [
        {
            "message_id": letter.message_id(settings.mail_domain),
            "kind": letter.kind,
            "invoice_id": letter.invoice.id,
            "credit_note_id": letter.credit_note.id if letter.credit_note else None,
            "recipient": letter.information.email if letter.information else letter.account.billing_email,
            "cc": letter.information.cc if letter.information else [],
            "queued_at": now,
            "attempts": 0,
        }
        for letter in letters
    ]
    if not rows:
        return
    noted = (
        insert(Delivery)
        .on_conflict_do_nothing(index_elements=["message_id"])
        .returning(Delivery.id, Delivery.message_id)
    )
    made = {row.message_id: row.id for row in session.execute(noted, rows)}
    outbox.defer_all(session, "deliver", [outbox.Job({"delivery_id": id_}) for id_ in sorted(made.values())])
    new = [letter for letter, row in zip(letters, rows, strict=True) if row["message_id"] in made]
    announce(session, now, *map(_told, new))


def queue_again(session: Session, account: Account, information: PaymentInformation | None, letter: Delivery) -> None:
    """Queue a letter that did not arrive once more, to where the account's letters go by now.

    Raises `Refused`: "delivered" for one that was sent, "no-recipient" while there is no address.
    """
    if letter.sent_at is not None:
        raise Refused("This letter was delivered: a second one is not sent.", "delivered")
    letter.recipient = information.email if information else account.billing_email
    letter.cc = information.cc if information else []
    if letter.recipient is None:
        raise Refused(
            say("There is no address to send letters of %(account)s to: register one first.", account=account.code),
            "no-recipient",
        )
    letter.error = None
    session.flush()
    outbox.defer(session, "deliver", queueing_lock=f"deliver/{letter.id}", delivery_id=letter.id)


def deliveries_of(session: Session, invoice_id: int) -> list[Delivery]:
    """Return the letters of an invoice and its credit notes, in the order they were queued."""
    return list(session.scalars(select(Delivery).where(Delivery.invoice_id == invoice_id).order_by(Delivery.id)))


def _told(letter: Letter) -> Announcement:
    """Return what a letter tells, for programs."""
    invoice, note = letter.invoice, letter.credit_note
    data: dict[str, object] = {"invoice": invoice.number, "currency": invoice.currency}
    if note is not None:
        happening, subject, amount = Happening.credit_note_issued, note.number, note.total_minor
    else:
        subject, amount = str(invoice.number), invoice.total_minor
        data |= {"month": invoice.month, "due_on": invoice.due_on and invoice.due_on.isoformat()}
        happening = Happening.invoice_issued
        if letter.reminder:
            happening = Happening.invoice_overdue if letter.reminder == OVERDUE else Happening.payment_declined
    data["total"] = str(Money(amount, currency_of_invoice(invoice)))
    return Announcement(happening, letter.account.code, subject, data)
