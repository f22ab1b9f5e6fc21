"""Rating: what one project's use of one product costs in a month, one charge per price version (DOMAIN 3).

The month arrives cut into parts at every boundary that matters (a price change, the end of a trial, the present hour);
charges leave in the order of time, each rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import groupby
from typing import Final, NamedTuple

from meterbook.core import formula
from meterbook.core.money import Currency, Money, rounded, rounded_minor
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


class Part(NamedTuple):
    """What was used in `[starts_at, ends_at)`: exact `quantity` (unit-hours, or a counter's sum) and usage hours."""

    starts_at: datetime
    ends_at: datetime
    quantity: Fraction
    usage_hours: int

    @property
    def hours(self) -> int:
        """How long it is."""
        return hour_count(self.starts_at, self.ends_at)


class Charge(NamedTuple):
    """One priced row: one product under one price version, in `[starts_at, ends_at)`.

    `quantity` is unit-hours, or the sum of a counter. `unit_price` is the one that applied, `None` for graduated tiers
    and for usage without a price. `waiver` says why a charge is nothing. For discounts: `before` is the month's charged
    quantity when it began, `month_quantity` that of the whole month, and `above_minimum` what of its exact cost no
    commitment holds up, in major units; None stands for all of it, where the cost is in proportion to the quantity.
    `pattern` is the formula, with `formula.QUANTITY` where the quantity may still have to be written.
    """

    product: Product
    price: Price | None
    waiver: Waiver | None
    starts_at: datetime
    ends_at: datetime
    quantity: Fraction
    usage_hours: int
    unit_price: Decimal | None
    pattern: str
    amount: Money
    before: Fraction = Fraction(0)
    month_quantity: Fraction = Fraction(0)
    above_minimum: Fraction | None = None

    @property
    def formula(self) -> str:
        """The arithmetic of the amount."""
        return formula.written(self.pattern, self.quantity)


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
        prices = product.prices_in(currency.code)
        self.product, self.frame, self.currency = product, frame, currency
        self.month_hours = frame.hours
        self._versions = [(hour_ceil(price.effective_from, frame.zone), price) for price in reversed(prices)]
        self._is_split = bool(price_boundaries(product, currency, frame))
        self._scales = {id(price): Scale.of(price, product.meter, frame.month.reference_hours) for price in prices}
        # Most products have one price a unit all month: then what a project used costs the one or the other quantity.
        price = None if self._is_split else self._in_force(frame.starts_at)
        self._sole = price if price is not None and price.is_proportional else None
        if self._sole is not None:
            scale = self.scale_of(self._sole)
            unit = scale.unit_cost(self._sole)
            self._above, self._below = unit.numerator, unit.denominator
            self._pattern = formula.of_one_price(self._sole, scale)

    def charges(self, parts: Sequence[Part], free_until: datetime | None, free_as: Waiver) -> list[Charge]:
        """Price one project's use.

        `parts` lie in order of time without a gap from the month's start, cut at least at `price_boundaries` and at
        `free_until`, before which usage is shown and costs nothing for the reason `free_as`. A month with nothing
        metered that costs anything gives no such charge, not even a flat fee or a minimum.
        """
        if self.is_usual(parts, free_until):
            return self._usual(_joined(parts))
        charges = []
        month = _Month(self, self._segments(parts, free_until, free_as))
        for price, waiver, part in month.segments:
            if price is None or waiver is not None:
                charge = self._waived(price, waiver, part)
            else:
                charge = self._charge(price, part, month.cost(price, part))
            if charge.quantity or charge.usage_hours or charge.amount.minor:
                charges.append(charge)
        return charges

    def minor(self, parts: Sequence[Part], free_until: datetime | None) -> int:
        """Return what the charges for one project's use add up to, in minor units."""
        month = _Month(self, self._segments(parts, free_until, Waiver.trial))
        costs = (month.cost(price, part) for price, waiver, part in month.segments if price and waiver is None)
        return sum(rounded(cost.due, self.currency).minor for cost in costs)

    def scale_of(self, price: Price) -> Scale:
        """Return the scale of one of the prices in this month."""
        return self._scales[id(price)]

    def is_usual(self, parts: Sequence[Part], free_until: datetime | None) -> bool:
        """Whether all parts cost by one price, in proportion to their quantity: then they may be charged as one."""
        return self._sole is not None and not _waits(parts, free_until)

    def minor_of(self, numerator: int, denominator: int) -> int:
        """Return what a usual quantity, written as a ratio, costs in minor units."""
        return rounded_minor(self._above * numerator, self._below * denominator, self.currency)

    def _usual(self, part: Part) -> list[Charge]:
        price, (starts_at, ends_at, quantity, usage_hours) = self._sole, part
        assert price is not None, "what is usual has a price"
        if not usage_hours and not quantity:
            return []
        return [
            Charge(
                self.product,
                price,
                None,
                starts_at,
                ends_at,
                quantity,
                usage_hours,
                price.unit_price,
                self._pattern,
                Money(self.minor_of(quantity.numerator, quantity.denominator), self.currency),
                _NOTHING,
                quantity,
            )
        ]

    def _segments(self, parts: Sequence[Part], free_until: datetime | None, free_as: Waiver) -> list[_Segment]:
        """Put parts of one price and waiver together; without usage in any that is charged, none is charged."""
        if not any(map(_is_used, parts)):
            return []
        if not self._is_split and not _waits(parts, free_until):
            price = self._in_force(parts[0].starts_at)
            return [(price, Waiver.unpriced if price is None else None, _joined(parts))]

        def terms(part: Part) -> tuple[Price | None, Waiver | None]:
            price = self._in_force(part.starts_at)
            if free_until is not None and part.starts_at < free_until:
                return price, free_as
            return price, Waiver.unpriced if price is None else None

        segments = [(price, waiver, _joined(list(run))) for (price, waiver), run in groupby(parts, key=terms)]
        if any(_is_used(part) for _, waiver, part in segments if waiver is None):
            return segments
        return [segment for segment in segments if segment[1] is not None]

    def _in_force(self, at: datetime) -> Price | None:
        return next((price for start, price in self._versions if start <= at), None)

    def _waived(self, price: Price | None, waiver: Waiver | None, part: Part) -> Charge:
        reasons = {
            Waiver.trial: "trial: not charged",
            Waiver.free: "free plan: not charged",
            Waiver.unpriced: f"no price in {self.currency.code}: not charged",
        }
        assert waiver is not None, "usage without a price has its reason"
        nothing = Money.zero(self.currency)
        return Charge(
            self.product,
            price,
            waiver,
            part.starts_at,
            part.ends_at,
            part.quantity,
            part.usage_hours,
            None,
            reasons[waiver],
            nothing,
        )

    def _charge(self, price: Price, part: Part, cost: _Cost) -> Charge:
        month_quantity = cost.month_quantity
        unit_price = price.unit_price
        if price.model is PriceModel.flat:
            text = formula.flat(price, part.hours, self.month_hours, part.usage_hours)
        else:
            scale = self.scale_of(price)
            text = formula.used(price, scale, cost.before, part.quantity, month_quantity)
            if price.model is PriceModel.volume:
                unit_price = volume_tier(price, scale, month_quantity).unit_price
        if cost.due is not cost.used and cost.due != cost.used:
            text = formula.topped_up(text, price, part.hours, self.month_hours, cost.is_first)
        return Charge(
            self.product,
            price,
            None,
            part.starts_at,
            part.ends_at,
            part.quantity,
            part.usage_hours,
            unit_price,
            text,
            rounded(cost.due, self.currency),
            cost.before,
            month_quantity,
            cost.above_minimum,
        )


_Segment = tuple[Price | None, Waiver | None, Part]


class _Cost(NamedTuple):
    """What one segment costs exactly, in major units: by its use alone, and with the month's commitment.

    `before` and `month_quantity` are what was charged for before it and in the whole month.
    """

    used: Fraction
    due: Fraction
    above_minimum: Fraction
    before: Fraction
    month_quantity: Fraction
    is_first: bool


class _Month:
    """The month so far: what was metered, spent and committed, so that tiers and minimums run on over a split."""

    __slots__ = ("billed", "committed", "month_quantity", "quantity", "segments", "spent", "tariff")

    def __init__(self, tariff: Tariff, segments: list[_Segment]) -> None:
        self.tariff, self.segments = tariff, segments
        self.quantity = self.spent = self.committed = self.billed = _NOTHING
        self.month_quantity = _NOTHING
        for price, waiver, part in segments:
            if price is not None and waiver is None:
                self.month_quantity = _plus(self.month_quantity, part.quantity)

    def cost(self, price: Price, part: Part) -> _Cost:
        """Return what the next segment that is charged costs."""
        before = self.quantity
        self.quantity = _plus(before, part.quantity)
        used = self._used(price, part, before)
        self.spent = _plus(self.spent, used)
        if price.minimum_amount is not None:
            self.committed += Fraction(price.minimum_amount) * part.hours / self.tariff.month_hours
        if self.committed is _NOTHING:
            self.billed = self.spent
            return _Cost(used, used, used, before, self.month_quantity, False)
        is_first = not self.billed
        total = max(self.spent, self.committed)
        due = total - self.billed
        self.billed = total
        return _Cost(used, due, min(due, total - self.committed), before, self.month_quantity, is_first)

    def _used(self, price: Price, part: Part, before: Fraction) -> Fraction:
        if price.model is PriceModel.flat:
            share = Fraction(part.usage_hours)
            if price.per is Per.month:
                share = Fraction(part.hours, self.tariff.month_hours)
            return unit_price_of(price) * share
        scale = self.tariff.scale_of(price)
        through = cost(price, scale, self.quantity, self.month_quantity)
        return through if before is _NOTHING else through - cost(price, scale, before, self.month_quantity)


def _is_used(part: Part) -> bool:
    """Return whether anything was metered in a part."""
    return bool(part.usage_hours or part.quantity)


def _waits(parts: Sequence[Part], free_until: datetime | None) -> bool:
    """Return whether some of the parts cost nothing yet."""
    return free_until is not None and free_until > parts[0].starts_at


def _joined(parts: Sequence[Part]) -> Part:
    """Return parts that follow one another as one."""
    if len(parts) == 1:
        return parts[0]
    quantity, usage_hours = _NOTHING, 0
    for part in parts:
        quantity = _plus(quantity, part.quantity)
        usage_hours += part.usage_hours
    return Part(parts[0].starts_at, parts[-1].ends_at, quantity, usage_hours)


def _plus(total: Fraction, more: Fraction) -> Fraction:
    """Add to a total that is nothing at first; adding fractions takes a while."""
    return more if total is _NOTHING else total + more


_NOTHING: Final = Fraction(0)
