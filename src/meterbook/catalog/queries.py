"""Read the catalog that is in force, as values of the core."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from meterbook.core.pricing import Product
from meterbook.database import asked_once

# Written as the core's values are named, so that it can be read into them; numbers keep their decimals.
_CATALOG: Final = text("""
    select
        coalesce(
            jsonb_agg(
                jsonb_build_object(
                    'code', code,
                    'name', name,
                    'unit', unit,
                    'meter', jsonb_build_object(
                        'type', meter_type,
                        'kind', meter_kind,
                        'hourly', meter_hourly,
                        'retention_days', meter_retention_days
                    ),
                    'prices', prices
                )
                order by position, code
            ),
            '[]'
        )::text
    from product
    cross join lateral (
        select coalesce(jsonb_agg(to_jsonb(product_price) order by currency, effective_from), '[]') as prices
        from product_price
        where product_id = product.id
    ) as priced
""")
# A store has one catalog at a time, and changes it seldom.
_CATALOGS_KEPT: Final = 4


@asked_once
def current_catalog(session: Session) -> tuple[Product, ...]:
    """Return every product in the order of the catalog file, with all its prices by currency and time."""
    return _catalog(session.scalars(_CATALOG).one())


@lru_cache(maxsize=_CATALOGS_KEPT)
def _catalog(written: str) -> tuple[Product, ...]:
    return msgspec.json.decode(written, type=tuple[Product, ...])


def product_positions(session: Session) -> dict[str, int]:
    """Return the place of each product, by code, in the catalog's order, from 0."""
    return {product.code: position for position, product in enumerate(current_catalog(session))}


def digest_of(products: Sequence[Product]) -> str:
    """Return a hash of a catalog: it differs when anything in it does, be it the way a number is written."""
    return hashlib.sha256("\n".join(map(repr, products)).encode()).hexdigest()
