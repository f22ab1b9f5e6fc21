"""Presenting prices and what a file would change of them, pure and without a word of HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

from meterbook.catalog.apply import Refusal
from meterbook.catalog.diff import Change
from meterbook.console.formats import formats
from meterbook.core.metering import Meter
from meterbook.core.pricing import Price, Product

Place = tuple[str, str | None, datetime | None]


@dataclass(frozen=True, slots=True)
class ShownTier:
    """A tier: the units above `above` up to `up_to` (None: all that follow), and what each costs."""

    above: Decimal
    up_to: Decimal | None
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class ShownPrice:
    """A price version in UTC; `standing` is past, current or coming."""

    price: Price
    starts_at: datetime
    ends_at: datetime | None
    standing: str
    tiers: tuple[ShownTier, ...]


@dataclass(frozen=True, slots=True)
class ShownProduct:
    """A product with its prices, by currency and newest first."""

    code: str
    name: str
    unit: str
    meter: Meter
    prices: tuple[ShownPrice, ...]


@dataclass(frozen=True, slots=True)
class ShownChange:
    """A difference as a row: its line in the file (None where the file lacks it), and why it is refused, if it is.

    `price` is what is added, or taken away.
    """

    change: Change
    line: int | None
    price: ShownPrice | None
    refused: str


def present_products(
    products: Sequence[Product], language: str, now: datetime, *, with_past: bool
) -> tuple[ShownProduct, ...]:
    """Present a catalog as it stands at `now`, with or without the prices that are over."""
    return tuple(
        ShownProduct(
            product.code,
            product.name_in(language),
            product.unit,
            product.meter,
            tuple(
                shown
                for code in sorted({price.currency for price in product.prices})
                for shown in _versions(product.prices_in(code), now)[::-1]
                if with_past or shown.standing != "past"
            ),
        )
        for product in products
    )


def present_changes(
    changes: Sequence[Change],
    refused: Sequence[Refusal],
    lines: Mapping[Place, int],
    before: Sequence[Product],
    after: Sequence[Product],
    language: str,
) -> tuple[ShownChange, ...]:
    """Present what a file changes, and what of it is refused; a refusal that is about none of the changes is a row."""
    reasons: dict[Place, str] = {}
    for each in refused:
        place = (each.product, each.currency, each.effective_from)
        said = formats(language).said(each.text)
        reasons[place] = f"{reasons[place]} {said}" if place in reasons else said
    prices = _prices(before) | _prices(after)
    rows = []
    for change in changes:
        place = (change.product, change.currency, change.effective_from)
        line = lines.get(place) or lines.get((change.product, None, None))
        rows.append(ShownChange(change, line, prices.get(place), reasons.pop(place, "")))
    for place, text in reasons.items():
        rows += [
            ShownChange(row.change, row.line, row.price, text)
            for row in rows
            if row.change.product == place[0] and not row.refused
        ][:1]
    return tuple(rows)


def _prices(products: Sequence[Product]) -> dict[Place, ShownPrice]:
    return {
        (product.code, price.currency, price.effective_from): _version(price, None, "")
        for product in products
        for price in product.prices
    }


def _versions(prices: Sequence[Price], now: datetime) -> list[ShownPrice]:
    ends = {id(price): later.effective_from for price, later in pairwise(prices)}
    found = []
    for price in prices:
        until = ends.get(id(price))
        standing = (
            "coming" if price.effective_from > now else "past" if until is not None and until <= now else "current"
        )
        found.append(_version(price, until, standing))
    return found


def _version(price: Price, until: datetime | None, standing: str) -> ShownPrice:
    tiers, above = [], Decimal(0)
    for tier in price.tiers:
        tiers.append(ShownTier(above, tier.up_to, tier.unit_price))
        above = tier.up_to or above
    starts_at = price.effective_from.astimezone(UTC)
    return ShownPrice(price, starts_at, None if until is None else until.astimezone(UTC), standing, tuple(tiers))
