"""Show one project's month: the lines of what was issued, or else of its draft, and what projects used by invoice.

An account may have a thousand projects; nothing of the others is read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account, Project, SeenProject
from meterbook.core.daily import DailyCosts, daily_costs
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.period import BillingMonth
from meterbook.core.rating import Part, Waiver
from meterbook.core.terms import Use
from meterbook.database import among
from meterbook.invoicing.draft import Payer, draft_month
from meterbook.invoicing.queries import draft_of, line_of_row
from meterbook.invoicing.tables import Invoice, InvoiceLine
from meterbook.invoicing.usage_shown import IssuedMonth
from meterbook.usage.queries import UsageWindow
from meterbook.usage.store import UsageStore


def show_project(
    session: Session,
    usage: UsageStore,
    account: Account,
    project: Project,
    month: BillingMonth,
    issued: IssuedMonth | None,
    at: datetime,
) -> InvoiceDraft:
    """Return a month with the lines of one project alone, without those that adjust another month.

    `issued` names the month's invoice, if it was issued. Amounts before discounts are those that `show_month` gives
    every reader of the project; sums and settlement are not this project's.
    """
    if issued is None:
        return draft_month(session, usage, Payer(account, [SeenProject.of(project)], whole=False), month, at)
    invoice = session.get_one(Invoice, issued.invoice_id)
    rows = session.scalars(
        select(InvoiceLine)
        .where(
            InvoiceLine.invoice_id == issued.invoice_id,
            InvoiceLine.project_code == project.code,
            InvoiceLine.adjusts_month.is_(None),
        )
        .order_by(InvoiceLine.position)
    )
    lines = tuple(line_of_row(row, invoice) for row in rows)
    return replace(draft_of(invoice, account.code, with_lines=False), lines=lines)


def costs_of_days(draft: InvoiceDraft, boundaries: Sequence[datetime], windows: Sequence[UsageWindow]) -> DailyCosts:
    """Spread the lines of `show_project` over the days of their month, by what the project used between boundaries.

    The boundaries are the starts of days and of lines, and the month's end.
    """
    uses = {}
    for line in draft.lines:
        product = line.charge.product
        found = {window.starts_at: window for window in windows if window.meter == product.meter}
        parts = tuple(
            Part(starts_at, ends_at, Fraction(each.quantity) if each else Fraction(0), each.usage_hours if each else 0)
            for starts_at, ends_at in pairwise(boundaries)
            for each in [found.get(starts_at)]
        )
        uses[product.code] = Use(line.project, product, parts)
    return daily_costs(draft, list(uses.values()))


def amounts_billed(
    session: Session, issued: Collection[IssuedMonth], project: Project
) -> dict[str, tuple[int, frozenset[Waiver | None]]]:
    """Return by product (code) what a project was billed in issued months, all together, and why parts cost nothing.

    Amounts are minor units, before discounts.
    """
    rows = session.execute(
        select(InvoiceLine.product_code, func.sum(InvoiceLine.amount_minor), func.array_agg(InvoiceLine.waiver))
        .where(
            among(InvoiceLine.invoice_id, [each.invoice_id for each in issued]),
            InvoiceLine.project_code == project.code,
            InvoiceLine.adjusts_month.is_(None),
        )
        .group_by(InvoiceLine.product_code)
    )
    return {
        product: (int(minor), frozenset(None if waiver is None else Waiver(waiver) for waiver in waivers))
        for product, minor, waivers in rows
    }


def quantities_billed(
    session: Session, issued: Collection[IssuedMonth], projects: Collection[Project]
) -> dict[tuple[str, str], Decimal]:
    """Return by project and product (codes) the quantity that issued months were billed for, all months together."""
    rows = session.execute(
        select(InvoiceLine.project_code, InvoiceLine.product_code, func.sum(InvoiceLine.quantity))
        .where(
            among(InvoiceLine.invoice_id, [each.invoice_id for each in issued]),
            InvoiceLine.project_code.in_([project.code for project in projects]),
            InvoiceLine.adjusts_month.is_(None),
        )
        .group_by(InvoiceLine.project_code, InvoiceLine.product_code)
    )
    return {(project, product): quantity or Decimal(0) for project, product, quantity in rows}
