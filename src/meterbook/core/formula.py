"""Formulas: the arithmetic behind a charge, written so that a calculator gives its amount (DOMAIN 8).

Hours are kept as hours ("46,440 h / 720 h") and divided last, so every number printed is exact.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

from meterbook.core.money import plain
from meterbook.core.pricing import (
    Per,
    Price,
    PriceModel,
    Scale,
    graduated_parts,
    packages,
    volume_tier,
)

QUANTITY: Final = "{quantity}"  # stands for a quantity that is not written yet: most charges' formulas are never read


def used(price: Price, scale: Scale, before: Fraction, quantity: Fraction, month_quantity: Fraction) -> str:
    """Write the cost of a quantity, charged after `before` of the month's, under a price that is not flat."""
    after = before + quantity if before else quantity
    start, end = scale.billable(price, before), scale.billable(price, after)
    hours, over = _hours(price, scale)
    match price.model:
        case PriceModel.package:
            count = packages(price, scale, after) - packages(price, scale, before)
            assert price.package_size is not None, "only a package price has packages"
            size = grouped(price.package_size)
            return (
                f"{price.unit_price:f} x {count:,} packages of {size} ({_quantity(quantity, start, end, hours)}{over})"
            )
        case PriceModel.graduated:
            parts = graduated_parts(price, scale, start, end)
            terms = " + ".join(f"{tier.unit_price:f} x {grouped(part)}{hours}" for tier, part in parts) or "0"
            return f"({terms}){over}" if over and len(parts) > 1 else f"{terms}{over}"
        case PriceModel.volume:
            unit_price = volume_tier(price, scale, month_quantity).unit_price
        case _:
            assert price.unit_price is not None, "a price without tiers has a unit price"
            unit_price = price.unit_price
    return f"{unit_price:f} x {_quantity(quantity, start, end, hours)}{over}"


def of_one_price(price: Price, scale: Scale) -> str:
    """Return the pattern of formulas under a price that costs in proportion to the quantity, which is left open."""
    hours, over = _hours(price, scale)
    return f"{price.unit_price:f} x {QUANTITY}{hours}{over}"


def written(pattern: str, quantity: Fraction) -> str:
    """Write the quantity into a pattern that left it open; others are formulas already."""
    return pattern.replace(QUANTITY, grouped(quantity)) if QUANTITY in pattern else pattern


def flat(price: Price, hours: int, month_hours: int, usage_hours: int) -> str:
    """Write a flat fee: by the month it accrues with the hours that passed, by the hour with the hours used."""
    if price.per is Per.hour:
        return f"{price.unit_price:f} x {usage_hours:,} h"
    if hours == month_hours:
        return f"{price.unit_price:f}"
    return f"{price.unit_price:f} x {hours} h / {month_hours} h"


def topped_up(usage: str, price: Price, hours: int, month_hours: int, first: bool) -> str:
    """Write a charge that the month's commitment decided; `usage` is the formula of what was used."""
    part = "" if hours == month_hours else f" x {hours} h / {month_hours} h"
    running = "" if first else ", less what was charged before in this month"
    return f"minimum {price.minimum_amount or 0:f}{part}{running} (used: {usage})"


def _hours(price: Price, scale: Scale) -> tuple[str, str]:
    """Return the unit of the quantity, and what divides it."""
    hours = " h" if scale.divisor > 1 or price.per is Per.hour else ""
    return hours, f" / {scale.divisor} h" if scale.divisor > 1 else ""


def _quantity(total: Fraction, start: Fraction, end: Fraction, hours: str) -> str:
    billable = end - start if start else end
    if billable is total or billable == total:
        return f"{grouped(total)}{hours}"
    return f"({grouped(total)}{hours} - {grouped(total - billable)}{hours} free)"


def grouped(value: Fraction | Decimal) -> str:
    """Write a quantity with its thousands apart."""
    if isinstance(value, Fraction) and value.denominator == 1:
        return f"{value.numerator:,}"
    whole, point, decimals = plain(value).partition(".")
    return f"{int(whole):,}{point}{decimals}"
