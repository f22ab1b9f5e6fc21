"""Presenting a draft: the invoice preview as its page shows it, pure and without a word of HTML.

Copies figures out of the draft and decides what stands where; it computes no amount.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from meterbook.console.address import PreviewState
from meterbook.console.chart import Chart, colour_of, present_chart
from meterbook.core.daily import DailyCosts
from meterbook.core.invoice import Group, GroupBy, InvoiceDraft, Line
from meterbook.core.money import Money, half_up
from meterbook.core.period import BillingMonth, BillingZone
from meterbook.core.rating import Waiver
from meterbook.core.tax import TaxLine

BAR: Final = 1000  # what the longest bar of a waterfall measures


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose usage the totals cover: so many projects, which may be all of the account."""

    project_count: int
    whole_account: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One step from gross to due: what it is, what it adds (or takes: below zero), and its bar.

    `kind` is subtotal, discount, net, tax, total, unpaid, credit, balance or due; `name` is a promotion's, `detail` a
    tax rate or a promotion's code. The bar lies at `bar_from` of `BAR` and is `bar_length` long.
    """

    kind: str
    amount: Money
    name: str
    detail: str
    rate: Decimal | None
    bar_from: int
    bar_length: int

    @property
    def is_sum(self) -> bool:
        """Whether it is a level and not a change."""
        return self.kind in ("subtotal", "net", "total", "due")


@dataclass(frozen=True, slots=True)
class PreviewAdjustment:
    """What late usage added to an earlier month, as a row."""

    name: str
    month: BillingMonth
    formula: str
    amount: Money


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One charge as a row: under a project it bears its product's name, under a product its project's.

    `from_at` and `until_at` (on the account's clocks) are set when the line covers a part of the month only.
    `total_time` and `average_cost` (an hour) are `None` for a counter, which has no hours.
    """

    name: str
    colour: int | None
    metered_units: Decimal
    unit: str
    total_time: Fraction | None
    average_cost: Decimal | None
    total_cost: Money
    formula: str
    waiver: Waiver | None
    from_at: datetime | None
    until_at: datetime | None


@dataclass(frozen=True, slots=True)
class PreviewGroup:
    """A project or a product with its sums and its lines; `anchor` names its rows in the page.

    `waiver` is set when nothing in the group is charged, for one reason.
    """

    key: str
    anchor: str
    name: str
    colour: int | None
    is_open: bool
    total_time: Fraction | None
    average_cost: Decimal | None
    total_cost: Money
    waiver: Waiver | None
    lines: tuple[PreviewLine, ...]
    adjustments: tuple[PreviewAdjustment, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """The invoice preview of one month, ready for its template."""

    state: PreviewState
    currency: str
    zone: BillingZone
    scope: Scope
    reference_hours: int
    data_through: datetime | None
    last_day: date
    is_open: bool
    previous: BillingMonth
    next: BillingMonth | None
    current: BillingMonth
    groups: tuple[PreviewGroup, ...]
    subtotal: Money
    net: Money
    tax: tuple[TaxLine, ...]
    total: Money
    due: Money
    forecast: Money
    is_final: bool
    waterfall: tuple[Step, ...]
    chart: Chart | None

    @property
    def all_open(self) -> bool:
        """Whether there is nothing left to expand."""
        return all(group.is_open for group in self.groups)


def present_preview(
    draft: InvoiceDraft,
    daily: DailyCosts,
    state: PreviewState,
    scope: Scope,
    language: str,
    now: datetime,
    positions: Mapping[str, int],
    is_final: bool = False,
) -> Preview:
    """Present a draft, `is_final` when it was issued.

    `positions` gives each product's place in the catalog, which fixes its colour.
    """
    frame, zone = draft.frame, draft.frame.zone
    is_open = draft.until < frame.ends_at
    current = BillingMonth.of(now, zone)
    return Preview(
        state=state,
        currency=draft.currency.code,
        zone=zone,
        scope=scope,
        reference_hours=frame.month.reference_hours,
        data_through=zone.local(draft.data_through) if draft.data_through else None,
        last_day=date(frame.month.year, frame.month.month, frame.month.days),
        is_open=is_open,
        previous=frame.month.previous(),
        next=frame.month.next() if frame.month < current else None,
        current=current,
        groups=tuple(
            _group(group, number, draft, state, language, positions)
            for number, group in enumerate(draft.groups(state.by), start=1)
        ),
        subtotal=draft.subtotal,
        net=draft.net,
        tax=draft.tax,
        total=draft.total,
        due=draft.due,
        forecast=draft.forecast,
        is_final=is_final,
        waterfall=waterfall(draft),
        chart=present_chart(daily, language, positions, zone.local(now).date() if is_open else None),
    )


def _group(
    group: Group,
    number: int,
    draft: InvoiceDraft,
    state: PreviewState,
    language: str,
    positions: Mapping[str, int],
) -> PreviewGroup:
    by_product = state.by == "product"
    first = group.lines[0] if group.lines else None
    project = first.project if first else group.adjustments[0].project
    product = first.charge.product if first else group.adjustments[0].product
    waivers = {line.charge.waiver for line in group.lines}
    return PreviewGroup(
        key=group.key,
        anchor=f"group-{number}",
        name=product.name_in(language) if by_product else project.name,
        colour=colour_of(group.key, positions) if by_product else None,
        is_open=state.everything_is_open or group.key in state.opened,
        total_time=group.total_time,
        average_cost=group.average_cost,
        total_cost=group.total_cost,
        waiver=waivers.pop() if len(waivers) == 1 and not group.adjustments else None,
        lines=tuple(_line(line, draft, state.by, language, positions) for line in group.lines),
        adjustments=tuple(
            PreviewAdjustment(
                late.project.name if by_product else late.product.name_in(language),
                late.month,
                late.formula,
                late.amount,
            )
            for late in group.adjustments
        ),
    )


def waterfall(draft: InvoiceDraft) -> tuple[Step, ...]:
    """Return the steps from what was used to what is due; a change of nothing is left out, but for the tax."""
    changes: list[tuple[str, Money, str, str, Decimal | None]] = [("subtotal", draft.subtotal, "", "", None)]
    for discount in draft.discounts:
        promotion = discount.promotion
        changes.append(("discount", -discount.amount, promotion.name, promotion.code, None))
    if draft.discounts:
        changes.append(("net", draft.net, "", "", None))
    changes += [("tax", tax.amount, "", "", tax.rate) for tax in draft.tax]
    changes.append(("total", draft.total, "", "", None))
    after = (("unpaid", draft.unpaid), ("credit", -draft.credit_used), ("balance", -draft.balance_used))
    changes += [(kind, amount, "", "", None) for kind, amount in after if amount.minor]
    changes.append(("due", draft.due, "", "", None))
    return tuple(_steps(changes))


def _steps(changes: list[tuple[str, Money, str, str, Decimal | None]]) -> Iterator[Step]:
    levels, level = [], 0
    for kind, amount, *_ in changes:
        start = 0 if kind in ("subtotal", "net", "total", "due") else level
        level = start + amount.minor
        levels.append((min(start, level), max(start, level)))
    most = max((high for _, high in levels), default=0) or 1
    for (kind, amount, name, detail, rate), (low, high) in zip(changes, levels, strict=True):
        begin, end = max(0, low) * BAR // most, max(0, high) * BAR // most
        yield Step(kind, amount, name, detail, rate, begin, max(end - begin, 2 if amount.minor else 0))


def _line(line: Line, draft: InvoiceDraft, by: GroupBy, language: str, positions: Mapping[str, int]) -> PreviewLine:
    charge, zone = line.charge, draft.frame.zone
    partial = charge.starts_at > draft.frame.starts_at or charge.ends_at < min(draft.until, draft.frame.ends_at)
    return PreviewLine(
        name=line.project.name if by == "product" else charge.product.name_in(language),
        colour=None if by == "product" else colour_of(charge.product.code, positions),
        metered_units=line.metered_units,
        unit=charge.product.unit,
        total_time=charge.quantity if line.is_time_based else None,
        average_cost=_average_cost(line),
        total_cost=line.amount,
        formula=charge.formula,
        waiver=charge.waiver,
        from_at=zone.local(charge.starts_at) if partial else None,
        until_at=zone.local(charge.ends_at) if partial else None,
    )


def _average_cost(line: Line) -> Decimal | None:
    """Return what an hour of the line cost, for display alone (DOMAIN 3)."""
    if not line.is_time_based or not line.charge.quantity:
        return None
    return half_up(Fraction(line.amount.decimal) / line.charge.quantity, line.amount.currency.digits + 2)
