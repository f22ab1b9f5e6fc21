"""Presenting a draft: the invoice preview as its page shows it, pure and without a word of HTML.

Copies figures out of the draft and decides what stands where; it computes no amount.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from meterbook.console.address import PreviewState
from meterbook.console.chart import Chart, present_chart, seen
from meterbook.console.my_usage.present_bill import Bill, BillGroup, BillTable, Scope
from meterbook.core.daily import DailyCosts
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth, BillingZone
from meterbook.core.tax import TaxLine

BAR: Final = 1000  # what the longest bar of a waterfall measures


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
    bill: Bill
    subtotal: Money
    net: Money
    tax: tuple[TaxLine, ...]
    total: Money
    unpaid: Money
    due: Money
    forecast: Money
    deferred_months: tuple[BillingMonth, ...]
    number: str | None
    is_final: bool
    waterfall: tuple[Step, ...]
    chart: Chart | None

    @property
    def groups(self) -> tuple[BillGroup, ...]:
        """The groups of the page."""
        return self.bill.groups


def present_preview(
    draft: InvoiceDraft,
    daily: DailyCosts | None,
    state: PreviewState,
    scope: Scope,
    language: str,
    now: datetime,
    positions: Mapping[str, int],
    is_final: bool = False,
    labels: Mapping[str, str] | None = None,
    number: str | None = None,
) -> Preview:
    """Present a draft, `is_final` when it was issued (under a `number`, if the reader may know it).

    `positions` gives each product's place in the catalog, which fixes its colour; `labels` the words a project is found
    by. Without `daily` there is no chart.
    """
    frame, zone = draft.frame, draft.frame.zone
    is_open = draft.until < frame.ends_at
    current = BillingMonth.of(now, zone)
    today = zone.local(now).date() if is_open else None
    chart = None if daily is None else present_chart(daily, language, positions, today)
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
        bill=BillTable(draft, state, language, positions, labels or {}).page(),
        subtotal=draft.subtotal,
        net=draft.net,
        tax=draft.tax,
        total=draft.total,
        unpaid=draft.unpaid,
        due=draft.due,
        forecast=draft.forecast,
        deferred_months=draft.deferred_months,
        number=number,
        is_final=is_final,
        waterfall=waterfall(draft),
        chart=seen(chart, state.plot, lambda plot: state.plotted(plot).href()),
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
