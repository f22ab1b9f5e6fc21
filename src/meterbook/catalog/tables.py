"""Rows of products and their prices."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Integer, Numeric, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from meterbook.database import Base


class Product(Base):
    """What is sold, with its meter; `position` is its place in the catalog file."""

    __tablename__ = "product"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    code: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[dict[str, str]] = mapped_column(JSONB)
    unit: Mapped[str] = mapped_column(Text)
    meter_type: Mapped[str] = mapped_column(Text, index=True)
    meter_kind: Mapped[str] = mapped_column(Text)
    meter_hourly: Mapped[str] = mapped_column(Text)
    meter_retention_days: Mapped[int | None] = mapped_column(Integer)
    position: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]

    prices: Mapped[list[ProductPrice]] = relationship(
        order_by="(ProductPrice.currency, ProductPrice.effective_from)",
        cascade="all, delete-orphan",
        lazy="selectin",
    )


class ProductPrice(Base):
    """A price of a product in one currency, in force from an hour until the next one begins (DOMAIN 3).

    Numbers are kept with the decimals they were written with: "12.00" stays "12.00".
    """

    __tablename__ = "product_price"
    __table_args__ = (UniqueConstraint("product_id", "currency", "effective_from"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    currency: Mapped[str] = mapped_column(Text)
    effective_from: Mapped[datetime]
    model: Mapped[str] = mapped_column(Text)
    per: Mapped[str] = mapped_column(Text)
    unit_price: Mapped[Decimal | None] = mapped_column(Numeric)
    tiers: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    package_size: Mapped[Decimal | None] = mapped_column(Numeric)
    free_quantity: Mapped[Decimal | None] = mapped_column(Numeric)
    free_unit: Mapped[str | None] = mapped_column(Text)
    minimum_amount: Mapped[Decimal | None] = mapped_column(Numeric)
    created_at: Mapped[datetime]
