"""Write off what is unpaid of an invoice: it becomes bad debt, and nothing is owed for it any more."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from meterbook.accounts.queries import locked
from meterbook.accounts.tables import Account
from meterbook.core.journal import LedgerAccount, Posting, Reason, entry
from meterbook.core.money import Money
from meterbook.core.sentence import say
from meterbook.errors import Refused
from meterbook.invoicing.queries import currency_of_invoice
from meterbook.invoicing.tables import Invoice
from meterbook.ledger.post import post
from meterbook.ledger.queries import unpaid_of


def write_off(session: Session, now: datetime, *, account: Account, invoice: Invoice) -> Money:
    """Write off what is unpaid of an invoice and return it; raises `Refused` ("nothing-unpaid") when nothing is."""
    locked(session, [account.id])
    unpaid = Money(unpaid_of(session, invoice.id, account.id), currency_of_invoice(invoice))
    if not unpaid.minor:
        raise Refused(say("Nothing of %(invoice)s is unpaid.", invoice=invoice.number), "nothing-unpaid")
    post(
        session,
        now,
        entry(
            Reason.write_off,
            f"invoice:{invoice.id}",
            account.id,
            Posting(LedgerAccount.bad_debt, unpaid),
            Posting(LedgerAccount.receivable, -unpaid, invoice_id=invoice.id),
        ),
    )
    return unpaid
