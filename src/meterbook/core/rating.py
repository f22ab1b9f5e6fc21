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


@dataclass(frozen=True, slots=True)
class _Segment:
    price: Price | None
    waiver: Waiver | None
    starts_at: datetime
    ends_at: datetime
    quantity: Fraction
    usage_hours: int

    @property
    def hours(self) -> int:
        return hour_count(self.starts_at, self.ends_at)


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
    """Price one project's use of one product in a month.

    `parts` lie in order of time without a gap from the month's start, cut at least at `price_boundaries` and at
    `free_until`, before which usage is shown and costs nothing for the reason `free_as`. A month with nothing metered
    gives no charge, not even a flat fee or a minimum.
    """
    if not any(part.usage_hours or part.quantity for part in parts):
        return []
    segments = list(_segments(product, parts, frame, currency, free_until, free_as))
    month_quantity = sum((s.quantity for s in segments if s.waiver is None), Fraction(0))
    running = _Running(product, frame, currency, month_quantity)
    charges = (running.waived(s) if s.price is None or s.waiver else running.charge(s, s.price) for s in segments)
    return [charge for charge in charges if charge.quantity or charge.usage_hours or charge.amount.minor]


def _segments(
    product: Product,
    parts: Iterable[Part],
    frame: Frame,
    currency: Currency,
    free_until: datetime | None,
    free_as: Waiver,
) -> Iterator[_Segment]:
    versions = [(hour_ceil(price.effective_from, frame.zone), price) for price in product.prices_in(currency.code)]

    def in_force(part: Part) -> tuple[Price | None, Waiver | None]:
        price = next((price for start, price in reversed(versions) if start <= part.starts_at), None)
        if free_until is not None and part.starts_at < free_until:
            return price, free_as
        return price, Waiver.unpriced if price is None else None

    for (price, waiver), group in groupby(parts, key=in_force):
        run = list(group)
        yield _Segment(
            price,
            waiver,
            run[0].starts_at,
            run[-1].ends_at,
            sum((part.quantity for part in run), Fraction(0)),
            sum(part.usage_hours for part in run),
        )


class _Running:
    """The month so far: what was metered, spent and committed, so that tiers and minimums run on over a split."""

    def __init__(self, product: Product, frame: Frame, currency: Currency, month_quantity: Fraction) -> None:
        self.product, self.frame, self.currency, self.month_quantity = (
            product,
            frame,
            currency,
            month_quantity,
        )
        self.quantity = self.spent = self.committed = self.billed = Fraction(0)

    def waived(self, segment: _Segment) -> Charge:
        reasons = {
            Waiver.trial: "trial: not charged",
            Waiver.free: "free plan: not charged",
            Waiver.unpriced: f"no price in {self.currency.code}: not charged",
        }
        assert segment.waiver is not None, "a segment without a price has its reason"
        return self._charge(segment, Money.zero(self.currency), reasons[segment.waiver], None)

    def charge(self, segment: _Segment, price: Price) -> Charge:
        before = self.quantity
        exact, text, unit_price = self._used(segment, price)
        first = self.billed == 0
        self.spent += exact
        if price.minimum_amount is not None:
            self.committed += Fraction(price.minimum_amount) * segment.hours / self.frame.hours
        due = max(self.spent, self.committed)
        if due - self.billed != exact:
            text = formula.topped_up(text, price, segment.hours, self.frame.hours, first)
        amount = rounded(due - self.billed, self.currency)
        above_minimum = min(due - self.billed, due - self.committed)
        self.billed = due
        charge = self._charge(segment, amount, text, unit_price)
        return replace(charge, before=before, month_quantity=self.month_quantity, above_minimum=above_minimum)

    def _used(self, segment: _Segment, price: Price) -> tuple[Fraction, str, Decimal | None]:
        before, self.quantity = self.quantity, self.quantity + segment.quantity
        if price.model is PriceModel.flat:
            share = Fraction(segment.usage_hours)
            if price.per is Per.month:
                share = Fraction(segment.hours, self.frame.hours)
            text = formula.flat(price, segment.hours, self.frame.hours, segment.usage_hours)
            return unit_price_of(price) * share, text, price.unit_price
        scale = Scale.of(price, self.product.meter, self.frame.month.reference_hours)
        exact = cost(price, scale, self.quantity, self.month_quantity)
        if before:
            exact -= cost(price, scale, before, self.month_quantity)
        unit_price = price.unit_price
        if price.model is PriceModel.volume:
            unit_price = volume_tier(price, scale, self.month_quantity).unit_price
        return (
            exact,
            formula.used(price, scale, before, self.quantity, self.month_quantity),
            unit_price,
        )

    def _charge(self, segment: _Segment, amount: Money, text: str, unit_price: Decimal | None) -> Charge:
        return Charge(
            self.product,
            segment.price,
            segment.waiver,
            segment.starts_at,
            segment.ends_at,
            segment.quantity,
            segment.usage_hours,
            unit_price,
            text,
            amount,
        )
