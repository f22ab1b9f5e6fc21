"""Discounts: what promotions take off the lines of a month, step by step in the order of DOMAIN 5.

Free units, fixed prices, percents and amounts on lines, then percents and amounts on the invoice; each is rounded like
a line, spread over its lines to the minor unit, and takes no line below nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final

from meterbook.core.adding import added_up
from meterbook.core.allocation import allocate
from meterbook.core.money import Currency, Money, rounded, rounded_minor
from meterbook.core.period import hour_ceil, hour_count
from meterbook.core.pricing import FreeUnit, Per, PriceModel, Scale, cost, packages
from meterbook.core.rating import Charge, Frame, Part


class PromotionKind(StrEnum):
    """What a promotion gives.

    percent: off lines or the invoice. amount: off lines or the invoice, each month. fixed_price: the unit price in
    place of the list's. free_quantity: units that cost nothing, each month. credit: promotional credit, once.
    """

    percent = "percent"
    amount = "amount"
    fixed_price = "fixed_price"
    free_quantity = "free_quantity"
    credit = "credit"


class AppliesTo(StrEnum):
    """Whether a percent or an amount is taken off single lines or off the invoice they make up."""

    line = "line"
    invoice = "invoice"


@dataclass(frozen=True, slots=True)
class Promotion:
    """A redeemed promotion as it decides an invoice.

    `key` identifies the redemption. `value` is a percent, an amount or a unit price in major units, or a quantity, by
    `kind`. It holds for usage in `[starts_at, ends_at)`, open where None, of `products` and `projects` (codes; empty:
    all). `carried` is what earlier months left over of it, where that is carried on.
    """

    key: int
    code: str
    name: str
    kind: PromotionKind
    applies_to: AppliesTo
    value: Decimal
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    products: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    priority: int = 0
    free_unit: FreeUnit = FreeUnit.unit_hours
    carried: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        assert self.kind is not PromotionKind.credit, "credit pays an invoice, it is no discount on one"
        assert self.value >= 0 <= self.carried, "a promotion takes nothing away from a customer"


@dataclass(frozen=True, slots=True)
class Discount:
    """What one promotion took off an invoice.

    `shares` names lines by their place in the draft, and adds up to `amount`; `quantity` is what of a free quantity
    was used, in its own unit.
    """

    promotion: Promotion
    amount: Money
    shares: tuple[tuple[int, Money], ...]
    quantity: Fraction | None = None


_NOTHING: Final = Fraction(0)


@dataclass(slots=True)
class Discounted:
    """One line on its way through the promotions: what is left of it, what is free of it and what that saved."""

    project: str
    charge: Charge
    parts: Sequence[Part]
    left: Money
    freed: Fraction = _NOTHING
    saved: Fraction = _NOTHING


_Ratio = tuple[int, int]
_WHOLE: Final[_Ratio] = (1, 1)
# A step's name, and whether a promotion belongs to it; a promotion belongs to exactly one.
_STEPS: Final = (
    (PromotionKind.free_quantity, None),
    (PromotionKind.fixed_price, None),
    (PromotionKind.percent, AppliesTo.line),
    (PromotionKind.amount, AppliesTo.line),
    (PromotionKind.percent, AppliesTo.invoice),
    (PromotionKind.amount, AppliesTo.invoice),
)


def promotion_boundaries(promotions: Iterable[Promotion], frame: Frame) -> set[datetime]:
    """Return the hours of the month at which a promotion begins or ends: usage has to be cut there."""
    ends = {at for promotion in promotions for at in (promotion.starts_at, promotion.ends_at) if at is not None}
    cuts = {hour_ceil(at, frame.zone) for at in ends}
    return {cut for cut in cuts if frame.starts_at < cut < frame.ends_at}


def discount(
    lines: Sequence[Discounted], promotions: Sequence[Promotion], frame: Frame, currency: Currency
) -> list[Discount]:
    """Take every promotion off the lines, in order, and return what each took; `left` of the lines then is their net.

    Within a step promotions go by priority (lower first), then by the order they were redeemed in. A promotion that
    takes nothing leaves no trace.
    """
    taken = []
    for promotion in in_order(promotions):
        matching = [(place, line) for place, line in enumerate(lines) if _matches(promotion, line)]
        found = _TAKE[promotion.kind](_by_the_hour(promotion, frame), matching, frame, currency) if matching else None
        if found is not None and found.amount.minor:
            taken.append(replace(found, promotion=promotion))
    return taken


def _by_the_hour(promotion: Promotion, frame: Frame) -> Promotion:
    """Return a promotion that begins and ends with the hours by which it holds."""
    starts_at, ends_at = (at and hour_ceil(at, frame.zone) for at in (promotion.starts_at, promotion.ends_at))
    return replace(promotion, starts_at=starts_at, ends_at=ends_at)


def in_order(promotions: Iterable[Promotion]) -> list[Promotion]:
    """Return promotions in the order in which they apply."""
    return sorted(promotions, key=lambda each: (_step(each), each.priority, each.key))


def _step(promotion: Promotion) -> int:
    level = promotion.applies_to if promotion.kind in (PromotionKind.percent, PromotionKind.amount) else None
    return _STEPS.index((promotion.kind, level))


_Matching = Sequence[tuple[int, Discounted]]


def _matches(promotion: Promotion, line: Discounted) -> bool:
    return (
        line.left.minor > 0
        and line.charge.price is not None
        and (not promotion.products or line.charge.product.code in promotion.products)
        and (not promotion.projects or line.project in promotion.projects)
    )


def _free(promotion: Promotion, lines: _Matching, frame: Frame, currency: Currency) -> Discount:
    pool_units = Fraction(promotion.value) + promotion.carried
    used_units, shares = Fraction(0), []
    for place, line in lines:
        size = _free_size(promotion, line.charge, frame)
        inside = _inside(promotion, line)
        quantity = min((pool_units - used_units) * size, inside - line.freed, _costing(line, frame))
        if quantity <= 0:
            continue
        exact = _saved(line, quantity, frame)
        saved = min(rounded(exact, currency), line.left, key=_minor)
        line.freed, line.saved = line.freed + quantity, line.saved + exact
        used_units += quantity / size
        shares.append((place, saved))
    return _took(promotion, lines, shares, currency, used_units)


def _free_size(promotion: Promotion, charge: Charge, frame: Frame) -> int:
    """Return how much metered quantity one free unit is: a unit for the whole month, or an hour (or piece) of it."""
    by_units = promotion.free_unit is FreeUnit.quantity and charge.product.meter.is_time_based
    return frame.month.reference_hours if by_units else 1


def _costing(line: Discounted, frame: Frame) -> Fraction:
    """Return how much of the line's quantity costs something: no free quantity is spent on the rest.

    A flat fee, what the price itself leaves free, and what only fills a commitment cost the same without.
    """
    charge = line.charge
    assert charge.price is not None, "what has no price is not discounted"
    if charge.price.model is PriceModel.flat or _above_minimum(charge, frame) <= line.saved:
        return Fraction(0)
    scale = Scale.of(charge.price, charge.product.meter, frame.month.reference_hours)
    return scale.billable(charge.price, _top(line)) - scale.billable(charge.price, charge.before)


def _saved(line: Discounted, quantity: Fraction, frame: Frame) -> Fraction:
    """Return the exact cost of a part of the line's quantity, that on top: tiers then begin after the free part."""
    charge = line.charge
    assert charge.price is not None, "what has no price is not discounted"
    scale = Scale.of(charge.price, charge.product.meter, frame.month.reference_hours)
    top, month = _top(line), charge.month_quantity
    saved = cost(charge.price, scale, top, month) - cost(charge.price, scale, top - quantity, month)
    return min(saved, _above_minimum(charge, frame) - line.saved)


def _above_minimum(charge: Charge, frame: Frame) -> Fraction:
    """Return what of the exact cost no commitment holds up."""
    if charge.above_minimum is not None:
        return charge.above_minimum
    assert charge.price is not None, "what has no price is not discounted"
    scale = Scale.of(charge.price, charge.product.meter, frame.month.reference_hours)
    return scale.unit_cost(charge.price) * charge.quantity


def _top(line: Discounted) -> Fraction:
    """Return the month's charged quantity at the line's end, without what is free of it."""
    return line.charge.before + line.charge.quantity - line.freed


def _fixed_price(promotion: Promotion, lines: _Matching, frame: Frame, currency: Currency) -> Discount:
    shares = []
    for place, line in lines:
        left = Fraction(line.left.decimal)
        at_list = left * Fraction(*_share(promotion, line))
        saved = at_list - _at_fixed_price(promotion, line, frame)
        above_minimum = _above_minimum(line.charge, frame) - line.saved
        most = rounded(max(Fraction(0), above_minimum), currency)
        share = min(line.left - rounded(left - saved, currency), most, key=_minor)
        if share.minor > 0:
            line.saved += min(saved, above_minimum)
            shares.append((place, share))
    return _took(promotion, lines, shares, currency)


def _at_fixed_price(promotion: Promotion, line: Discounted, frame: Frame) -> Fraction:
    """Return the exact cost of what lies in the promotion's time at its price, in place of each unit price listed."""
    charge = line.charge
    assert charge.price is not None, "what has no price is not discounted"
    share = Fraction(*_share(promotion, line))
    if charge.price.model is PriceModel.flat:
        used = Fraction(charge.usage_hours)
        if charge.price.per is Per.month:
            used = Fraction(hour_count(charge.starts_at, charge.ends_at), frame.hours)
        return Fraction(promotion.value) * used * share
    scale = Scale.of(charge.price, charge.product.meter, frame.month.reference_hours)
    if charge.price.model is PriceModel.package:
        begun = packages(charge.price, scale, _top(line)) - packages(charge.price, scale, charge.before)
        return Fraction(promotion.value) * begun * share
    billable = scale.billable(charge.price, _top(line)) - scale.billable(charge.price, charge.before)
    return Fraction(promotion.value) * billable * share / scale.divisor


def _line_percent(promotion: Promotion, lines: _Matching, currency: Currency) -> Discount:
    shares, percent = [], _percent(promotion)
    for place, line in lines:
        (part, whole), left = _share(promotion, line), line.left.minor
        numerator = left * percent.numerator * part
        denominator = 10**currency.digits * percent.denominator * whole
        shares.append((place, Money(min(rounded_minor(numerator, denominator, currency), left), currency)))
    return _took(promotion, lines, shares, currency)


def _spread_percent(promotion: Promotion, lines: _Matching, currency: Currency) -> Discount:
    weights = _weights(promotion, lines)
    base = added_up(weights) / 10**currency.digits
    return _spread(promotion, lines, weights, rounded(base * _percent(promotion), currency))


def _percents(promotion: Promotion, lines: _Matching, _frame: Frame, currency: Currency) -> Discount:
    by_line = promotion.applies_to is AppliesTo.line
    return (_line_percent if by_line else _spread_percent)(promotion, lines, currency)


def _amounts(promotion: Promotion, lines: _Matching, _frame: Frame, currency: Currency) -> Discount:
    weights = _weights(promotion, lines)
    most = int(added_up(weights))
    wanted = rounded(Fraction(promotion.value) + promotion.carried, currency)
    return _spread(promotion, lines, weights, Money(min(most, wanted.minor), currency))


def _weights(promotion: Promotion, lines: _Matching) -> list[Fraction]:
    """Return what is left of each line in the promotion's time, in minor units."""
    shares = [_share(promotion, line) for _, line in lines]
    return [Fraction(line.left.minor * part, whole) for (_, line), (part, whole) in zip(lines, shares, strict=True)]


def _spread(promotion: Promotion, lines: _Matching, weights: Sequence[Fraction], amount: Money) -> Discount:
    if not any(weights):
        return Discount(promotion, Money.zero(amount.currency), ())
    parts = allocate(amount, weights, [line.left.minor for _, line in lines])
    shares = [(place, share) for (place, _), share in zip(lines, parts, strict=True)]
    return _took(promotion, lines, shares, amount.currency)


def _took(
    promotion: Promotion,
    lines: _Matching,
    shares: Sequence[tuple[int, Money]],
    currency: Currency,
    quantity: Fraction | None = None,
) -> Discount:
    by_place = dict(lines)
    kept = tuple([(place, share) for place, share in shares if share.minor])
    for place, share in kept:
        line = by_place[place]
        line.left -= share
        assert line.left.minor >= 0, "no discount is more than what is left"
    return Discount(promotion, Money(sum([share.minor for _, share in kept]), currency), kept, quantity)


def _share(promotion: Promotion, line: Discounted) -> _Ratio:
    """Return which part of a line lies in the promotion's time: by quantity, a flat fee's by hours.

    As a ratio not in lowest terms, which take a while to find.
    """
    charge = line.charge
    starts, ends = promotion.starts_at or charge.starts_at, promotion.ends_at or charge.ends_at
    if starts <= charge.starts_at and charge.ends_at <= ends:
        return _WHOLE
    assert charge.price is not None, "what has no price is not discounted"
    if charge.price.model is PriceModel.flat or not charge.quantity:
        begin, end = max(starts, charge.starts_at), min(ends, charge.ends_at)
        return max(0, hour_count(begin, end)), hour_count(charge.starts_at, charge.ends_at)
    inside, quantity = _inside(promotion, line), charge.quantity
    return inside.numerator * quantity.denominator, inside.denominator * quantity.numerator


def _inside(promotion: Promotion, line: Discounted) -> Fraction:
    """Return the line's quantity in the promotion's time; its parts are cut there."""
    starts, ends = promotion.starts_at, promotion.ends_at
    parts = [
        part.quantity
        for part in line.parts
        if (starts is None or starts <= part.starts_at) and (ends is None or part.starts_at < ends)
    ]
    return parts[0] if len(parts) == 1 else added_up(parts)


def _percent(promotion: Promotion) -> Fraction:
    return Fraction(promotion.value) / 100


def _minor(amount: Money) -> int:
    return amount.minor


_Take = Callable[[Promotion, _Matching, Frame, Currency], Discount]
_TAKE: Final[dict[PromotionKind, _Take]] = {
    PromotionKind.free_quantity: _free,
    PromotionKind.fixed_price: _fixed_price,
    PromotionKind.percent: _percents,
    PromotionKind.amount: _amounts,
}
