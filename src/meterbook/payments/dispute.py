"""Disputes at a gateway: a charge's money is taken back for the card's holder, and comes again if that was wrong."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of, locked, zone_of
from meterbook.accounts.tables import Account
from meterbook.core.money import Money
from meterbook.errors import Refused
from meterbook.payments.book import add_payment, book_payment
from meterbook.payments.gateway import GatewayNews
from meterbook.payments.refund import LONGEST_REASON
from meterbook.payments.tables import Payment, Refund
from meterbook.payments.take_back import take_back

_log = structlog.get_logger(__name__)


def take_back_disputed(session: Session, now: datetime, gateway: str, news: GatewayNews) -> None:
    """Take back what a dispute took of a charge: nothing of one that is unknown here, or was taken back by hand."""
    query = select(Payment).where(Payment.gateway == gateway, Payment.gateway_reference == news.charge_reference)
    payment = session.scalars(query).one_or_none()
    if payment is None:
        return
    account = session.get_one(Account, payment.account_id)
    same = news.amount_minor is not None and news.currency == payment.currency
    with suppress(Refused):
        row = take_back(
            session,
            now,
            account=account,
            payment=payment,
            reason=f"disputed: {news.message if news.message.isprintable() else ''}"[:LONGEST_REASON],
            most=Money(news.amount_minor or 0, currency_of(account)) if same else None,
            gateway_reference=news.dispute_reference,
        )
        amount = str(Money(row.amount_minor, currency_of(account)))
        _log.warning("payments.disputed", account=account.code, payment=payment.id, amount=amount)


def book_won(session: Session, now: datetime, gateway: str, news: GatewayNews) -> None:
    """Book the money of a dispute that was won as a payment of its own, as much as was taken back for it, once.

    No gateway can refund it: what is refunded of it is the operator's to transfer.
    """
    taken = session.execute(
        select(Refund, Payment)
        .join(Payment, Payment.id == Refund.payment_id)
        .where(Refund.kind == "return", Refund.gateway_reference == news.dispute_reference, Payment.gateway == gateway)
        .order_by(Refund.id)
        .limit(1)
    ).one_or_none()
    if taken is None:
        return
    (account,) = locked(session, [taken.Refund.account_id])
    booked = select(Payment.id).where(
        Payment.account_id == account.id, Payment.gateway.is_(None), Payment.gateway_reference == news.dispute_reference
    )
    if session.scalar(booked) is not None:
        return
    payment = add_payment(
        session,
        now,
        account=account,
        amount=Money(taken.Refund.amount_minor, currency_of(account)),
        method=taken.Payment.method,
        received_on=zone_of(account).local(now).date(),
        reference=taken.Payment.reference,
        gateway_reference=news.dispute_reference,
    )
    book_payment(session, now, account, payment)
