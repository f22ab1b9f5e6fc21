"""Rows of the fake gateway: what it was asked and answered, as a remote service would keep it."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from meterbook.database import Base


class FakeGatewayCharge(Base):
    """A charge or a refund by its key. `charge_reference` is the charge's own, or that of the charge a refund is of."""

    __tablename__ = "fake_gateway_charge"
    __table_args__ = (
        CheckConstraint("kind in ('charge', 'refund')", "kind_known"),
        CheckConstraint("amount_minor > 0", "amount_sign"),
        CheckConstraint("(kind = 'charge') = (method_reference is not null)", "method_of_charge"),
        Index(None, "charge_reference"),
        Index(None, "method_reference"),
    )

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    reference: Mapped[str] = mapped_column(Text, unique=True)
    charge_reference: Mapped[str] = mapped_column(Text)
    method_reference: Mapped[str | None] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    message: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    labels: Mapped[dict[str, str]] = mapped_column(JSONB)


class FakeGatewaySetup(Base):
    """A form for a card; `token` is the card that was chosen in it, None while it is open."""

    __tablename__ = "fake_gateway_setup"

    reference: Mapped[str] = mapped_column(Text, primary_key=True)
    account_code: Mapped[str] = mapped_column(Text)
    token: Mapped[str | None] = mapped_column(Text)
