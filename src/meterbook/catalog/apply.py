"""Apply a catalog: all of it or nothing, and never a change to a price or a meter that usage was counted by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial, reduce
from itertools import pairwise
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from meterbook.catalog.diff import Change, diff
from meterbook.catalog.load import Catalog
from meterbook.catalog.queries import current_catalog, digest_of
from meterbook.catalog.tables import Product as ProductRow
from meterbook.catalog.tables import ProductPrice
from meterbook.core.pricing import Price, Product
from meterbook.core.sentence import Sentence, say
from meterbook.errors import Refused

IsMetered = Callable[[str, str, datetime, datetime | None], bool]
"""Whether usage of a type by accounts of a currency is stored in [from, until); until None is for ever."""
IssuedUntil = Callable[[str], datetime | None]
"""The end of the latest month that was issued in a currency, None if none was."""
_IsUsed = Callable[[Price], bool]
# Any constant: the key of the lock that keeps two catalogs from being applied at once.
_CATALOG_LOCK: Final = 0x636174616C6F67


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a catalog may not be applied: of a product, or of its price that begins in `currency` at `effective_from`."""

    product: str
    text: Sentence
    currency: str | None = None
    effective_from: datetime | None = None


def apply_catalog(
    session: Session,
    catalog: Catalog,
    now: datetime,
    is_metered: IsMetered,
    issued_until: IssuedUntil = lambda _: None,
    seen: str | None = None,
) -> list[Change]:
    """Make the stored catalog the given one and return what changed, nothing when they are equal.

    Products that are gone from the file are removed. Raises `Refused` ("in-use"), naming every reason and changing
    nothing, when a price with usage would change, go, or get a price put before it, or when a product with usage
    would go or be metered otherwise (DOMAIN 3: prices are immutable once used). A price may be followed, but a new one
    may not reach into a month that was issued with usage it would price. With `seen` (queries.digest_of) it raises
    `Refused` ("catalog-changed") when another catalog has come to be in force since.
    """
    session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _CATALOG_LOCK})
    current = current_catalog(session)
    if seen is not None and seen != digest_of(current):
        raise Refused("The catalog was changed meanwhile: look at what this file would change now.", "catalog-changed")
    changes = diff(current, catalog.products)
    if not changes:
        return []
    reasons = [each.text for each in refusals(current, catalog, is_metered, issued_until)]
    if reasons:
        told = reduce(_line, reasons, say("The catalog was not applied."))
        raise Refused(told, "in-use", reasons=[str(reason) for reason in reasons])
    _write(session, current, catalog.products, now)
    return changes


def refusals(
    current: Sequence[Product],
    catalog: Catalog,
    is_metered: IsMetered,
    issued_until: IssuedUntil = lambda _: None,
) -> list[Refusal]:
    """Return every reason for which `current` may not become a catalog, none when it may."""
    wanted = {product.code: product for product in catalog.products}
    reasons = [reason for product in current for reason in _reasons(product, wanted.get(product.code), is_metered)]
    return reasons + list(_reaching_back(current, catalog.products, is_metered, issued_until))


def _reaching_back(
    current: Sequence[Product], wanted: Sequence[Product], is_metered: IsMetered, issued_until: IssuedUntil
) -> Iterator[Refusal]:
    """Yield why new prices may not begin where they do: months that are issued would be re-rated by them."""
    known = {(product.code, price.currency, price.effective_from) for product in current for price in product.prices}
    for product in wanted:
        for price in product.prices:
            issued = issued_until(price.currency)
            if issued is None or price.effective_from >= issued:
                continue
            new = (product.code, price.currency, price.effective_from) not in known
            if new and is_metered(product.meter.type, price.currency, price.effective_from, issued):
                words = say(
                    "%(price)s cannot be added: it reaches into months that are issued. Let it begin at %(at)s or "
                    "later.",
                    price=_named(product, price),
                    at=_written(issued),
                )
                yield Refusal(product.code, words, price.currency, price.effective_from)


def _reasons(current: Product, wanted: Product | None, is_metered: IsMetered) -> Iterator[Refusal]:
    """Yield why one product may not become the wanted one."""
    if wanted == current:
        return
    is_used = partial(_is_used, current, is_metered, {})
    if wanted is None or wanted.meter != current.meter:
        if any(is_used(price) for price in current.prices):
            words = (
                say(
                    "product %(code)s cannot be removed: usage was counted by it. Keep it, and add another product "
                    "beside it.",
                    code=current.code,
                )
                if wanted is None
                else say(
                    "product %(code)s cannot be metered otherwise: usage was counted by it. Keep it, and add another "
                    "product beside it.",
                    code=current.code,
                )
            )
            yield Refusal(current.code, words)
        return
    yield from _price_reasons(current, wanted, is_used)


def _price_reasons(current: Product, wanted: Product, is_used: _IsUsed) -> Iterator[Refusal]:
    after = {(price.currency, price.effective_from): price for price in wanted.prices}
    before = {(price.currency, price.effective_from): price for price in current.prices}
    for key, price in before.items():
        if after.get(key) != price and is_used(price):
            named = _named(current, price)
            words = (
                say(
                    "%(price)s cannot be changed: usage was priced by it. Keep it, and let another price follow it.",
                    price=named,
                )
                if key in after
                else say(
                    "%(price)s cannot be removed: usage was priced by it. Keep it, and let another price follow it.",
                    price=named,
                )
            )
            yield Refusal(current.code, words, price.currency, price.effective_from)
    for key, price in after.items():
        later = [each for each in current.prices_in(price.currency) if each.effective_from > price.effective_from]
        if key not in before and any(is_used(each) for each in later):
            words = say(
                "%(price)s cannot be added: usage was priced by a later price in %(currency)s. Let it begin after that "
                "one.",
                price=_named(current, price),
                currency=price.currency,
            )
            yield Refusal(current.code, words, price.currency, price.effective_from)


def _is_used(product: Product, is_metered: IsMetered, known: dict[tuple[str, datetime], bool], price: Price) -> bool:
    """Whether usage was stored while the price was in force; asked once for each price."""
    key = (price.currency, price.effective_from)
    if key not in known:
        versions = [each.effective_from for each in product.prices_in(price.currency)]
        until = dict(pairwise(versions)).get(price.effective_from)
        known[key] = is_metered(product.meter.type, price.currency, price.effective_from, until)
    return known[key]


def _named(product: Product, price: Price) -> Sentence:
    return say(
        "the price of %(product)s in %(currency)s from %(at)s",
        product=product.code,
        currency=price.currency,
        at=_written(price.effective_from),
    )


def _line(told: Sentence, reason: Sentence) -> Sentence:
    return say("%(told)s\n%(reason)s", told=told, reason=reason)


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _write(session: Session, current: Sequence[Product], wanted: Sequence[Product], now: datetime) -> None:
    rows = {row.code: row for row in session.scalars(select(ProductRow))}
    before = {product.code: frozenset(product.prices) for product in current}
    for position, product in enumerate(wanted):
        row = rows.pop(product.code, None)
        if row is None:
            row = ProductRow(code=product.code, created_at=now, prices=[])
            session.add(row)
        row.name = dict(product.name)
        row.unit = product.unit
        row.meter_type = product.meter.type
        row.meter_kind = product.meter.kind.value
        row.meter_hourly = product.meter.hourly.value
        row.meter_retention_days = product.meter.retention_days
        row.position = position
        _write_prices(row, before.get(product.code, frozenset()), product.prices, now)
    for gone in rows.values():
        session.delete(gone)
    session.flush()


def _write_prices(row: ProductRow, before: frozenset[Price], wanted: Sequence[Price], now: datetime) -> None:
    """Write the prices that differ by value: a number that is written otherwise stays as it was written first."""
    stored = {(each.currency, each.effective_from): each for each in row.prices}
    kept = []
    for price in wanted:
        found = stored.get((price.currency, price.effective_from)) or ProductPrice(created_at=now)
        if price not in before:
            _fill(found, price)
        kept.append(found)
    row.prices = kept


def _fill(row: ProductPrice, price: Price) -> None:
    row.currency = price.currency
    row.effective_from = price.effective_from
    row.model = price.model.value
    row.per = price.per.value
    row.unit_price = price.unit_price
    row.tiers = [
        {"up_to": None if tier.up_to is None else f"{tier.up_to:f}", "unit_price": f"{tier.unit_price:f}"}
        for tier in price.tiers
    ]
    row.package_size = price.package_size
    row.free_quantity = price.free_quantity
    row.free_unit = None if price.free_unit is None else price.free_unit.value
    row.minimum_amount = price.minimum_amount
