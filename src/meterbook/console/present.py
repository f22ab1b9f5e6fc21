"""Presenting a draft: the invoice preview as its page shows it, pure and without a word of HTML.

Copies figures out of the draft and decides what stands where; it computes no amount.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from meterbook.console.address import PreviewState
from meterbook.console.chart import Chart, colour_of, present_chart
from meterbook.core.daily import DailyCosts
from meterbook.core.invoice import Group, GroupBy, InvoiceDraft, Line
from meterbook.core.money import Money, half_up
from meterbook.core.period import BillingMonth, BillingZone
from meterbook.core.rating import Waiver
from meterbook.core.tax import TaxLine


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose usage the totals cover: so many projects, which may be all of the account."""

    project_count: int
    whole_account: bool


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
    tax: tuple[TaxLine, ...]
    total: Money
    forecast: Money
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
) -> Preview:
    """Present a draft; `positions` gives each product's place in the catalog, which fixes its colour."""
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
        tax=draft.tax,
        total=draft.total,
        forecast=draft.forecast,
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
    first = group.lines[0]
    by_product = state.by == "product"
    waivers = {line.charge.waiver for line in group.lines}
    return PreviewGroup(
        key=group.key,
        anchor=f"group-{number}",
        name=first.charge.product.name_in(language) if by_product else first.project.name,
        colour=colour_of(group.key, positions) if by_product else None,
        is_open=state.everything_is_open or group.key in state.opened,
        total_time=group.total_time,
        average_cost=group.average_cost,
        total_cost=group.total_cost,
        waiver=waivers.pop() if len(waivers) == 1 else None,
        lines=tuple(_line(line, draft, state.by, language, positions) for line in group.lines),
    )


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
