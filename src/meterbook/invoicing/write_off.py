"""Write off what is unpaid of an invoice: it becomes bad debt, and nothing is owed for it until it is reinstated."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from meterbook.accounts.queries import locked
from meterbook.accounts.tables import Account
from meterbook.announce import Announcement, Happening, announce
from meterbook.core.journal import LedgerAccount, Posting, Reason, entry
from meterbook.core.money import Money
from meterbook.core.sentence import say
from meterbook.errors import Refused
from meterbook.invoicing.limit import lift_limits
from meterbook.invoicing.queries import currency_of_invoice
from meterbook.invoicing.settle import settle_account
from meterbook.invoicing.tables import Invoice
from meterbook.ledger.post import post
from meterbook.ledger.queries import times_posted, unpaid_of, written_off_of


def write_off(session: Session, now: datetime, *, account: Account, invoice: Invoice) -> Money:
    """Write off what is unpaid of an invoice and return it; limits that it brought are lifted.

    Raises `Refused` ("nothing-unpaid") when nothing is.
    """
    locked(session, [account.id])
    unpaid = Money(unpaid_of(session, invoice.id, account.id), currency_of_invoice(invoice))
    if not unpaid.minor:
        raise Refused(say("Nothing of %(invoice)s is unpaid.", invoice=invoice.number), "nothing-unpaid")
    before = times_posted(session, Reason.reinstatement, invoice_id=invoice.id)
    source = f"invoice:{invoice.id}/{before}" if before else f"invoice:{invoice.id}"
    post(session, now, entry(Reason.write_off, source, account.id, *_lost(invoice, unpaid)))
    lift_limits(session, now, account)
    announce(session, now, _told(Happening.invoice_written_off, account, invoice, unpaid))
    return unpaid


def reinstate(session: Session, now: datetime, *, account: Account, invoice: Invoice) -> Money:
    """Undo a write-off: what became bad debt is unpaid again; return it. Credit and balance then pay what they can.

    Raises `Refused` ("not-written-off") when nothing of the invoice is.
    """
    locked(session, [account.id])
    lost = Money(written_off_of(session, invoice.id, account.id), currency_of_invoice(invoice))
    if not lost.minor:
        raise Refused(say("Nothing of %(invoice)s is written off.", invoice=invoice.number), "not-written-off")
    source = f"invoice:{invoice.id}/{times_posted(session, Reason.reinstatement, invoice_id=invoice.id) + 1}"
    post(session, now, entry(Reason.reinstatement, source, account.id, *_lost(invoice, -lost)))
    announce(session, now, _told(Happening.invoice_reinstated, account, invoice, lost))
    settle_account(session, now, account, f"reinstatement:{source}")
    return lost


def _lost(invoice: Invoice, amount: Money) -> tuple[Posting, Posting]:
    return Posting(LedgerAccount.bad_debt, amount), Posting(LedgerAccount.receivable, -amount, invoice_id=invoice.id)


def _told(happening: Happening, account: Account, invoice: Invoice, amount: Money) -> Announcement:
    told = {"invoice": invoice.number, "currency": amount.currency.code, "amount": str(amount)}
    return Announcement(happening, account.code, str(invoice.number), told)
