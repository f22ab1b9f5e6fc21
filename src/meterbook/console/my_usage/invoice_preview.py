"""The invoice preview: what makes up the open month's amount, by project or by product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from meterbook.accounts.tables import SeenProject
from meterbook.catalog.queries import product_positions
from meterbook.console.account_page import AccountPage, OfAccount
from meterbook.console.address import PREVIEW, PreviewState, grouping_in, opened_in
from meterbook.console.chart import chart_data
from meterbook.console.formats import formats
from meterbook.console.languages import translations
from meterbook.console.my_usage.bill_sheet import bill_columns, bill_rows
from meterbook.console.my_usage.newest_month import newest_month
from meterbook.console.my_usage.present_bill import BillTable, Scope, labels_of
from meterbook.console.my_usage.present_preview import present_preview
from meterbook.console.plot_state import OfPlot
from meterbook.console.sheet import sheet
from meterbook.invoicing.draft import Payer
from meterbook.invoicing.show import ShownMonth

router = APIRouter(include_in_schema=False)

Month = Annotated[str, Query(max_length=7)]
By = Annotated[str, Query(max_length=10)]
Opened = Annotated[str, Query(max_length=10_000, alias="open")]
Wanted = Annotated[str, Query(max_length=200)]
PageNumber = Annotated[int, Query(ge=1, le=1_000)]


@router.get(PREVIEW)
def invoice_preview(
    at: OfAccount,
    plot: OfPlot,
    month: Month = "",
    by: By = "project",
    opened: Opened = "",
    q: Wanted = "",
    page: PageNumber = 1,
) -> Response:
    """Show a month's draft, or its invoice; a script that swaps the table alone is not given the chart."""
    state = replace(state_of(at, PREVIEW, month, by, opened, q, page), plot=plot)
    is_swap = "hx-request" in at.request.headers
    projects = at.projects()
    shown = _shown(at, projects, state, by_day=not is_swap)
    preview = present_preview(
        shown.draft,
        None if is_swap else shown.daily(),
        state,
        Scope(len(projects), at.sees_account),
        at.language,
        at.now,
        product_positions(at.session),
        is_final=shown.issued is not None,
        labels=labels_of(projects),
        number=shown.issued.number if shown.issued is not None and at.sees_account else None,
    )
    not_over = translations(at.language).gettext("not over yet")
    data = chart_data(preview.chart, formats(at.language), not_over) if preview.chart else None
    newest = None if shown.draft.lines else newest_month(at, [project.id for project in projects])
    awaited = at.awaited_before(state.month)
    return at.show(
        "invoice_preview.html", "invoice-preview", page=preview, chart_data=data, awaited=awaited, newest=newest
    )


@router.get(f"{PREVIEW}.csv")
def invoice_preview_sheet(at: OfAccount, month: Month = "", by: By = "project", q: Wanted = "") -> Response:
    """Return the lines of every group as a sheet."""
    state = state_of(at, PREVIEW, month, by, "", q, 1)
    projects = at.projects()
    draft = _shown(at, projects, state, by_day=False).draft
    return bill_sheet(at, BillTable(draft, state, at.language, {}, labels_of(projects)), "invoice-preview")


def state_of(at: AccountPage, path: str, month: str, by: str, opened: str, wanted: str, page: int) -> PreviewState:
    """Read what the reader looks at. Raises `Invalid` for a grouping or a month that is none."""
    grouping = grouping_in(by)
    return PreviewState(at.account.code, at.month(month), grouping, opened_in(opened), wanted.strip(), page, path)


def bill_sheet(at: AccountPage, table: BillTable, name: str) -> Response:
    """Return a table of charges as a sheet that bears its account's and month's names."""
    _ = translations(at.language).gettext
    columns = bill_columns(table.draft.currency.code, _)
    return sheet(f"{name}-{at.account.code}-{table.state.month}.csv", columns, bill_rows(table, _))


def _shown(at: AccountPage, projects: Sequence[SeenProject], state: PreviewState, *, by_day: bool) -> ShownMonth:
    usage, remembered = at.request.app.state.usage, at.request.app.state.remembered
    shown: ShownMonth = remembered.show(
        at.session, usage, Payer(at.account, projects, at.sees_account), state.month, at.now, by_day=by_day
    )
    return shown
