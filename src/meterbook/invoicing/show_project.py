"""Show one project's month: the lines of what was issued, or else of its draft, and what projects used by invoice.

An account may have a thousand projects; nothing of the others is read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account, Project
from meterbook.core.daily import DailyCosts
from meterbook.core.invoice import Line
from meterbook.core.period import BillingMonth
from meterbook.core.rating import Waiver
from meterbook.invoicing.daily_use import costs_by_day
from meterbook.invoicing.draft import draft_month
from meterbook.invoicing.queries import draft_of, line_of_row
from meterbook.invoicing.tables import Invoice, InvoiceLine
from meterbook.invoicing.usage_shown import IssuedMonth
from meterbook.usage.store import UsageStore


@dataclass(frozen=True, slots=True)
class ProjectMonth:
    """The lines of one project in a month, without those that adjust another month; `daily` only if asked for.

    Amounts before discounts are those that every reader of the project is shown.
    """

    lines: Sequence[Line]
    daily: DailyCosts | None


def show_project(
    session: Session,
    usage: UsageStore,
    account: Account,
    project: Project,
    month: BillingMonth,
    issued: IssuedMonth | None,
    at: datetime,
    *,
    by_day: bool = False,
) -> ProjectMonth:
    """Return what `show_month` shows of one project's use; `issued` names the month's invoice, if it was issued."""
    if issued is None:
        draft, through = draft_month(session, usage, account, [project], month, at), None
    else:
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
        draft, through = replace(draft_of(invoice, account.code, with_lines=False), lines=lines), issued.usage_through
    daily = costs_by_day(usage, account.id, [project], draft, at, through) if by_day else None
    return ProjectMonth(draft.lines, daily)


def amounts_billed(
    session: Session, issued: Collection[IssuedMonth], project: Project
) -> dict[str, tuple[int, frozenset[Waiver | None]]]:
    """Return by product (code) what a project was billed in issued months, all together, and why parts cost nothing.

    Amounts are minor units, before discounts.
    """
    rows = session.execute(
        select(InvoiceLine.product_code, func.sum(InvoiceLine.amount_minor), func.array_agg(InvoiceLine.waiver))
        .where(
            InvoiceLine.invoice_id.in_([each.invoice_id for each in issued]),
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
            InvoiceLine.invoice_id.in_([each.invoice_id for each in issued]),
            InvoiceLine.project_code.in_([project.code for project in projects]),
            InvoiceLine.adjusts_month.is_(None),
        )
        .group_by(InvoiceLine.project_code, InvoiceLine.product_code)
    )
    return {(project, product): quantity or Decimal(0) for project, product, quantity in rows}
