"""Read the catalog that is in force, as values of the core."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from meterbook.catalog.tables import Product as ProductRow
from meterbook.catalog.tables import ProductPrice
from meterbook.core.metering import Hourly, Meter, MeterKind
from meterbook.core.pricing import FreeUnit, Per, Price, PriceModel, Product, Tier
from meterbook.database import asked_once


@asked_once
def current_catalog(session: Session) -> tuple[Product, ...]:
    """Return every product in the order of the catalog file, with all its prices by currency and time."""
    query = select(ProductRow).order_by(ProductRow.position, ProductRow.code).options(joinedload(ProductRow.prices))
    return tuple(_product(row) for row in session.scalars(query).unique())


def product_positions(session: Session) -> dict[str, int]:
    """Return the place of each product, by code, in the catalog's order, from 0."""
    return {product.code: position for position, product in enumerate(current_catalog(session))}


def digest_of(products: Sequence[Product]) -> str:
    """Return a hash of a catalog: it differs when anything in it does, be it the way a number is written."""
    return hashlib.sha256("\n".join(map(repr, products)).encode()).hexdigest()


def _product(row: ProductRow) -> Product:
    meter = Meter(row.meter_type, MeterKind(row.meter_kind), Hourly(row.meter_hourly), row.meter_retention_days)
    return Product(row.code, dict(row.name), row.unit, meter, tuple(price_of(each) for each in row.prices))


def price_of(row: ProductPrice) -> Price:
    """Return the core's price of a stored one."""
    return Price(
        currency=row.currency,
        effective_from=row.effective_from.astimezone(UTC),
        model=PriceModel(row.model),
        per=Per(row.per),
        unit_price=row.unit_price,
        tiers=tuple(_tier(tier) for tier in row.tiers),
        package_size=row.package_size,
        free_quantity=row.free_quantity,
        free_unit=None if row.free_unit is None else FreeUnit(row.free_unit),
        minimum_amount=row.minimum_amount,
    )


def _tier(stored: dict[str, str | None]) -> Tier:
    up_to, unit_price = stored["up_to"], stored["unit_price"]
    assert unit_price is not None, "a tier has its price"
    return Tier(None if up_to is None else Decimal(up_to), Decimal(unit_price))
