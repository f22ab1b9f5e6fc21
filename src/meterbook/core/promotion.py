"""Promotions: what each gives, to what and when, and the order in which they apply (DOMAIN 5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final

from meterbook.core.period import hour_ceil
from meterbook.core.pricing import FreeUnit
from meterbook.core.rating import Frame


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


def is_off_sum(promotion: Promotion) -> bool:
    """Whether a promotion is taken off the sum of the lines it is for, of which each then bears a part."""
    of_invoice = promotion.applies_to is AppliesTo.invoice
    return promotion.kind is PromotionKind.amount or (promotion.kind is PromotionKind.percent and of_invoice)


def by_the_hour(promotion: Promotion, frame: Frame) -> Promotion:
    """Return a promotion that begins and ends with the hours by which it holds, those of this month alone."""
    starts_at, ends_at = (at and hour_ceil(at, frame.zone) for at in (promotion.starts_at, promotion.ends_at))
    return replace(
        promotion,
        starts_at=starts_at if starts_at and starts_at > frame.starts_at else None,
        ends_at=ends_at if ends_at and ends_at < frame.ends_at else None,
    )


def in_order(promotions: Iterable[Promotion]) -> list[Promotion]:
    """Return promotions in the order in which they apply."""
    return sorted(promotions, key=lambda each: (_step(each), each.priority, each.key))


def _step(promotion: Promotion) -> int:
    level = promotion.applies_to if promotion.kind in (PromotionKind.percent, PromotionKind.amount) else None
    return _STEPS.index((promotion.kind, level))
