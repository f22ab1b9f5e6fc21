"""Project usage: what each project the reader takes part in used, amounts only where they may be seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from meterbook.accounts.tables import SeenProject
from meterbook.catalog.queries import product_positions
from meterbook.console.account_page import AccountPage, OfAccount
from meterbook.console.address import PROJECT_USAGE
from meterbook.console.my_usage.invoice_preview import (
    By,
    Month,
    Opened,
    PageNumber,
    Wanted,
    bill_sheet,
    state_of,
)
from meterbook.console.my_usage.newest_month import newest_month
from meterbook.console.my_usage.present_bill import BillTable, labels_of
from meterbook.console.my_usage.present_project_usage import present_project_usage
from meterbook.core.period import BillingMonth
from meterbook.errors import Invalid
from meterbook.invoicing.draft import Payer
from meterbook.invoicing.project_use import ProjectUse, project_use

router = APIRouter(include_in_schema=False)

Year = Annotated[int | None, Query(ge=1970, le=9998)]
MonthOfYear = Annotated[str, Query(max_length=7)]


@router.get(PROJECT_USAGE)
def project_usage(
    at: OfAccount,
    year: Year = None,
    month: MonthOfYear = "",
    by: By = "project",
    opened: Opened = "",
    q: Wanted = "",
    page: PageNumber = 1,
) -> Response:
    """Show what projects used in a month; `year` and a `month` of it (1 to 12) may be named apart, as the form does."""
    state = state_of(at, PROJECT_USAGE, _month(year, month), by, opened, q, page)
    projects = at.projects("member")
    use = _use(at, projects, state.month)
    shown = present_project_usage(use, state, len(projects), at, product_positions(at.session), labels_of(projects))
    newest = None if shown.bill.paging.of_all else newest_month(at, [project.id for project in projects])
    return at.show("project_usage.html", "project-usage", page=shown, newest=newest)


@router.get(f"{PROJECT_USAGE}.csv")
def project_usage_sheet(at: OfAccount, month: Month = "", by: By = "project", q: Wanted = "") -> Response:
    """Return the lines of every group as a sheet; costs that are not the reader's to see stay empty."""
    state = state_of(at, PROJECT_USAGE, month, by, "", q, 1)
    projects = at.projects("member")
    use = _use(at, projects, state.month)
    labels = labels_of(projects)
    table = BillTable(use.used, state, at.language, {}, labels, use.billed_projects)
    return bill_sheet(at, table, "project-usage")


def _month(year: int | None, month: str) -> str:
    if year is None or "-" in month:
        return month
    if not month.isascii() or not month.isdecimal() or not 1 <= int(month) <= 12:
        raise Invalid("A month is a number from 1 to 12.", field="month")
    return str(BillingMonth(year, int(month)))


def _use(at: AccountPage, projects: Sequence[SeenProject], month: BillingMonth) -> ProjectUse:
    return project_use(
        at.session,
        at.request.app.state.usage,
        Payer(at.account, projects if at.sees_account else at.projects("billing"), at.sees_account),
        projects,
        month,
        at.now,
        at.request.app.state.remembered,
    )
