"""Rows of payments, attempts to charge a card, refunds, forms for a card, and gateways' callbacks.

Amounts are minor units of the row's currency. Card numbers never reach this system: a gateway's reference does.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from meterbook.database import Base


class Payment(Base):
    """Money that came in, never edited; what it paid is in the ledger."""

    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", "amount_sign"),
        UniqueConstraint("gateway", "gateway_reference"),
        Index(None, "account_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    currency: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    method: Mapped[str] = mapped_column(Text)
    gateway: Mapped[str | None] = mapped_column(Text)
    gateway_reference: Mapped[str | None] = mapped_column(Text)
    received_on: Mapped[date]
    reference: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime]


class PaymentAttempt(Base):
    """One try to charge a card for an invoice; `key` is the gateway's, so that a repeat is the same try."""

    __tablename__ = "payment_attempt"
    __table_args__ = (UniqueConstraint("invoice_id", "number"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"))
    number: Mapped[int] = mapped_column(Integer)
    key: Mapped[str] = mapped_column(Text, unique=True)
    gateway: Mapped[str] = mapped_column(Text)
    method_reference: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(Text)
    gateway_reference: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text)
    action_url: Mapped[str | None] = mapped_column(Text)
    begun_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"))


class Refund(Base):
    """Money of a payment that went again. A `refund` is given back out of the balance, and pending until it arrived.

    A `return` did not stay: the bank or the card's holder took it back, or it never came in.
    """

    __tablename__ = "refund"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", "amount_sign"),
        CheckConstraint("kind in ('refund', 'return')", "kind_known"),
        Index(None, "payment_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("payment.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    kind: Mapped[str] = mapped_column(Text, server_default="refund")
    currency: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    gateway_reference: Mapped[str | None] = mapped_column(Text)
    requested_at: Mapped[datetime]


class GatewayEvent(Base):
    """A gateway's callback that was taken in, so that it counts once."""

    __tablename__ = "gateway_event"

    gateway: Mapped[str] = mapped_column(Text, primary_key=True)
    event_id: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime]


class CardSetup(Base):
    """A gateway's form that was opened for a card, with the payment information that is registered with the card.

    `url` leads to it. It ends once: with its card registered, or with other payment information.
    """

    __tablename__ = "card_setup"
    __table_args__ = (UniqueConstraint("gateway", "reference"), Index(None, "account_id"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    gateway: Mapped[str] = mapped_column(Text)
    reference: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    information: Mapped[dict[str, Any]] = mapped_column(JSONB)
    begun_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
