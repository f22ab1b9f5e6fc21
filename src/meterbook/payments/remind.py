"""Remind of invoices that are overdue and were not charged to a card, once each."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import payment_informations, zone_of
from meterbook.accounts.tables import Account
from meterbook.invoicing.queries import invoices_by_id
from meterbook.invoicing.queue import Letter, queue_letters
from meterbook.ledger.queries import unpaid_by_invoice
from meterbook.payments.gateway import ChargeStatus
from meterbook.payments.tables import PaymentAttempt
from meterbook.settings import Settings


def remind_overdue(session: Session, now: datetime, settings: Settings) -> None:
    """Queue a reminder for each invoice that is overdue now; one that was reminded of stays as it is."""
    accounts = {account.id: account for account in session.scalars(select(Account))}
    unpaid = unpaid_by_invoice(session, list(accounts))
    invoices = invoices_by_id(session, list(unpaid)).values()
    informations = payment_informations(session, {invoice.account_id for invoice in invoices})
    # one that succeeded leaves nothing unpaid, unless the payment was taken back
    failed = select(PaymentAttempt.invoice_id).where(
        PaymentAttempt.invoice_id.in_(unpaid),
        PaymentAttempt.id.in_(select(func.max(PaymentAttempt.id)).group_by(PaymentAttempt.invoice_id)),
        PaymentAttempt.status != ChargeStatus.succeeded.value,
    )
    charged = set(session.scalars(failed))
    letters = []
    for invoice in invoices:
        account, information = accounts[invoice.account_id], informations.get(invoice.account_id)
        # of a charge that failed its own letters tell; a card that came after the due date was not charged
        by_card = information is not None and information.method == "card" and invoice.id in charged
        if not by_card and invoice.due_on is not None and invoice.due_on < zone_of(account).local(now).date():
            letters.append(Letter(account, information, invoice, reminder="overdue"))
    queue_letters(session, now, settings, letters)
