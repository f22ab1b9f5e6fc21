"""The budget: what the account means to spend in a month, how much of it is used, and when that was told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from meterbook.accounts.queries import payment_information_of
from meterbook.budgets.queries import BudgetStanding, alerts_of, budget_of, budget_standing
from meterbook.budgets.set_budget import remove_budget, set_budget
from meterbook.console.account_page import AccountPage, OfBilledAccount
from meterbook.console.formats import formats
from meterbook.console.languages import translations
from meterbook.console.requests import Posted
from meterbook.console.sheet import Cell, in_currency, sheet
from meterbook.core.budget import THRESHOLDS
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth, BillingZone
from meterbook.errors import Invalid
from meterbook.invoicing.draft import Payer

router = APIRouter(include_in_schema=False)

PATH: Final = "/budget"
_DONE: Final = ("saved", "removed")


@dataclass(frozen=True, slots=True)
class AlertRow:
    """A threshold that a month reached, and what stood where then; `at` is on the account's clocks."""

    month: BillingMonth
    percent: Decimal
    at: datetime
    budget: Money
    spent: Money


@dataclass(frozen=True, slots=True)
class BudgetPage:
    """The budget, ready for its template: `typed` is what stands in the field, `fault` what is wrong with it."""

    currency: str
    zone: BillingZone
    month: BillingMonth
    data_through: datetime | None
    standing: BudgetStanding | None
    thresholds: str
    told: str | None
    alerts: tuple[AlertRow, ...]
    typed: str
    fault: str
    done: str


@router.get(PATH)
def budget(at: OfBilledAccount, done: str = "") -> Response:
    """Show the budget beside the running month."""
    return _show(at, done=done if done in _DONE else "")


@router.post(PATH)
def save(at: OfBilledAccount, posted: Posted, amount: Annotated[str, Form(max_length=40)] = "") -> Response:
    """Set the budget; or say beside the field what is wrong with it."""
    try:
        set_budget(at.session, at.now, account=at.account, amount=amount, by=posted.access.subject)
    except Invalid as error:
        return _show(at, 422, typed=amount, fault=formats(at.language).said(error.message))
    return RedirectResponse(at.href(PATH, done="saved"), 303)


@router.post(f"{PATH}/remove")
def remove(at: OfBilledAccount, _posted: Posted) -> Response:
    """Take the budget back; a second time changes nothing."""
    remove_budget(at.session, account=at.account)
    return RedirectResponse(at.href(PATH, done="removed"), 303)


@router.get(f"{PATH}.csv")
def budget_sheet(at: OfBilledAccount) -> Response:
    """Return the budget beside the running month, and what was told, as a sheet."""
    _ = translations(at.language).gettext
    currency = at.account.currency
    columns = [
        _("Month"),
        _("What"),
        _("Time"),
        in_currency(_("Budget"), currency),
        in_currency(_("Used then"), currency),
        in_currency(_("Budget used"), "%"),
        in_currency(_("Forecast"), currency),
    ]
    return sheet(f"budget-{at.account.code}.csv", columns, _rows(at, _("So far"), _("Reached")))


def _rows(at: AccountPage, so_far: str, reached: str) -> list[list[Cell]]:
    draft, standing = _standing(at)
    if standing is None:
        return []
    as_of = at.zone.local(draft.data_through) if draft.data_through else None
    now: list[Cell] = [standing.amount, standing.spent, standing.used_percent, standing.forecast]
    told: list[list[Cell]] = [
        [str(row.month), reached, row.at, row.budget, row.spent, row.percent, None] for row in _alerts(at)
    ]
    return [[str(draft.frame.month), so_far, as_of, *now], *told]


def _standing(at: AccountPage) -> tuple[InvoiceDraft, BudgetStanding | None]:
    """Return the running month, and how the budget stands against it, None without one."""
    state = at.request.app.state
    payer = Payer(at.account, at.projects(), True)
    draft = state.remembered.show(at.session, state.usage, payer, at.this_month(), at.now).draft
    return draft, budget_standing(at.session, at.account, draft)


def _show(at: AccountPage, status: int = 200, typed: str | None = None, fault: str = "", done: str = "") -> Response:
    draft, standing = _standing(at)
    information = payment_information_of(at.session, at.account.id)
    page = BudgetPage(
        currency=at.account.currency,
        zone=at.zone,
        month=draft.frame.month,
        data_through=at.zone.local(draft.data_through) if draft.data_through else None,
        standing=standing,
        thresholds=", ".join(formats(at.language).percent(Decimal(each)) for each in THRESHOLDS),
        told=information.email if information else at.account.billing_email,
        alerts=_alerts(at),
        typed=typed if typed is not None else "" if standing is None else str(standing.amount),
        fault=fault,
        done=done,
    )
    return at.show("budget.html", "overview", status, page=page)


def _alerts(at: AccountPage) -> tuple[AlertRow, ...]:
    found = budget_of(at.session, at.account.id)
    return tuple(
        AlertRow(
            month=BillingMonth.parse(alert.month),
            percent=Decimal(alert.percent),
            at=at.zone.local(alert.reached_at),
            budget=Money(alert.budget_minor, at.currency),
            spent=Money(alert.spent_minor, at.currency),
        )
        for alert in ([] if found is None else alerts_of(at.session, found))
    )
