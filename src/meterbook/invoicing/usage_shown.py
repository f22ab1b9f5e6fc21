"""Usage as customers are shown it: of an issued month what its invoice counted, of every other month all that is known.

So the days of a month add up to what was billed for it, whatever came in since.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of, zone_of
from meterbook.accounts.tables import Account, Project, SeenProject
from meterbook.core.metering import Meter
from meterbook.core.period import BillingMonth, BillingZone
from meterbook.core.pricing import Product
from meterbook.core.rating import Frame, Waiver, price_boundaries
from meterbook.invoicing.tables import Invoice, InvoiceLine
from meterbook.invoicing.use import project_terms
from meterbook.usage.hours import received_since
from meterbook.usage.queries import UsageWindow, by_window
from meterbook.usage.store import UsageStore


@dataclass(frozen=True, slots=True)
class IssuedMonth:
    """A month with its invoice: the number, and the moment of receipt through which usage was counted on it."""

    month: BillingMonth
    invoice_id: int
    number: str
    usage_through: datetime


@dataclass(frozen=True, slots=True)
class MonthPart:
    """A part of a month that is charged as one line of its own; `waiver` says why it costs nothing."""

    starts_at: datetime
    ends_at: datetime
    waiver: Waiver | None


Issued = Mapping[BillingMonth, IssuedMonth]


def months_between(starts_at: datetime, ends_at: datetime, zone: BillingZone) -> list[BillingMonth]:
    """Return the months that the interval touches, in order."""
    months, month = [], BillingMonth.of(starts_at, zone)
    while month.starts_at(zone) < ends_at:
        months.append(month)
        month = month.next()
    return months


def issued_among(
    session: Session, account: Account, months: Collection[BillingMonth], at: datetime
) -> dict[BillingMonth, IssuedMonth]:
    """Return those of the months of which an invoice was issued by a moment."""
    rows = session.execute(
        select(Invoice.month, Invoice.id, Invoice.number, Invoice.usage_through).where(
            Invoice.account_id == account.id,
            Invoice.month.in_([str(month) for month in months]),
            Invoice.number.is_not(None),
            Invoice.issued_at <= at,
        )
    )
    found = (IssuedMonth(BillingMonth.parse(month), id_, str(number), through) for month, id_, number, through in rows)
    return {each.month: each for each in found}


def usage_shown(
    usage: UsageStore,
    account: Account,
    project_ids: Collection[int],
    meters: Collection[Meter],
    boundaries: Sequence[datetime],
    issued: Issued,
    until: datetime,
    *,
    without: Collection[BillingMonth] = (),
) -> list[UsageWindow]:
    """Return the windows between boundaries in which something was metered, in order of month, project, type and time.

    As `by_window`; a boundary is added at the start of each month. `issued` are the months of `issued_among`, of which
    those may be missing that nothing came late for; months `without` are left out.
    """
    zone = zone_of(account)
    windows: list[UsageWindow] = []
    for months, through in _runs(boundaries, zone, issued, without, until):
        starts_at, ends_at = (
            max(boundaries[0], months[0].starts_at(zone)),
            min(boundaries[-1], months[-1].ends_at(zone)),
        )
        cuts = {each for each in boundaries if starts_at < each < ends_at}
        cuts |= {each.starts_at(zone) for each in months[1:]}
        windows += by_window(
            usage,
            [account.id],
            project_ids,
            meters,
            sorted({starts_at, *cuts, ends_at}),
            zone,
            until,
            hours_max=months[0].reference_hours if zone.has_dst else None,
            received_through=through,
        )
    return windows


def _runs(
    boundaries: Sequence[datetime],
    zone: BillingZone,
    issued: Issued,
    without: Collection[BillingMonth],
    until: datetime,
) -> list[tuple[list[BillingMonth], datetime | None]]:
    """Divide the months between boundaries into those that can be read at once, with what each is known through."""
    runs: list[tuple[list[BillingMonth], datetime | None]] = []
    for month in months_between(boundaries[0], min(boundaries[-1], until), zone):
        if month in without:
            continue
        through = issued[month].usage_through if month in issued else None
        goes_on = runs and runs[-1][0][-1].next() == month and runs[-1][1] is through is None and not zone.has_dst
        if goes_on:
            runs[-1][0].append(month)
        else:
            runs.append(([month], through))
    return runs


def late_months(
    usage: UsageStore, account: Account, project: Project, meters: Collection[Meter], issued: Iterable[IssuedMonth]
) -> list[IssuedMonth]:
    """Return those of the issued months of which usage of a project came in after it was counted for the invoice."""
    zone, known = zone_of(account), sorted(issued, key=lambda each: each.month)
    spans = [(each.month.starts_at(zone), each.month.ends_at(zone), each.usage_through) for each in known]
    late = received_since(usage, account.id, project.id, {meter.type for meter in meters}, spans)
    starts = {starts_at for _, starts_at in late}
    return [each for each in known if each.month.starts_at(zone) in starts]


def adjusting_invoices(
    session: Session, account: Account, project: Project, months: Collection[BillingMonth], product: str | None = None
) -> list[str]:
    """Return the numbers, oldest first, of invoices that bill late usage of a project (and product) in these months."""
    query = (
        select(Invoice.number)
        .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
        .where(
            Invoice.account_id == account.id,
            Invoice.number.is_not(None),
            InvoiceLine.project_code == project.code,
            InvoiceLine.adjusts_month.in_([str(month) for month in months]),
        )
        .group_by(Invoice.id)
        .order_by(Invoice.id)
    )
    if product is not None:
        query = query.where(InvoiceLine.product_code == product)
    return [str(number) for number in session.scalars(query)]


def parts_of_month(
    session: Session,
    account: Account,
    project: Project,
    product: Product,
    month: BillingMonth,
    issued: IssuedMonth | None,
) -> list[MonthPart]:
    """Return the parts of a month that are charged apart: as the invoice has them, or by the terms as they hold now.

    A price that changed and a trial that ended inside the month divide it.
    """
    if issued is not None:
        rows = session.execute(
            select(InvoiceLine.starts_at, InvoiceLine.ends_at, InvoiceLine.waiver)
            .where(
                InvoiceLine.invoice_id == issued.invoice_id,
                InvoiceLine.project_code == project.code,
                InvoiceLine.product_code == product.code,
                InvoiceLine.adjusts_month.is_(None),
            )
            .order_by(InvoiceLine.position)
        )
        return [
            MonthPart(starts_at, ends_at, None if waiver is None else Waiver(waiver))
            for starts_at, ends_at, waiver in rows
            if starts_at is not None and ends_at is not None
        ]
    frame = Frame(month, zone_of(account))
    terms = project_terms(SeenProject.of(project), frame)
    free_until = terms.free_until or frame.starts_at
    cuts = price_boundaries(product, currency_of(account), frame)
    if frame.starts_at < free_until < frame.ends_at:
        cuts.add(free_until)
    return [
        MonthPart(begins, ends, terms.free_as if begins < free_until else None)
        for begins, ends in pairwise([frame.starts_at, *sorted(cuts), frame.ends_at])
    ]
