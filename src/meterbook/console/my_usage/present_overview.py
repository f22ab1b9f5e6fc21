"""Presenting the overview: the month's figures, what changed most, and what the account owes and holds.

Copies figures out of what was read and decides what stands where; it computes no amount.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from meterbook.budgets.queries import BudgetStanding
from meterbook.console.account_page import AccountPage
from meterbook.console.chart import Chart, colour_of, present_chart
from meterbook.console.formats import formats
from meterbook.console.languages import translations
from meterbook.console.my_usage.present_bill import Scope
from meterbook.console.sheet import Cell, in_currency
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth, BillingZone
from meterbook.invoicing.applied import AppliedPromotion, saved_in
from meterbook.invoicing.changes import Cause, Change
from meterbook.invoicing.debt import Debt
from meterbook.invoicing.queries import Standing
from meterbook.invoicing.same_hours import SameHours
from meterbook.invoicing.show import ShownMonth
from meterbook.invoicing.tables import Invoice
from meterbook.payments.balance import BalanceStanding
from meterbook.payments.missing_steps import MissingStep
from meterbook.payments.next_payment import NextPayment


@dataclass(frozen=True, slots=True)
class OverviewPromotion:
    """A promotion that is active now; `saved` is what it takes off the month, `left` what is left of a credit."""

    name: str
    code: str
    saved: Money
    left: Money | None


@dataclass(frozen=True, slots=True)
class NewestInvoice:
    """The invoice issued last, and where it stands."""

    number: str
    month: BillingMonth
    total: Money
    status: str
    due_on: date | None


@dataclass(frozen=True, slots=True)
class Dues:
    """What the account owes now, when it pays next and with what, and what it has to do."""

    debt: Debt
    payment: NextPayment
    method: str | None
    missing: tuple[MissingStep, ...]


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """What the account owes and holds now; for readers of its billing alone."""

    dues: Dues
    balance: BalanceStanding
    budget: BudgetStanding | None
    promotions: tuple[OverviewPromotion, ...]
    newest: NewestInvoice | None


@dataclass(frozen=True, slots=True)
class Compared:
    """The same hours of the month before: what they came to, and by how many percent this month is more.

    `until` is the hour at which they were cut, `None` for the whole month; `is_billed` when they are cut out of an
    invoice.
    """

    month: BillingMonth
    total: Money
    more: Decimal | None
    until: datetime | None
    is_billed: bool


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What changed, as a row: `cause` and the figures behind it are those of the `Change`."""

    change: Change
    project: str
    product: str
    colour: int
    cause: str
    is_counter: bool
    href: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The overview of one month, ready for its template."""

    month: BillingMonth
    previous: BillingMonth
    next: BillingMonth | None
    current: BillingMonth
    zone: BillingZone
    currency: str
    scope: Scope
    data_through: datetime | None
    last_day: date
    is_open: bool
    is_final: bool
    has_usage: bool
    may_send: bool
    total: Money
    forecast: Money
    compared: Compared | None
    account: AccountFigures | None
    changes: tuple[ChangeRow, ...]
    chart: Chart | None


def present_overview(
    at: AccountPage,
    shown: ShownMonth,
    before: SameHours,
    chart: Chart | None,
    changes: Sequence[Change],
    positions: Mapping[str, int],
    project_count: int,
    account: AccountFigures | None,
    may_send: bool,
) -> Overview:
    """Present a month beside the same hours of the one before; `chart` has its days, `positions` the products' places.

    `account` are the figures of a reader of the account's billing, `may_send` whether they may make a key for usage.
    """
    draft, zone = shown.draft, shown.draft.frame.zone
    month, current = draft.frame.month, at.this_month()
    is_open = draft.until < draft.frame.ends_at
    return Overview(
        month=month,
        previous=month.previous(),
        next=month.next() if month < current else None,
        current=current,
        zone=zone,
        currency=draft.currency.code,
        scope=Scope(project_count, at.sees_account),
        data_through=zone.local(draft.data_through) if draft.data_through else None,
        last_day=date(month.year, month.month, month.days),
        is_open=is_open,
        is_final=shown.issued is not None,
        has_usage=bool(draft.lines or draft.adjustments),
        may_send=may_send,
        total=draft.total,
        forecast=draft.forecast,
        compared=_compared(draft, before),
        account=account,
        changes=tuple(_row(change, at, month, positions) for change in changes),
        chart=chart,
    )


def overview_chart(at: AccountPage, shown: ShownMonth, before: SameHours, positions: Mapping[str, int]) -> Chart | None:
    """Present a month's cost by day and product beside the month before; None when nothing was metered."""
    frame = shown.draft.frame
    is_open = shown.draft.until < frame.ends_at
    return present_chart(
        shown.daily(),
        at.language,
        positions,
        frame.zone.local(at.now).date() if is_open else None,
        before=before.daily(),
        href=lambda day: at.href("/usage", **{"from": day, "until": day, "open": day}),
    )


def chart_columns(chart: Chart | None, currency: str, language: str) -> list[str]:
    """Return the heads of the chart's table as a sheet."""
    _ = translations(language).gettext
    names = [] if chart is None else [one.name for one in chart.series]
    before = [] if chart is None or chart.before_month is None else [formats(language).month(chart.before_month)]
    return [_("Day"), *(in_currency(name, currency) for name in [*names, _("All"), *before])]


def chart_rows(chart: Chart) -> Iterator[list[Cell]]:
    """Yield the rows of the chart's table: a day's cost by product, in all, and that of the month before."""
    for number, day in enumerate(chart.days):
        before = chart.before[number : number + 1] or (None,)
        costs = [one.costs[number] for one in chart.series]
        yield [day, *costs, chart.totals[number], *(before if chart.before_month else ())]


def promotions_of(applied: Iterable[AppliedPromotion], draft: InvoiceDraft) -> tuple[OverviewPromotion, ...]:
    """Return the promotions that are active now or take something off the draft; a credit that is used up is neither.

    Of a month that is over, what it saved then.
    """
    saved, nothing = saved_in(draft), Money.zero(draft.currency)
    return tuple(
        OverviewPromotion(each.promotion.name, each.promotion.code, saved.get(each.redemption.id, nothing), each.left)
        for each in applied
        if each.redemption.id in saved or (each.standing == "active" and (each.left is None or each.left.minor))
    )


def newest_invoice(invoice: Invoice, standing: Standing) -> NewestInvoice:
    """Return what the overview shows of an issued invoice."""
    assert invoice.number is not None, "an issued invoice has its number"
    total = Money(invoice.total_minor, standing.unpaid.currency)
    return NewestInvoice(invoice.number, BillingMonth.parse(invoice.month), total, standing.status, invoice.due_on)


def _compared(draft: InvoiceDraft, before: SameHours) -> Compared | None:
    if not before.has_usage:
        return None
    frame = before.draft.frame
    return Compared(
        month=frame.month,
        total=before.draft.total,
        more=before.percent_more(draft.total),
        until=None if before.is_whole else frame.zone.local(before.until),
        is_billed=before.issued is not None,
    )


def _row(change: Change, at: AccountPage, month: BillingMonth, positions: Mapping[str, int]) -> ChangeRow:
    product = change.product
    looked_at = month.previous() if change.cause is Cause.gone else change.late_month or month
    return ChangeRow(
        change=change,
        project=change.project.name,
        product=product.name_in(at.language),
        colour=colour_of(product.code, positions),
        cause=change.cause.value,
        is_counter=not product.meter.is_time_based,
        href=at.href("/metering", project=change.project.code, product=product.code, month=looked_at),
    )
