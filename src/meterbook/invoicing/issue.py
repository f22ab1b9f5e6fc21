"""Issue kept drafts: in one transaction they get numbers, entries and settlement, and their mail is queued."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from meterbook import outbox
from meterbook.accounts.queries import currency_of, payment_informations, zone_of
from meterbook.accounts.tables import Account, PaymentInformation
from meterbook.core.credits import Owed, settlement
from meterbook.core.journal import Entry, LedgerAccount, Posting, Reason, entry
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.invoicing.facts import open_items
from meterbook.invoicing.number import DocumentType, next_numbers
from meterbook.invoicing.queries import drafts_with_lines
from meterbook.invoicing.queue import Letter, queue_letters
from meterbook.invoicing.settle import expire_credits, settle_accounts
from meterbook.invoicing.tables import Invoice
from meterbook.ledger.post import post_all
from meterbook.settings import Settings


def issue(
    session: Session, now: datetime, settings: Settings, accounts: Sequence[Account], month: BillingMonth
) -> None:
    """Issue the drafts that are kept of accounts' month, as they are; what is issued already stays as it is.

    What an invoice leaves to pay, and what credit and balance pay of it, is decided now. The accounts are locked
    (`accounts.queries.locked`), so whoever comes second finds it done.
    """
    kept = drafts_with_lines(session, [account.id for account in accounts], month)
    if not kept:
        return
    payers = {account.id: account for account in accounts if account.id in kept}
    books = open_items(session, list(payers.values()))
    informations = payment_informations(session, list(payers))
    numbers, issued_at = next_numbers(session, now, settings, DocumentType.invoice, len(kept))
    for number, invoice in zip(numbers, kept.values(), strict=True):
        account = payers[invoice.account_id]
        total = Money(invoice.total_minor, currency_of(account))
        standing = settlement(Owed(invoice.id, total, invoice.starts_at, invoice.ends_at), books[account.id])
        invoice.unpaid_minor = standing.unpaid.minor
        invoice.credit_used_minor = standing.credit_used.minor
        invoice.balance_used_minor = standing.balance_used.minor
        invoice.number, invoice.issued_at = number, issued_at
        invoice.due_on = due_on(invoice, issued_at, account, settings.due_day)
        invoice.document = parties(settings, account, informations.get(account.id))
    session.flush()
    post_all(session, issued_at, [_entry(payers[invoice.account_id], invoice) for invoice in kept.values()])
    causes = {account_id: f"invoice:{invoice.id}" for account_id, invoice in kept.items()}
    settle_accounts(session, issued_at, list(payers.values()), causes)
    expire_credits(session, issued_at, [(payers[id_], invoice.ends_at) for id_, invoice in kept.items()])
    letters = [Letter(payers[id_], informations.get(id_), invoice) for id_, invoice in kept.items()]
    queue_letters(session, now, settings, letters)
    unpaid = [invoice for invoice in kept.values() if _leaves_something(invoice)]
    outbox.defer_all(session, "collect", [_collection(payers[invoice.account_id], invoice) for invoice in unpaid])


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


def _entry(account: Account, invoice: Invoice) -> Entry:
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
    return entry(Reason.invoice, f"invoice:{invoice.id}", account.id, *postings)


def _leaves_something(invoice: Invoice) -> bool:
    """Whether credit and balance left something to pay."""
    return invoice.credit_used_minor + invoice.balance_used_minor < invoice.total_minor


def _collection(account: Account, invoice: Invoice) -> outbox.Job:
    """Return the charge on the due date, of the card that is registered by then, if one is."""
    assert invoice.due_on is not None, "an issued invoice has its due date"
    due = datetime.combine(invoice.due_on, time(), zone_of(account).tzinfo).astimezone(UTC)
    return outbox.Job({"invoice_id": invoice.id, "attempt": 1}, due)
