"""The overview: what the month will cost, and why it is more than the last."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse, Response

from meterbook.accounts.access import NONE
from meterbook.accounts.queries import payment_information_of
from meterbook.budgets.queries import budget_standing
from meterbook.catalog.queries import product_positions
from meterbook.console.account_page import AccountPage, OfAccount, pages_open_to
from meterbook.console.chart import chart_data, seen
from meterbook.console.formats import formats
from meterbook.console.languages import translations
from meterbook.console.my_usage.newest_month import newest_month
from meterbook.console.my_usage.present_overview import (
    AccountFigures,
    Dues,
    chart_columns,
    chart_rows,
    newest_invoice,
    overview_chart,
    present_overview,
    promotions_of,
)
from meterbook.console.my_usage.present_payment import method_name
from meterbook.console.plot_state import OfPlot
from meterbook.console.sheet import sheet
from meterbook.core.invoice import InvoiceDraft
from meterbook.invoicing.applied import applied_promotions
from meterbook.invoicing.changes import greatest_changes, with_days
from meterbook.invoicing.debt import debt_of
from meterbook.invoicing.draft import Payer
from meterbook.invoicing.queries import issued_invoices, standing_of
from meterbook.invoicing.same_hours import same_hours
from meterbook.payments.balance import balance_standing
from meterbook.payments.missing_steps import missing_steps
from meterbook.payments.next_payment import next_payment

router = APIRouter(include_in_schema=False)


@router.get("/")
def first_page(at: OfAccount) -> Response:
    """Lead to the first page that shows the reader something."""
    if at.reader.access.may_operate():
        return RedirectResponse("/operator", 303)
    return RedirectResponse(f"/{pages_open_to(at.reader.access, at.account)[0]}", 303)


@router.get("/overview")
def overview(at: OfAccount, plot: OfPlot, month: Annotated[str, Query(max_length=7)] = "") -> Response:
    """Show what a month comes to, beside the same hours of the month before and what the account owes."""
    usage, remembered = at.request.app.state.usage, at.request.app.state.remembered
    payer = Payer(at.account, at.projects(), at.sees_account)
    read = remembered.begin(at.session, usage, payer, at.month(month), at.now, by_day=True)
    dues = _dues(at) if payer.whole else None
    shown = read()
    before = same_hours(at.session, usage, payer, shown.draft.frame, at.now, remembered)
    changes = greatest_changes(shown.draft, before.draft) if before.has_usage else []
    dated = usage.begin(partial(with_days, changes, usage, payer, shown.draft))
    account = _account(at, dues, shown.draft) if dues else None
    positions = product_positions(at.session)
    chart = overview_chart(at, shown, before, positions)
    page = present_overview(
        at,
        shown,
        before,
        seen(chart, plot, lambda other: at.href("/overview", month=month, **other.fields)),
        dated.result(),
        positions,
        len(payer.projects),
        account=account,
        may_send=at.reader.access.administered_projects(at.account.id) != NONE,
    )
    not_over = translations(at.language).gettext("not over yet")
    data = chart_data(page.chart, formats(at.language), not_over) if page.chart else None
    newest = None if page.has_usage else newest_month(at, [project.id for project in payer.projects])
    awaited = at.awaited_before(page.month)
    return at.show("overview.html", "overview", page=page, chart_data=data, awaited=awaited, newest=newest, plot=plot)


@router.get("/overview.csv")
def overview_sheet(at: OfAccount, month: Annotated[str, Query(max_length=7)] = "") -> Response:
    """Return the month's days as a sheet: what each product cost, all of them, and the month before."""
    usage, remembered = at.request.app.state.usage, at.request.app.state.remembered
    payer = Payer(at.account, at.projects(), at.sees_account)
    shown = remembered.show(at.session, usage, payer, at.month(month), at.now, by_day=True)
    before = same_hours(at.session, usage, payer, shown.draft.frame, at.now, remembered)
    chart = overview_chart(at, shown, before, product_positions(at.session))
    columns = chart_columns(chart, at.account.currency, at.language)
    name = f"overview-{at.account.code}-{shown.draft.frame.month}.csv"
    return sheet(name, columns, chart_rows(chart) if chart else ())


def _dues(at: AccountPage) -> Dues:
    session, settings = at.session, at.request.app.state.settings
    information, debt = payment_information_of(session, at.account.id), debt_of(session, at.account, at.now)
    return Dues(
        debt=debt,
        payment=next_payment(session, at.now, settings, at.account, debt),
        method=None if information is None else method_name(information, at.language),
        missing=tuple(missing_steps(session, at.now, settings, at.account, debt)),
    )


def _account(at: AccountPage, dues: Dues, draft: InvoiceDraft) -> AccountFigures:
    """Return what the account owes and holds now, and what its promotions save in the month."""
    session = at.session
    newest = next(iter(issued_invoices(session, [at.account.id], limit=1)), None)
    return AccountFigures(
        dues=dues,
        balance=balance_standing(session, at.account, at.now),
        budget=budget_standing(session, at.account, draft),
        promotions=promotions_of(applied_promotions(session, at.account, at.now), draft),
        newest=None if newest is None else newest_invoice(newest[0], standing_of(session, *newest, at.now)),
    )
