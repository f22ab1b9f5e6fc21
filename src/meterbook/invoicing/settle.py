"""Settle an account: credit and prepaid money pay what is unpaid, oldest invoice first; ended credit expires."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account
from meterbook.core.credits import Application, Credit, settle
from meterbook.core.journal import LedgerAccount, Posting, Reason, entry
from meterbook.invoicing.facts import open_items
from meterbook.ledger.post import post
from meterbook.ledger.queries import expiry_count


def settle_account(session: Session, now: datetime, account: Account, cause: str) -> tuple[Application, ...]:
    """Pay an account's unpaid invoices with its credit and balance, as far as they go; return what paid what.

    `cause` names why now, as "invoice:17" or "payment:5", and makes the entries happen once. The account is locked.
    """
    applications = settle(open_items(session, [account])[account.id])
    by_invoice: dict[int, list[Application]] = {}
    for each in applications:
        assert each.owed.invoice_id is not None, "a draft is not in the books"
        by_invoice.setdefault(each.owed.invoice_id, []).append(each)
    for invoice_id, paid in by_invoice.items():
        postings = [posting for each in paid for posting in _postings(each, invoice_id)]
        post(session, now, entry(Reason.settlement, f"{cause}>invoice:{invoice_id}", account.id, *postings))
    return applications


def expire_credits(session: Session, now: datetime, account: Account, ended_at: datetime) -> None:
    """Take away what is left of credits that ended with or before a month that is closed now; the account is locked."""
    for credit in open_items(session, [account])[account.id].credits:
        if credit.ends_at is None or credit.ends_at > ended_at:
            continue
        postings = (
            Posting(LedgerAccount.promotional_credit, credit.left, credit_id=credit.id),
            Posting(LedgerAccount.promotions, -credit.left),
        )
        source = f"credit:{credit.id}/{expiry_count(session, credit.id) + 1}"
        post(session, now, entry(Reason.credit_expired, source, account.id, *postings))


def _postings(application: Application, invoice_id: int) -> tuple[Posting, Posting]:
    if isinstance(application.source, Credit):
        used = Posting(LedgerAccount.promotional_credit, application.amount, credit_id=application.source.id)
    else:
        used = Posting(LedgerAccount.customer_balance, application.amount, prepayment_id=application.source.id)
    return used, Posting(LedgerAccount.receivable, -application.amount, invoice_id=invoice_id)
