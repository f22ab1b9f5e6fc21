"""Daily costs: an invoice's lines spread over the days they were used on, for charts and day lists.

No amount is computed anew: each line's amount is allocated to its days by the quantity metered on each, so that the
days of a month add up to the invoice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from meterbook.core.allocation import allocate
from meterbook.core.invoice import InvoiceDraft, Line, Use
from meterbook.core.money import Money
from meterbook.core.pricing import Product
from meterbook.core.rating import Part


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


def daily_costs(draft: InvoiceDraft, uses: Sequence[Use]) -> DailyCosts:
    """Spread the draft's lines over days; the parts of `uses` have to be cut at the starts of days as well."""
    zone, month = draft.frame.zone, draft.frame.month
    first = date(month.year, month.month, 1)
    days = tuple(first + timedelta(days=number) for number in range(month.days))
    parts_of = {(use.project.code, use.product.code): use.parts for use in uses}
    costs: dict[str, dict[date, Money]] = defaultdict(dict)
    for line in draft.lines:
        product = line.charge.product.code
        for starts_at, cost in _spread(line, parts_of[line.project.code, product]):
            day = zone.local(starts_at).date()
            costs[product][day] = costs[product].get(day, Money.zero(draft.currency)) + cost
    products = {use.product.code: use.product for use in uses}
    return DailyCosts(
        days,
        tuple(
            DailySeries(product, tuple(costs[code].get(day) for day in days))
            for code, product in products.items()
            if code in costs
        ),
    )


def _spread(line: Line, parts: Sequence[Part]) -> list[tuple[datetime, Money]]:
    charge = line.charge
    within = [part for part in parts if charge.starts_at <= part.starts_at < charge.ends_at]
    used = [part for part in within if part.quantity or part.usage_hours] or within
    weights = [part.quantity or Fraction(0) for part in used]
    return [(p.starts_at, cost) for p, cost in zip(used, allocate(charge.amount, weights), strict=True)]
