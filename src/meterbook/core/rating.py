"""Rating: what one project's use of one product costs in a month, one charge per price version (DOMAIN 3).

The month arrives cut into parts at every boundary that matters (a price change, the end of a trial, the present hour);
charges leave in the order of time, each rounded once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import groupby

from meterbook.core import formula
from meterbook.core.money import Currency, Money, rounded
from meterbook.core.period import BillingMonth, BillingZone, hour_ceil, hour_count
from meterbook.core.pricing import (
    Per,
    Price,
    PriceModel,
    Product,
    Scale,
    cost,
    unit_price_of,
    volume_tier,
)


class Waiver(StrEnum):
    """Why metered usage costs nothing: the project is in its trial, on the free plan, or no price is in force."""

    trial = "trial"
    free = "free"
    unpriced = "unpriced"


@dataclass(frozen=True, slots=True)
class Frame:
    """The month that is rated, in the account's zone."""

    month: BillingMonth
    zone: BillingZone

    @property
    def starts_at(self) -> datetime:
        """The month's first instant."""
        return self.month.starts_at(self.zone)

    @property
    def ends_at(self) -> datetime:
        """The first instant after the month."""
        return self.month.ends_at(self.zone)

    @property
    def hours(self) -> int:
        """The hours the month really has: H, but for a month in which the clocks change."""
        return hour_count(self.starts_at, self.ends_at)


@dataclass(frozen=True, slots=True)
class Part:
    """What was used in `[starts_at, ends_at)`: exact `quantity` (unit-hours, or a counter's sum) and usage hours."""

    starts_at: datetime
    ends_at: datetime
    quantity: Fraction
    usage_hours: int


@dataclass(frozen=True, slots=True)
class Charge:
    """One priced row: one product under one price version, in `[starts_at, ends_at)`.

    `quantity` is unit-hours, or the sum of a counter. `unit_price` is the one that applied, `None` for graduated tiers
    and for usage without a price. `waiver` says why a charge is nothing. For discounts: `before` is the month's charged
    quantity when it began, `month_quantity` that of the whole month, and `above_minimum` what of its exact cost no
    commitment holds up, in major units.
    """

    product: Product
    price: Price | None
    waiver: Waiver | None
    starts_at: datetime
    ends_at: datetime
    quantity: Fraction
    usage_hours: int
    unit_price: Decimal | None
    formula: str
    amount: Money
    before: Fraction = Fraction(0)
    month_quantity: Fraction = Fraction(0)
    above_minimum: Fraction = Fraction(0)


def price_boundaries(product: Product, currency: Currency, frame: Frame) -> set[datetime]:
    """Return the hours of the month at which another price of the product comes into force."""
    starts = {hour_ceil(price.effective_from, frame.zone) for price in product.prices_in(currency.code)}
    return {start for start in starts if frame.starts_at < start < frame.ends_at}


def rate(
    product: Product,
    parts: Sequence[Part],
    frame: Frame,
    currency: Currency,
    free_until: datetime | None,
    free_as: Waiver,
) -> list[Charge]:
    """Price one project's use of one product in a month, as `Tariff.charges` does."""
    return Tariff(product, frame, currency).charges(parts, free_until, free_as)


class Tariff:
    """A product's prices in one currency over a month, made ready once for every project that uses it."""

    def __init__(self, product: Product, frame: Frame, currency: Currency) -> None:
        self.product, self.frame, self.currency = product, frame, currency
        self.month_hours = frame.hours
        self._versions = [(hour_ceil(price.effective_from, frame.zone), price) for price in product.prices_in(currency.code)]
        self._changes = bool(price_boundaries(product, currency, frame))
        reference_hours = frame.month.reference_hours
        self._scales = {id(price): Scale.of(price, product.meter, reference_hours) for _, price in self._versions}

    def charges(self, parts: Sequence[Part], free_until: datetime | None, free_as: Waiver) -> list[Charge]:
        """Price one project's use.

        `parts` lie in order of time without a gap from the month's start, cut at least at `price_boundaries` and at
        `free_until`, before which usage is shown and costs nothing for the reason `free_as`. A month with nothing
        metered gives no charge, not even a flat fee or a minimum.
        """
        return [
            Charge(
                self.product,
                price,
                waiver,
                part.starts_at,
                part.ends_at,
                part.quantity,
                part.usage_hours,
                cost.unit_price,
                self._formula(price, waiver, part, cost),
                cost.amount,
                cost.before,
                cost.month_quantity,
                cost.above_minimum,
            )
            for price, waiver, part, cost in self._costs(parts, free_until, free_as)
            if part.quantity or part.usage_hours or cost.amount.minor
        ]

    def minor(self, parts: Sequence[Part], free_until: datetime | None) -> int:
        """Return what the charges for a project's use add up to, in minor units."""
        return sum(cost.amount.minor for *_, cost in self._costs(parts, free_until, Waiver.trial))
