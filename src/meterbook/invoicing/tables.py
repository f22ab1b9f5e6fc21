"""Rows of invoices (drafts among them), their lines, discounts and taxes, credit notes, numbers and deliveries.

Amounts are minor units of the invoice's currency.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from meterbook.database import Base


class Invoice(Base):
    """An account's month: a draft while `number` is None, then an issued invoice, which the database refuses to change.

    `usage_through` is the newest event (by its moment of receipt) that was counted. `terms` are the account's,
    projects' and promotions' as they were, by which the month is re-rated. `document` holds what the paper shows beside
    the amounts: parties, language, payment method. `deferred_months` have adjustments that this invoice could not take.
    """

    __tablename__ = "invoice"
    __table_args__ = (
        UniqueConstraint("account_id", "month"),
        CheckConstraint("(number is null) = (issued_at is null)", "issued_with_number"),
        Index("ix_invoice_issued", "issued_at", postgresql_where=text("number is not null")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    month: Mapped[str] = mapped_column(Text)
    number: Mapped[str | None] = mapped_column(Text, unique=True)
    currency: Mapped[str] = mapped_column(Text)
    rounding: Mapped[str] = mapped_column(Text)
    time_zone: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    drafted_at: Mapped[datetime]
    data_through: Mapped[datetime | None]
    usage_through: Mapped[datetime]
    issued_at: Mapped[datetime | None]
    due_on: Mapped[date | None]
    subtotal_minor: Mapped[int] = mapped_column(BigInteger)
    net_minor: Mapped[int] = mapped_column(BigInteger)
    tax_minor: Mapped[int] = mapped_column(BigInteger)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    unpaid_minor: Mapped[int] = mapped_column(BigInteger)
    credit_used_minor: Mapped[int] = mapped_column(BigInteger)
    balance_used_minor: Mapped[int] = mapped_column(BigInteger)
    terms: Mapped[dict[str, Any]] = mapped_column(JSONB)
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    deferred_months: Mapped[list[str]] = mapped_column(JSONB)

    lines: Mapped[list[InvoiceLine]] = relationship(order_by="InvoiceLine.position", passive_deletes=True)
    discounts: Mapped[list[InvoiceDiscount]] = relationship(order_by="InvoiceDiscount.position", passive_deletes=True)
    taxes: Mapped[list[InvoiceTax]] = relationship(order_by="InvoiceTax.rate.desc()", passive_deletes=True)


class InvoiceLine(Base):
    """One charge, or (`adjusts_month`) the adjustment of an earlier month; `position` counts from 1.

    `product` and `price` are the catalog's as they were. An adjustment has no quantity, price or period.
    """

    __tablename__ = "invoice_line"

    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id", ondelete="cascade"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    project_code: Mapped[str] = mapped_column(Text)
    project_name: Mapped[str] = mapped_column(Text)
    product_code: Mapped[str] = mapped_column(Text)
    product: Mapped[dict[str, Any]] = mapped_column(JSONB)
    price: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    waiver: Mapped[str | None] = mapped_column(Text)
    adjusts_month: Mapped[str | None] = mapped_column(Text)
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    quantity: Mapped[Decimal | None] = mapped_column(Numeric)
    usage_hours: Mapped[int | None] = mapped_column(Integer)
    unit_price: Mapped[Decimal | None] = mapped_column(Numeric)
    formula: Mapped[str] = mapped_column(Text)
    rerated_minor: Mapped[int | None] = mapped_column(BigInteger)
    billed_minor: Mapped[int | None] = mapped_column(BigInteger)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    discount_minor: Mapped[int] = mapped_column(BigInteger)
    tax_rate: Mapped[Decimal] = mapped_column(Numeric)

    @property
    def net_minor(self) -> int:
        """The line after its discount."""
        return self.amount_minor - self.discount_minor


class InvoiceDiscount(Base):
    """What one promotion took off; `shares` by line position, `quantity` what was used of a free one."""

    __tablename__ = "invoice_discount"
    __table_args__ = (Index(None, "redemption_id"),)

    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id", ondelete="cascade"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    redemption_id: Mapped[int] = mapped_column(BigInteger)
    promotion: Mapped[dict[str, Any]] = mapped_column(JSONB)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[str | None] = mapped_column(Text)
    shares: Mapped[dict[str, int]] = mapped_column(JSONB)


class InvoiceTax(Base):
    """The tax of one rate, in percent, on `base_minor`."""

    __tablename__ = "invoice_tax"

    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id", ondelete="cascade"), primary_key=True)
    rate: Mapped[Decimal] = mapped_column(Numeric, primary_key=True)
    base_minor: Mapped[int] = mapped_column(BigInteger)
    amount_minor: Mapped[int] = mapped_column(BigInteger)


class CreditNote(Base):
    """A correction of an issued invoice, never edited; `returned_minor` went back to balance or credit, paid before."""

    __tablename__ = "credit_note"
    __table_args__ = (Index(None, "invoice_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"))
    number: Mapped[str] = mapped_column(Text, unique=True)
    issued_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text)
    net_minor: Mapped[int] = mapped_column(BigInteger)
    tax_minor: Mapped[int] = mapped_column(BigInteger)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    returned_minor: Mapped[int] = mapped_column(BigInteger)
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)

    lines: Mapped[list[CreditNoteLine]] = relationship(order_by="CreditNoteLine.line_position")
    taxes: Mapped[list[CreditNoteTax]] = relationship(order_by="CreditNoteTax.rate.desc()")


class CreditNoteLine(Base):
    """What of a line's net a credit note gives back."""

    __tablename__ = "credit_note_line"

    credit_note_id: Mapped[int] = mapped_column(ForeignKey("credit_note.id"), primary_key=True)
    line_position: Mapped[int] = mapped_column(Integer, primary_key=True)
    net_minor: Mapped[int] = mapped_column(BigInteger)


class CreditNoteTax(Base):
    """What of the tax of one rate a credit note gives back, by the delta method (DOMAIN 6)."""

    __tablename__ = "credit_note_tax"

    credit_note_id: Mapped[int] = mapped_column(ForeignKey("credit_note.id"), primary_key=True)
    rate: Mapped[Decimal] = mapped_column(Numeric, primary_key=True)
    base_minor: Mapped[int] = mapped_column(BigInteger)
    amount_minor: Mapped[int] = mapped_column(BigInteger)


class UnbilledMonth(Base):
    """A month of an account that is not billed, by whose decision and why. Its draft, if one was kept, is gone."""

    __tablename__ = "unbilled_month"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    month: Mapped[str] = mapped_column(Text, primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    decided_at: Mapped[datetime]
    decided_by: Mapped[str] = mapped_column(Text)


class CloseRun(Base):
    """A close of a month that somebody asked for and a job does: for accounts (ids, None: all), how far it came.

    `passed_over` holds account codes with what stood in the way (turn.py); `error` is why it stopped.
    """

    __tablename__ = "close_run"
    __table_args__ = (
        Index("ix_close_run_unfinished", "month", unique=True, postgresql_where=text("ended_at is null")),
        Index(None, "month", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    month: Mapped[str] = mapped_column(Text)
    account_ids: Mapped[list[int] | None] = mapped_column(JSONB(none_as_null=True))
    confirm: Mapped[bool]
    asked_by: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime]
    account_count: Mapped[int] = mapped_column(Integer)
    done_count: Mapped[int] = mapped_column(Integer)
    moved_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    passed_over: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    error: Mapped[str | None] = mapped_column(Text)


class NumberSeries(Base):
    """The last number given of a legal entity, a document type and a year; its row is the queue for the next one."""

    __tablename__ = "number_series"

    legal_entity: Mapped[str] = mapped_column(Text, primary_key=True)
    document_type: Mapped[str] = mapped_column(Text, primary_key=True)
    year: Mapped[int] = mapped_column(Integer, primary_key=True)
    last_number: Mapped[int] = mapped_column(Integer)
    last_issued_at: Mapped[datetime]


class Delivery(Base):
    """The mail of an invoice, a credit note or a reminder, by its Message-ID, which stays the same when sent again."""

    __tablename__ = "delivery"
    __table_args__ = (Index(None, "invoice_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    message_id: Mapped[str] = mapped_column(Text, unique=True)
    kind: Mapped[str] = mapped_column(Text)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"))
    credit_note_id: Mapped[int | None] = mapped_column(ForeignKey("credit_note.id"))
    recipient: Mapped[str | None] = mapped_column(Text)
    cc: Mapped[list[str]] = mapped_column(JSONB)
    queued_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(Text)
