"""Settle an account: credit and prepaid money pay what is unpaid, oldest invoice first; ended credit expires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account
from meterbook.announce import Announcement, Happening, announce, announces
from meterbook.core.credits import Application, Credit, settle
from meterbook.core.journal import LedgerAccount, Posting, Reason, entry
from meterbook.invoicing.facts import open_items
from meterbook.invoicing.limit import lift_limits
from meterbook.invoicing.queries import invoices_by_id
from meterbook.ledger.post import post, post_all
from meterbook.ledger.queries import times_posted


def settle_account(session: Session, now: datetime, account: Account, cause: str) -> tuple[Application, ...]:
    """Pay one account's unpaid invoices as `settle_accounts` does, and lift its limits; return what paid what."""
    applications = settle_accounts(session, now, [account], {account.id: cause})[account.id]
    lift_limits(session, now, account)
    return applications


def settle_accounts(
    session: Session, now: datetime, accounts: Sequence[Account], causes: Mapping[int, str]
) -> dict[int, tuple[Application, ...]]:
    """Pay accounts' unpaid invoices with their credit and balance, as far as they go; return what paid what by account.

    `causes` name, by account, why now, as "invoice:17" or "payment:5", and make the entries happen once. The accounts
    are locked.
    """
    applications = {account_id: settle(books) for account_id, books in open_items(session, accounts).items()}
    entries, paid_off = [], list[tuple[Account, int]]()
    payers = {account.id: account for account in accounts}
    for account_id, applied in applications.items():
        by_invoice: dict[int, list[Application]] = {}
        for each in applied:
            assert each.owed.invoice_id is not None, "a draft is not in the books"
            by_invoice.setdefault(each.owed.invoice_id, []).append(each)
        for invoice_id, paid in by_invoice.items():
            postings = [posting for each in paid for posting in _postings(each, invoice_id)]
            source = f"{causes[account_id]}>invoice:{invoice_id}"
            entries.append(entry(Reason.settlement, source, account_id, *postings))
            if sum(each.amount.minor for each in paid) == paid[0].owed.unpaid.minor:
                paid_off.append((payers[account_id], invoice_id))
    post_all(session, now, entries)
    announce_paid(session, now, paid_off)
    return applications


def announce_paid(session: Session, now: datetime, paid_off: Sequence[tuple[Account, int]]) -> None:
    """Announce that nothing is unpaid any more of accounts' invoices (by id)."""
    if not announces(session):
        return
    invoices = invoices_by_id(session, [invoice_id for _, invoice_id in paid_off])
    numbers = [(account, str(invoices[invoice_id].number)) for account, invoice_id in paid_off]
    told = [Announcement(Happening.invoice_paid, account.code, each, {"invoice": each}) for account, each in numbers]
    announce(session, now, *told)


def expire_credits(session: Session, now: datetime, ended: Sequence[tuple[Account, datetime]]) -> None:
    """Take away what is left of credits that ended with or before the ends of accounts' months that are closed now.

    The accounts are locked.
    """
    books = open_items(session, [account for account, _ in ended]) if ended else {}
    expired = [
        (account, credit)
        for account, ended_at in ended
        for credit in books[account.id].credits
        if credit.ends_at is not None and credit.ends_at <= ended_at
    ]
    for account, credit in expired:
        postings = (
            Posting(LedgerAccount.promotional_credit, credit.left, credit_id=credit.id),
            Posting(LedgerAccount.promotions, -credit.left),
        )
        source = f"credit:{credit.id}/{times_posted(session, Reason.credit_expired, credit_id=credit.id) + 1}"
        post(session, now, entry(Reason.credit_expired, source, account.id, *postings))


def _postings(application: Application, invoice_id: int) -> tuple[Posting, Posting]:
    if isinstance(application.source, Credit):
        used = Posting(LedgerAccount.promotional_credit, application.amount, credit_id=application.source.id)
    else:
        used = Posting(LedgerAccount.customer_balance, application.amount, prepayment_id=application.source.id)
    return used, Posting(LedgerAccount.receivable, -application.amount, invoice_id=invoice_id)
