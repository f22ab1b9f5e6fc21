"""Remind of invoices that are overdue and are not charged to a card, once each."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import payment_information_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.invoicing.queries import invoices_by_id
from meterbook.invoicing.queue import queue_letter
from meterbook.ledger.queries import unpaid_by_invoice
from meterbook.settings import Settings


def remind_overdue(session: Session, now: datetime, settings: Settings) -> None:
    """Queue a reminder for each invoice that is overdue now; one that was reminded of stays as it is."""
    accounts = {account.id: account for account in session.scalars(select(Account))}
    unpaid = unpaid_by_invoice(session, list(accounts))
    for invoice in invoices_by_id(session, list(unpaid)).values():
        account = accounts[invoice.account_id]
        information = payment_information_of(session, account.id)
        by_card = information is not None and information.method == "card"
        if not by_card and invoice.due_on is not None and invoice.due_on < zone_of(account).local(now).date():
            queue_letter(session, now, settings, account, information, invoice, reminder="overdue")
