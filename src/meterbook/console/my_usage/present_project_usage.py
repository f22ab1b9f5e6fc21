"""Presenting the project usage: the table of charges of every project the reader takes part in.

Copies figures out of what was read and decides what stands where; it computes no amount.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from meterbook.console.account_page import AccountPage
from meterbook.console.address import PreviewState
from meterbook.console.my_usage.present_bill import Bill, BillTable
from meterbook.core.adding import added_up
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth, BillingZone
from meterbook.invoicing.project_use import ProjectUse

YEARS_BACK = 12  # that the picker offers


@dataclass(frozen=True, slots=True)
class ProjectUsage:
    """The project usage of one month, ready for its template.

    `total_time` is over all projects; `total_cost` is `None` unless the reader may see what all of them cost.
    `billed_count` of `project_count` projects show their costs.
    """

    state: PreviewState
    currency: str
    zone: BillingZone
    project_count: int
    billed_count: int
    whole_account: bool
    data_through: datetime | None
    is_final: bool
    number: str | None
    previous: BillingMonth
    next: BillingMonth | None
    current: BillingMonth
    years: tuple[int, ...]
    months: tuple[BillingMonth, ...]
    bill: Bill
    total_time: Fraction | None
    total_cost: Money | None


def present_project_usage(
    use: ProjectUse,
    state: PreviewState,
    project_count: int,
    at: AccountPage,
    positions: Mapping[str, int],
    labels: Mapping[str, str],
) -> ProjectUsage:
    """Present a month's use; `positions` gives each product's place in the catalog, `labels` words to find projects."""
    draft, zone = use.used, use.used.frame.zone
    month, current = draft.frame.month, at.this_month()
    timed = [line.charge.quantity for line in draft.lines if line.is_time_based]
    is_all = len(use.billed_projects) == project_count
    return ProjectUsage(
        state=state,
        currency=draft.currency.code,
        zone=zone,
        project_count=project_count,
        billed_count=len(use.billed_projects),
        whole_account=at.sees_account,
        data_through=zone.local(draft.data_through) if draft.data_through else None,
        is_final=use.issued is not None,
        number=use.issued.number if use.issued is not None and at.sees_account else None,
        previous=month.previous(),
        next=month.next() if month < current else None,
        current=current,
        years=tuple(range(max(current.year, month.year), min(current.year - YEARS_BACK, month.year) - 1, -1)),
        months=tuple(BillingMonth(month.year, number) for number in range(1, 13)),
        bill=BillTable(draft, state, at.language, positions, labels, use.billed_projects).page(),
        total_time=added_up(timed) if timed else None,
        total_cost=use.billed.subtotal if is_all else None,
    )
