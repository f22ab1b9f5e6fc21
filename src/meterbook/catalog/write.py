"""Write a catalog as the TOML file that load.py reads; what is written and read again is equal to what was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from meterbook.catalog.load import VERSION
from meterbook.core.metering import Hourly, Meter, MeterKind
from meterbook.core.pricing import Price, Product, Tier


def written(products: Sequence[Product]) -> str:
    """Return the file of a catalog: products in their order, each one's prices by currency and begin."""
    return "\n".join(_lines(products)) + "\n"


def _lines(products: Sequence[Product]) -> Iterator[str]:
    yield f"version = {VERSION}"
    for product in products:
        yield ""
        yield "[[products]]"
        yield f"code = {_text(product.code)}"
        yield f"name = {_name(product)}"
        yield f"unit = {_text(product.unit)}"
        yield f"meter = {_meter(product.meter)}"
        for price in product.prices:
            yield ""
            yield "[[products.prices]]"
            yield from _price(price)


def _name(product: Product) -> str:
    if set(product.name) == {"en"}:
        return _text(product.name["en"])
    return _table(**{language: _text(name) for language, name in sorted(product.name.items())})


def _meter(meter: Meter) -> str:
    fields = {"type": _text(meter.type), "kind": _text(meter.kind)}
    if meter.kind is MeterKind.gauge and meter.hourly is not Hourly.max:
        fields["hourly"] = _text(meter.hourly)
    if meter.retention_days is not None:
        fields["retention_days"] = str(meter.retention_days)
    return _table(**fields)


def _price(price: Price) -> Iterator[str]:
    yield f"currency = {_text(price.currency)}"
    yield f"from = {_instant(price.effective_from)}"
    yield f"model = {_text(price.model)}"
    yield f"per = {_text(price.per)}"
    if price.tiers:
        yield "tiers = ["
        yield from (f"  {_tier(tier)}," for tier in price.tiers)
        yield "]"
    for name in ("unit_price", "package_size", "free_quantity"):
        value: Decimal | None = getattr(price, name)
        if value is not None:
            yield f"{name} = {_number(value)}"
    if price.free_unit is not None:
        yield f"free_unit = {_text(price.free_unit)}"
    if price.minimum_amount is not None:
        yield f"minimum_amount = {_number(price.minimum_amount)}"


def _tier(tier: Tier) -> str:
    price = {"unit_price": _number(tier.unit_price)}
    return _table(**price) if tier.up_to is None else _table(up_to=_number(tier.up_to), **price)


def _table(**fields: str) -> str:
    return "{ " + ", ".join(f"{name} = {value}" for name, value in fields.items()) + " }"


def _number(value: Decimal) -> str:
    return f'"{value:f}"'


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _text(value: str) -> str:
    # JSON escapes what TOML wants escaped, except for one character
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
