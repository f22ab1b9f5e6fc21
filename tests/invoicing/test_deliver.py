"""Invoices and credit notes reach the billing address by a real SMTP server, in the account's language."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from meterbook.database import Database
from meterbook.errors import Busy, Refused
from meterbook.invoicing.correct import credit
from meterbook.invoicing.deliver import deliver
from meterbook.invoicing.queue import deliveries_of
from meterbook.invoicing.tables import Delivery, Invoice
from meterbook.mail import SmtpMailer, SmtpServer
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.invoicing.reading import text_of, tight
from tests.mail.conftest import Postbox, free_port, postbox, serve
from tests.office import Office, usd

# fixtures of the mail's tests
FIXTURES = (postbox, serve)


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path))


def send(office: Office, port: int, delivery: Delivery) -> None:
    mailer = SmtpMailer(SmtpServer("127.0.0.1", port), "billing@seller.example")
    transactions = office.database.transaction
    deliver(transactions, mailer, office.settings, lambda: office.now, delivery_id=delivery.id)


def letters(office: Office, invoice: Invoice) -> list[Delivery]:
    with office.database.transaction() as session:
        return deliveries_of(session, invoice.id)


@pytest.mark.parametrize(
    ("language", "subject"),
    [("en", "Invoice INV-2027-000001"), ("ko", "2027년 6월 청구서"), ("ja", "2027年6月分 請求書")],
)
def test_an_invoice_comes_with_its_pdf_in_the_accounts_language(
    office: Office, serve: Callable[..., int], postbox: Postbox, language: str, subject: str
) -> None:
    code = office.account("10", language)
    office.register(code)
    invoice = office.issued(code, "1234.50")
    (delivery,) = letters(office, invoice)
    send(office, serve(), delivery)
    (letter,) = postbox.letters
    assert subject in letter["subject"]
    assert postbox.recipients == [[f"{code}@money.example"]]
    body = letter.get_body(("plain",))
    assert body is not None
    assert "1,357.95" in body.get_content()
    (paper,) = letter.iter_attachments()
    assert (paper.get_content_type(), paper.get_filename()) == ("application/pdf", f"{invoice.number}.pdf")
    shown = tight(text_of(paper.get_content()))
    assert str(invoice.number) in shown
    assert "1,357.95" in shown
    (delivery,) = letters(office, invoice)
    assert delivery.sent_at is not None
    send(office, serve(), delivery)
    assert len(postbox.letters) == 1, "what was sent is not sent again"


def test_a_letter_that_has_to_be_sent_again_is_the_same_letter(
    office: Office, serve: Callable[..., int], postbox: Postbox
) -> None:
    code, port = office.account(), serve()
    office.register(code)
    invoice = office.issued(code, "10.00")
    (delivery,) = letters(office, invoice)
    send(office, port, delivery)
    with office.database.transaction() as session:
        # as a process leaves it that is killed after the server took the letter
        session.execute(update(Delivery).values(sent_at=None, attempts=0))
    send(office, port, delivery)
    first, second = postbox.letters
    assert first["message-id"] == second["message-id"] == delivery.message_id
    assert first.as_bytes().split(b"boundary")[0] == second.as_bytes().split(b"boundary")[0]


def test_a_bounce_is_noted_and_blocks_nothing(office: Office, serve: Callable[..., int], postbox: Postbox) -> None:
    code = office.account()
    office.register(code)
    postbox.of_recipient[f"{code}@money.example"] = "550 no such mailbox"
    invoice = office.issued(code, "10.00")
    (delivery,) = letters(office, invoice)
    with pytest.raises(Refused):
        send(office, serve(), delivery)
    with pytest.raises(Busy):
        send(office, free_port(), delivery)
    (noted,) = letters(office, invoice)
    assert (noted.sent_at, noted.attempts) == (None, 2)
    assert noted.error
    office.check()


def test_a_credit_note_comes_with_its_paper(office: Office, serve: Callable[..., int], postbox: Postbox) -> None:
    code = office.account("10")
    office.register(code)
    invoice = office.issued(code, "100.00")
    with office.database.transaction() as session:
        stored = session.get_one(Invoice, invoice.id)
        account = office.row(code)
        credit(
            session,
            office.now,
            office.settings,
            account=account,
            invoice=stored,
            reason="Measured twice",
            nets={1: usd("40.00")},
        )
    note = letters(office, invoice)[-1]
    send(office, serve(), note)
    (letter,) = postbox.letters
    assert "CN-2027-000001" in letter["subject"]
    (paper,) = letter.iter_attachments()
    shown = tight(text_of(paper.get_content()))
    assert "44.00" in shown
    assert "Measuredtwice" in shown
    office.check()
