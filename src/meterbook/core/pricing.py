"""Prices: what a product costs from an hour on, and the exact cost of a running quantity under one price (DOMAIN 3).

Every model is a cumulative function: what the first `q` of the month cost. A part of the month costs the difference
between its two ends, which is how tiers, packages and free quantities run on over a price change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from meterbook.core.metering import Meter, MeterKind


class PriceInvalid(ValueError):
    """A price contradicts itself; `field` names the part that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class PriceModel(StrEnum):
    """How a quantity turns into an amount."""

    per_unit = "per_unit"
    graduated = "graduated"
    volume = "volume"
    package = "package"
    flat = "flat"


class Per(StrEnum):
    """What the price is for: a unit kept on all month, a unit for an hour, or one of what a counter counts."""

    month = "month"
    hour = "hour"
    quantity = "quantity"


class FreeUnit(StrEnum):
    """What a free quantity is counted in: unit-hours, or the units that the price and its tiers count."""

    unit_hours = "unit-hours"
    quantity = "quantity"


@dataclass(frozen=True, slots=True)
class Tier:
    """The unit price of the units up to and including `up_to`; the last tier is open (`None`)."""

    up_to: Decimal | None
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """One version of a product's price in one currency, in force from `effective_from` until the next one begins.

    `unit_price` is in major units of the currency per month, hour or quantity; for a package it buys `package_size`
    units, and for a flat price it is the whole fee. `minimum_amount` is a month's commitment. Raises `PriceInvalid`.
    """

    currency: str
    effective_from: datetime
    model: PriceModel
    per: Per
    unit_price: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    package_size: Decimal | None = None
    free_quantity: Decimal | None = None
    free_unit: FreeUnit | None = None
    minimum_amount: Decimal | None = None

    def __post_init__(self) -> None:
        tiered = self.model in (PriceModel.graduated, PriceModel.volume)
        if tiered != bool(self.tiers):
            raise PriceInvalid("tiers", "tiers belong to a graduated or volume price, and these need them")
        if tiered == (self.unit_price is not None):
            raise PriceInvalid("unit_price", "a price has either a unit_price or, graduated and volume, tiers")
        if (self.model is PriceModel.package) != (self.package_size is not None):
            raise PriceInvalid(
                "package_size",
                "package_size belongs to a package price, and a package price needs it",
            )
        if (self.free_quantity is None) != (self.free_unit is None):
            raise PriceInvalid("free_unit", "free_quantity and free_unit go together")
        if self.model is PriceModel.flat and (self.per is Per.quantity or self.free_quantity is not None):
            raise PriceInvalid("per", "a flat price is per month or per hour, and knows no free quantity")
        self._check_numbers()
        self._check_tiers()

    @property
    def is_proportional(self) -> bool:
        """Whether a cost is in proportion to the quantity, whatever else was used in the month or in other projects."""
        return self.model is PriceModel.per_unit and self.free_quantity is None and self.minimum_amount is None

    def _check_numbers(self) -> None:
        for field in ("unit_price", "free_quantity", "minimum_amount"):
            value = getattr(self, field)
            if value is not None and not (value.is_finite() and value >= 0):
                raise PriceInvalid(field, f"{field} is a number of zero or more")
        if self.package_size is not None and not (self.package_size.is_finite() and self.package_size > 0):
            raise PriceInvalid("package_size", "package_size is a number above zero")

    def _check_tiers(self) -> None:
        below = Decimal(0)
        for number, tier in enumerate(self.tiers, start=1):
            last = number == len(self.tiers)
            if not (tier.unit_price.is_finite() and tier.unit_price >= 0):
                raise PriceInvalid("tiers", f"the unit_price of tier {number} is a number of zero or more")
            if last != (tier.up_to is None):
                raise PriceInvalid("tiers", "every tier has an up_to except the last, which is open")
            if tier.up_to is not None and not (tier.up_to.is_finite() and tier.up_to > below):
                raise PriceInvalid("tiers", f"the up_to of tier {number} has to be above {below}")
            below = tier.up_to or below


@dataclass(frozen=True, slots=True)
class Product:
    """What is sold: a name by language (always with "en"), the unit it counts, its meter and its prices.

    `prices` are of all currencies, in order of currency and `effective_from`. Raises `PriceInvalid` when a price does
    not fit the meter.
    """

    code: str
    name: Mapping[str, str]
    unit: str
    meter: Meter
    prices: tuple[Price, ...] = ()

    def __post_init__(self) -> None:
        for price in self.prices:
            check_fits(price, self.meter)

    def prices_in(self, currency: str) -> tuple[Price, ...]:
        """Return the versions in one currency, earliest first."""
        return tuple(
            sorted(
                (p for p in self.prices if p.currency == currency),
                key=lambda price: price.effective_from,
            )
        )

    def name_in(self, language: str) -> str:
        """Return the name in a language, English where it has none."""
        return self.name.get(language, self.name["en"])


def check_fits(price: Price, meter: Meter) -> None:
    """Raise `PriceInvalid` when a price counts what the meter does not give (DOMAIN 2 and 3)."""
    if meter.kind is MeterKind.counter:
        if price.model is not PriceModel.flat and price.per is not Per.quantity:
            raise PriceInvalid("per", 'a counter has no hours: its price is per = "quantity"')
        if price.free_unit is FreeUnit.unit_hours:
            raise PriceInvalid("free_unit", 'a counter has no hours: its free_unit is "quantity"')
    elif price.per is Per.quantity and meter.kind is not MeterKind.stock:
        raise PriceInvalid("per", f'a {meter.kind} meter counts unit-hours: its price is per = "month" or "hour"')


@dataclass(frozen=True, slots=True)
class Scale:
    """How many of the metered quantity make one priced unit: H unit-hours for a monthly price, else 1."""

    divisor: int

    @classmethod
    def of(cls, price: Price, meter: Meter, reference_hours: int) -> Scale:
        """Return the scale of a price over a meter in a month of `reference_hours`."""
        by_month = price.per is Per.month or (price.per is Per.quantity and meter.is_time_based)
        return cls(reference_hours if by_month else 1)

    def unit_cost(self, price: Price) -> Fraction:
        """Return the exact price of one of the metered quantity, under a price per unit; it is never rounded."""
        assert price.unit_price is not None, "tiered prices have no single unit price"
        return _divided(price.unit_price, self.divisor)

    def free(self, price: Price) -> Fraction:
        """Return the free part of the month, in the metered quantity."""
        if price.free_quantity is None:
            return Fraction(0)
        counted_in_units = price.free_unit is FreeUnit.quantity
        return Fraction(price.free_quantity) * (self.divisor if counted_in_units else 1)

    def billable(self, price: Price, quantity: Fraction) -> Fraction:
        """Return what of a month's first `quantity` is beyond the free part."""
        if price.free_quantity is None:
            return quantity
        return max(Fraction(0), quantity - self.free(price))


@lru_cache(maxsize=4096)
def _divided(number: Decimal, divisor: int) -> Fraction:
    return Fraction(number) / divisor


@lru_cache(maxsize=4096)
def _times(number: Decimal, factor: int) -> Fraction:
    return Fraction(number) * factor


def cost(price: Price, scale: Scale, quantity: Fraction, month_quantity: Fraction) -> Fraction:
    """Return the exact cost of a month's first `quantity` (unit-hours, or a counter's sum), in major units.

    `month_quantity` is the whole month's, which decides the tier of a volume price. A flat price is no function of the
    quantity: see `rating`.
    """
    billable = scale.billable(price, quantity)
    match price.model:
        case PriceModel.per_unit:
            return scale.unit_cost(price) * billable
        case PriceModel.package:
            return unit_price_of(price) * packages(price, scale, quantity)
        case PriceModel.volume:
            tier = volume_tier(price, scale, month_quantity)
            return _divided(tier.unit_price, scale.divisor) * billable
        case PriceModel.graduated:
            parts = graduated_parts(price, scale, Fraction(0), billable)
            return sum((_divided(tier.unit_price, scale.divisor) * part for tier, part in parts), Fraction(0))
        case PriceModel.flat:
            raise AssertionError("a flat fee accrues by the hour")


def unit_price_of(price: Price) -> Fraction:
    """Return the one unit price of a price without tiers, exactly."""
    assert price.unit_price is not None, "tiered prices have no single unit price"
    return Fraction(price.unit_price)


def packages(price: Price, scale: Scale, quantity: Fraction) -> int:
    """Return how many packages the month's first `quantity` has begun."""
    assert price.package_size is not None, "only a package price has packages"
    return -(-scale.billable(price, quantity) // (Fraction(price.package_size) * scale.divisor))


def volume_tier(price: Price, scale: Scale, month_quantity: Fraction) -> Tier:
    """Return the tier that the whole month's quantity reaches."""
    units = scale.billable(price, month_quantity) / scale.divisor
    return next(tier for tier in price.tiers if tier.up_to is None or units <= _times(tier.up_to, 1))


def graduated_parts(price: Price, scale: Scale, start: Fraction, end: Fraction) -> list[tuple[Tier, Fraction]]:
    """Split the billable quantity between `start` and `end` over the tiers; parts are in the metered quantity."""
    parts: list[tuple[Tier, Fraction]] = []
    begun = start
    for tier in price.tiers:
        top = None if tier.up_to is None else _times(tier.up_to, scale.divisor)
        if top is None or end <= top:
            return [*parts, (tier, end - begun if begun else end)] if end > begun else parts
        if top > begun:
            parts.append((tier, top - begun if begun else top))
            begun = top
    return parts
