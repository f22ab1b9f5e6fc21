"""Remind of invoices that are overdue and were not charged to a card, once each."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import zone_of
from meterbook.accounts.tables import Account, PaymentInformation
from meterbook.invoicing.queue import OVERDUE, Letter, queue_letters
from meterbook.invoicing.tables import Invoice
from meterbook.payments.gateway import ChargeStatus
from meterbook.payments.queries import LAST_ATTEMPTS, OWED_INVOICES
from meterbook.payments.tables import PaymentAttempt
from meterbook.settings import Settings


def remind_overdue(session: Session, now: datetime, settings: Settings) -> None:
    """Queue a reminder for each invoice that is overdue now; one that was reminded of stays as it is.

    Of a charge to a card that failed its own letters tell. An invoice that no card was asked for is reminded of, as the
    card came after the due date, and one whose charge succeeded: then its payment was taken back.
    """
    failed = select(PaymentAttempt.invoice_id).where(
        PaymentAttempt.id.in_(LAST_ATTEMPTS),
        PaymentAttempt.status != ChargeStatus.succeeded.value,
    )
    by_card = and_(PaymentInformation.method.is_not_distinct_from("card"), Invoice.id.in_(failed))
    rows = session.execute(
        select(Invoice, Account, PaymentInformation)
        .join(Account, Account.id == Invoice.account_id)
        .outerjoin(PaymentInformation, PaymentInformation.account_id == Invoice.account_id)
        .where(
            Invoice.number.is_not(None),
            # by the account's own calendar, which no zone is a day ahead of
            Invoice.due_on < (now + timedelta(days=1)).date(),
            Invoice.id.in_(OWED_INVOICES),
            ~by_card,
        )
        .order_by(Invoice.id)
    )
    letters = [
        Letter(account, information, invoice, reminder=OVERDUE)
        for invoice, account, information in rows
        if invoice.due_on is not None and invoice.due_on < zone_of(account).local(now).date()
    ]
    queue_letters(session, now, settings, letters)
