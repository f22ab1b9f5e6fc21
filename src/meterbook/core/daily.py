"""Daily costs: an invoice's lines spread over the days they were used on, for charts and day lists.

No amount is computed anew: each line's amount is allocated to its days by the quantity metered on each, so that the
days of a month add up to the invoice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from meterbook.core.allocation import allocate
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.money import Money
from meterbook.core.pricing import Product
from meterbook.core.rating import Part
from meterbook.core.terms import Use


@dataclass(frozen=True, slots=True)
class DailySeries:
    """What a product cost on each day of the month; `None` where nothing was metered."""

    product: Product
    costs: tuple[Money | None, ...]


@dataclass(frozen=True, slots=True)
class DailyCosts:
    """The month's days, on the account's clocks, with one series a product, in catalog order."""

    days: tuple[date, ...]
    series: tuple[DailySeries, ...]


@dataclass(frozen=True, slots=True)
class Together:
    """What all projects but those `apart` (codes) used of a product, in parts of the month."""

    product: Product
    apart: frozenset[str]
    parts: tuple[Part, ...]


def daily_costs(draft: InvoiceDraft, uses: Sequence[Use], together: Sequence[Together] = ()) -> DailyCosts:
    """Spread the draft's lines over days; the parts used have to be cut at the starts of days as well.

    Lines of products that projects used `together`, whose prices have to be proportional, are spread as one.
    """
    zone, month = draft.frame.zone, draft.frame.month
    first = date(month.year, month.month, 1)
    days = tuple(first + timedelta(days=number) for number in range(month.days))
    costs: dict[str, dict[date, Money]] = defaultdict(dict)
    for product, amount, parts in _spreads(draft, uses, together):
        for starts_at, cost in _spread(amount, parts):
            day = zone.local(starts_at).date()
            costs[product][day] = costs[product].get(day, Money.zero(draft.currency)) + cost
    products = {each.product.code: each.product for each in together} | {use.product.code: use.product for use in uses}
    return DailyCosts(
        days,
        tuple(
            DailySeries(product, tuple(costs[code].get(day) for day in days))
            for code, product in products.items()
            if code in costs
        ),
    )


def _spreads(
    draft: InvoiceDraft, uses: Sequence[Use], together: Sequence[Together]
) -> Iterator[tuple[str, Money, list[Part]]]:
    """Yield amounts with their product and the parts of the month to spread them over."""
    own = {(use.project.code, use.product.code): use.parts for use in uses}
    shared = {each.product.code: each for each in together}
    sums: dict[tuple[str, datetime, datetime], int] = defaultdict(int)
    for project, charge, _ in draft.lines:
        code = charge.product.code
        if code in shared and project.code not in shared[code].apart:
            sums[code, charge.starts_at, charge.ends_at] += charge.amount.minor
        else:
            yield code, charge.amount, _within(own[project.code, code], charge.starts_at, charge.ends_at)
    for (code, starts_at, ends_at), minor in sums.items():
        yield code, Money(minor, draft.currency), _within(shared[code].parts, starts_at, ends_at)


def _within(parts: Sequence[Part], starts_at: datetime, ends_at: datetime) -> list[Part]:
    return [part for part in parts if starts_at <= part.starts_at < ends_at]


def _spread(amount: Money, parts: Sequence[Part]) -> list[tuple[datetime, Money]]:
    used = [part for part in parts if part.quantity or part.usage_hours] or parts
    weights = [part.quantity or Fraction(0) for part in used]
    return [(part.starts_at, cost) for part, cost in zip(used, allocate(amount, weights), strict=True)]
