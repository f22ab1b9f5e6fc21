"""Rows of promotions, redemptions and credits."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from meterbook.database import Base


class PromotionRow(Base):
    """A promotion under its code, which is kept in upper case (DOMAIN 5).

    It holds for usage in `[starts_at, ends_at)`, and may be redeemed in that time. `months` is for how many billing
    months from the one of its redemption it holds for an account; None: all of its time. An empty list of products or
    projects means all.
    """

    __tablename__ = "promotion"
    __table_args__ = (
        CheckConstraint("code = upper(code)", "code_upper_case"),
        CheckConstraint("value >= 0", "value_sign"),
        CheckConstraint("ends_at > starts_at", "period"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    code: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    value: Mapped[Decimal] = mapped_column(Numeric)
    currency: Mapped[str | None] = mapped_column(Text)
    applies_to: Mapped[str] = mapped_column(Text)
    products: Mapped[list[str]] = mapped_column(JSONB)
    projects: Mapped[list[str]] = mapped_column(JSONB)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    redemptions_max: Mapped[int | None] = mapped_column(Integer)
    stackable: Mapped[bool]
    priority: Mapped[int] = mapped_column(Integer)
    months: Mapped[int | None] = mapped_column(Integer)
    carry_over: Mapped[bool]
    free_unit: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class Redemption(Base):
    """A promotion that an account registered; `month` is the account's billing month of that moment, as "2026-06".

    An account has one of a promotion at most that was not taken back.
    """

    __tablename__ = "redemption"
    __table_args__ = (Index(None, "promotion_id"), Index(None, "account_id"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    promotion_id: Mapped[int] = mapped_column(ForeignKey("promotion.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    month: Mapped[str] = mapped_column(Text)
    redeemed_at: Mapped[datetime]
    redeemed_by: Mapped[str] = mapped_column(Text)

    withdrawal: Mapped[Withdrawal | None] = relationship(lazy="joined")


class Withdrawal(Base):
    """That a registration was taken back, and why: it holds for no month that was not issued then."""

    __tablename__ = "withdrawal"

    redemption_id: Mapped[int] = mapped_column(ForeignKey("redemption.id"), primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    withdrawn_at: Mapped[datetime]
    withdrawn_by: Mapped[str] = mapped_column(Text)


class CreditRow(Base):
    """Promotional credit that was granted; what is left of it is derived from the ledger. Amounts in minor units."""

    __tablename__ = "credit"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", "amount_sign"),
        CheckConstraint("ends_at > starts_at", "period"),
        Index(None, "account_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    redemption_id: Mapped[int | None] = mapped_column(ForeignKey("redemption.id"), unique=True)
    name: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    granted_at: Mapped[datetime]
