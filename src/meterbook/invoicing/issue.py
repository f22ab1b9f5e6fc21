"""Issue a kept draft: in one transaction it gets its number, its entries and its settlement, and its mail is queued."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from meterbook import outbox
from meterbook.accounts.queries import currency_of, payment_information_of, zone_of
from meterbook.accounts.tables import Account, PaymentInformation
from meterbook.core.credits import Owed, settlement
from meterbook.core.journal import LedgerAccount, Posting, Reason, entry
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.invoicing.facts import open_items
from meterbook.invoicing.number import DocumentType, next_number
from meterbook.invoicing.queue import queue_letter
from meterbook.invoicing.settle import expire_credits, settle_account
from meterbook.invoicing.tables import Invoice
from meterbook.ledger.post import post
from meterbook.settings import Settings


def issue(session: Session, now: datetime, settings: Settings, account: Account, invoice: Invoice) -> Invoice:
    """Issue a kept draft as it is, and return it; one that is issued already stays as it is.

    What it leaves to pay, and what credit and balance pay of it, is decided now. The account is locked
    (`accounts.queries.locked`), so whoever comes second finds it done.
    """
    if invoice.number is not None:
        return invoice
    money = currency_of(account)
    books = open_items(session, [account])[account.id]
    total = Money(invoice.total_minor, money)
    standing = settlement(Owed(invoice.id, total, invoice.starts_at, invoice.ends_at), books)
    number, issued_at = next_number(session, now, settings, DocumentType.invoice)
    information = payment_information_of(session, account.id)
    invoice.unpaid_minor = standing.unpaid.minor
    invoice.credit_used_minor = standing.credit_used.minor
    invoice.balance_used_minor = standing.balance_used.minor
    invoice.number, invoice.issued_at = number, issued_at
    invoice.due_on = due_on(invoice, issued_at, account, settings.due_day)
    invoice.document = parties(settings, account, information)
    session.flush()
    _book(session, issued_at, account, invoice)
    settle_account(session, issued_at, account, f"invoice:{invoice.id}")
    expire_credits(session, issued_at, account, invoice.ends_at)
    queue_letter(session, now, settings, account, information, invoice)
    _queue_collection(session, account, information, invoice, (standing.credit_used + standing.balance_used).minor)
    return invoice


def discard_later(session: Session, account_id: int, month: BillingMonth) -> None:
    """Throw away drafts that are kept of later months: what this month bills may be in them, as an adjustment.

    Their months can be drafted again.
    """
    later = (Invoice.account_id == account_id, Invoice.month > str(month), Invoice.number.is_(None))
    session.execute(delete(Invoice).where(*later))


def due_on(invoice: Invoice, issued_at: datetime, account: Account, due_day: int) -> date:
    """Return the day by which an invoice is to be paid: the first `due_day` of a month that is not before its issue."""
    zone = zone_of(account)
    issued_on, ended_on = zone.local(issued_at).date(), zone.local(invoice.ends_at).date()
    return due_after(max(issued_on, ended_on), due_day)


def due_after(day: date, due_day: int) -> date:
    """Return the first `due_day` of a month that is not before a day."""
    this = day.replace(day=due_day)
    return this if this >= day else (day.replace(day=1) + timedelta(days=32)).replace(day=due_day)


def parties(settings: Settings, account: Account, information: PaymentInformation | None) -> dict[str, Any]:
    """Return what a document shows of seller, buyer and payment, as it stands when the document is issued."""
    return {
        "seller": {
            "name": settings.legal_entity_name,
            "lines": [line.strip() for line in settings.legal_entity_address.split("|") if line.strip()],
            "registration_number": settings.legal_entity_registration_number,
        },
        "buyer": {
            "name": information.company if information else account.name,
            "recipient": information.recipient if information else None,
            "registration_number": information.registration_number if information else None,
            "email": information.email if information else account.billing_email,
        },
        "language": information.language if information else account.language,
        "payment_method": information.method if information else None,
        "payment_label": information.method_label if information else None,
        "payment_instruction": settings.payment_instruction or None,
    }


def _book(session: Session, now: datetime, account: Account, invoice: Invoice) -> None:
    money = currency_of(account)

    def amount(minor: int) -> Money:
        return Money(minor, money)

    postings = [Posting(LedgerAccount.receivable, amount(invoice.total_minor), invoice_id=invoice.id)]
    postings += [
        Posting(LedgerAccount.revenue, amount(-line.amount_minor), product=line.product_code) for line in invoice.lines
    ]
    postings += [
        Posting(LedgerAccount.promotions, amount(each.amount_minor), redemption_id=each.redemption_id)
        for each in invoice.discounts
    ]
    postings.append(Posting(LedgerAccount.tax_payable, amount(-invoice.tax_minor)))
    post(session, now, entry(Reason.invoice, f"invoice:{invoice.id}", account.id, *postings))


def _queue_collection(
    session: Session, account: Account, information: PaymentInformation | None, invoice: Invoice, used_minor: int
) -> None:
    """Queue the charge of the card for the due date, if something is left to charge."""
    if information is None or information.method != "card" or used_minor >= invoice.total_minor:
        return
    assert invoice.due_on is not None, "an issued invoice has its due date"
    due = datetime.combine(invoice.due_on, time(), zone_of(account).tzinfo).astimezone(UTC)
    outbox.defer(session, "collect", at=due, invoice_id=invoice.id, attempt=1)
