"""Discounts: what promotions take off the lines of a month, step by step in the order of DOMAIN 5.

Free units, fixed prices, percents and amounts on lines, then percents and amounts on the invoice; each is rounded like
a line, spread over its lines to the minor unit, and takes no line below nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from meterbook.core.adding import added_up
from meterbook.core.allocation import allocate
from meterbook.core.money import Currency, Money, rounded, rounded_minor
from meterbook.core.period import hour_count
from meterbook.core.pricing import FreeUnit, Per, PriceModel, Scale, cost, packages
from meterbook.core.promotion import Promotion, PromotionKind, by_the_hour, in_order, is_off_sum
from meterbook.core.rating import Charge, Frame, Part


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
    """One line on its way through the promotions: what is left of it, what is free of it and what that saved.

    `left` is in minor units. `behind` returns the line's charge, and the parts it is made of, cut where promotions
    begin and end: it is asked when one of them needs to know.
    """

    project: str
    product: str
    left: int
    behind: Callable[[], tuple[Charge, Sequence[Part]]]
    freed: Fraction = _NOTHING
    saved: Fraction = _NOTHING
    _found: tuple[Charge, Sequence[Part]] | None = None

    @property
    def charge(self) -> Charge:
        """What is charged."""
        return self._asked()[0]

    @property
    def parts(self) -> Sequence[Part]:
        """What it is made of."""
        return self._asked()[1]

    def _asked(self) -> tuple[Charge, Sequence[Part]]:
        if self._found is None:
            self._found = self.behind()
        return self._found


_Ratio = tuple[int, int]
_WHOLE: Final[_Ratio] = (1, 1)
_Matching = Sequence[tuple[int, Discounted]]


def discount(
    lines: Sequence[Discounted], promotions: Sequence[Promotion], frame: Frame, currency: Currency
) -> list[Discount]:
    """Take every promotion off the lines, in order, and return what each took; `left` of the lines then is their net.

    Within a step promotions go by priority (lower first), then by the order they were redeemed in. A promotion that
    takes nothing leaves no trace.
    """
    taken = []
    for promotion in in_order(promotions):
        matching = _matching(promotion, lines)
        if not matching:
            continue
        take = _spread if is_off_sum(promotion) else _OFF_LINES[promotion.kind]
        found = take(by_the_hour(promotion, frame), matching, frame, currency)
        if found.amount.minor:
            taken.append(replace(found, promotion=promotion))
    return taken


def net_of(lines: Sequence[Discounted], promotions: Sequence[Promotion], frame: Frame, currency: Currency) -> int:
    """Return what the lines come to once every promotion is taken off, in minor units, as `discount` takes them.

    What the last one takes is spread over no lines where it is taken off the sum of them: the net is the same.
    """
    *before, last = in_order(promotions)
    if is_off_sum(last):
        discount(lines, before, frame, currency)
        matching = _matching(last, lines)
        weights = _weights(by_the_hour(last, frame), matching)
        return sum([line.left for line in lines]) - _off_sum(last, weights, currency)
    discount(lines, promotions, frame, currency)
    return sum([line.left for line in lines])


def _matching(promotion: Promotion, lines: Sequence[Discounted]) -> _Matching:
    """Return the lines that a promotion may be taken off, with their places."""
    products, projects = promotion.products, promotion.projects
    return [
        (place, line)
        for place, line in enumerate(lines)
        if line.left > 0  # which nothing without a price is
        and (not products or line.product in products)
        and (not projects or line.project in projects)
    ]


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
        saved = min(rounded(exact, currency).minor, line.left)
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
        left = Fraction(line.left, 10**currency.digits)
        at_list = left * Fraction(*_share(promotion, line))
        saved = at_list - _at_fixed_price(promotion, line, frame)
        above_minimum = _above_minimum(line.charge, frame) - line.saved
        most = rounded(max(Fraction(0), above_minimum), currency).minor
        share = min(line.left - rounded(left - saved, currency).minor, most)
        if share > 0:
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


def _percent_off_lines(promotion: Promotion, lines: _Matching, _frame: Frame, currency: Currency) -> Discount:
    shares, percent = [], _percent(promotion)
    for place, line in lines:
        (part, whole), left = _share(promotion, line), line.left
        numerator = left * percent.numerator * part
        denominator = 10**currency.digits * percent.denominator * whole
        shares.append((place, min(rounded_minor(numerator, denominator, currency), left)))
    return _took(promotion, lines, shares, currency)


def _spread(promotion: Promotion, lines: _Matching, _frame: Frame, currency: Currency) -> Discount:
    """Take off what is taken off the sum of lines, and spread it over them."""
    weights = _weights(promotion, lines)
    amount = Money(_off_sum(promotion, weights, currency), currency)
    if not any(weights):
        return Discount(promotion, amount, ())
    parts = allocate(amount, weights, [line.left for _, line in lines])
    shares = [(place, share.minor) for (place, _), share in zip(lines, parts, strict=True)]
    return _took(promotion, lines, shares, currency)


def _off_sum(promotion: Promotion, weights: Sequence[Fraction | int], currency: Currency) -> int:
    """Return what a promotion takes off lines that weigh so much, in minor units; of an amount no more than that."""
    weight = added_up(weights)
    if promotion.kind is PromotionKind.percent:
        return rounded(weight / 10**currency.digits * _percent(promotion), currency).minor
    return min(int(weight), rounded(Fraction(promotion.value) + promotion.carried, currency).minor)


def _weights(promotion: Promotion, lines: _Matching) -> list[Fraction | int]:
    """Return what is left of each line in the promotion's time, in minor units."""
    if promotion.starts_at is promotion.ends_at is None:
        return [line.left for _, line in lines]
    shares = [_share(promotion, line) for _, line in lines]
    return [
        line.left if share is _WHOLE else Fraction(line.left * share[0], share[1])
        for (_, line), share in zip(lines, shares, strict=True)
    ]


def _took(
    promotion: Promotion,
    lines: _Matching,
    shares: Sequence[tuple[int, int]],
    currency: Currency,
    quantity: Fraction | None = None,
) -> Discount:
    by_place = dict(lines)
    kept = [(place, share) for place, share in shares if share]
    for place, share in kept:
        line = by_place[place]
        line.left -= share
        assert line.left >= 0, "no discount is more than what is left"
    amount = Money(sum([share for _, share in kept]), currency)
    return Discount(promotion, amount, tuple([(place, Money(share, currency)) for place, share in kept]), quantity)


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
    if starts is ends is None:
        return line.charge.quantity
    parts = [
        part.quantity
        for part in line.parts
        if (starts is None or starts <= part.starts_at) and (ends is None or part.starts_at < ends)
    ]
    return parts[0] if len(parts) == 1 else added_up(parts)


def _percent(promotion: Promotion) -> Fraction:
    return Fraction(promotion.value) / 100


_Take = Callable[[Promotion, _Matching, Frame, Currency], Discount]
_OFF_LINES: Final[dict[PromotionKind, _Take]] = {
    PromotionKind.free_quantity: _free,
    PromotionKind.fixed_price: _fixed_price,
    PromotionKind.percent: _percent_off_lines,
}
