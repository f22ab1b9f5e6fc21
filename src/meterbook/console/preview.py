"""The invoice preview: what makes up the open month's amount, by project or by product."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from meterbook.accounts.access import NONE
from meterbook.accounts.queries import account_by_code, visible_accounts, visible_projects, zone_of
from meterbook.accounts.tables import Account
from meterbook.catalog.queries import current_catalog
from meterbook.console.address import HOME, PreviewState, opened_in
from meterbook.console.chart import chart_data
from meterbook.console.formats import formats
from meterbook.console.languages import LANGUAGES, translations
from meterbook.console.pages import render
from meterbook.console.present import Preview, Scope, present_preview
from meterbook.console.protection import form_token
from meterbook.console.requests import Books, Now, Reader, SignedIn
from meterbook.core.period import BillingMonth
from meterbook.errors import Invalid
from meterbook.invoicing.show import show_month

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class AccountChoice:
    """An account of the switcher, with the address that shows it."""

    name: str
    href: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Heading:
    """What the layout says about the reader: who, which account, and where the menu leads."""

    email: str
    form_token: str
    account: str | None
    accounts: tuple[AccountChoice, ...]
    preview_href: str


@router.get("/")
def first_page() -> Response:
    """Lead to the first page."""
    return RedirectResponse(HOME, 303)


@router.get(HOME)
def invoice_preview(
    request: Request,
    session: Books,
    now: Now,
    reader: SignedIn,
    account: str = "",
    month: str = "",
    by: str = "project",
    open: str = "",  # noqa: A002 - a field's name
    lang: str = "",
    toggle: str = "",
) -> Response:
    """Show a month's draft; `toggle` opens or closes a group for browsers without JavaScript."""
    accounts = visible_accounts(session, reader.access)
    if not account and not accounts:
        return render(request, "no_account.html", reader.language, reader=_heading(reader, None, None, []))
    chosen = account_by_code(session, account, reader.access) if account else _first(accounts, reader)
    state = _state(chosen, month, by, open, lang, now)
    page = _page(request, session, reader, chosen, state, now)
    if toggle:
        keys = frozenset(group.key for group in page.groups)
        return RedirectResponse(state.toggled(toggle, keys).href(), 303)
    written = formats(reader.language)
    not_over = translations(reader.language).gettext("not over yet")
    return render(
        request,
        "invoice_preview.html",
        reader.language,
        reader=_heading(reader, chosen, state, accounts),
        page=page,
        chart_data=chart_data(page.chart, written, not_over) if page.chart else None,
    )


def _first(accounts: list[Account], reader: Reader) -> Account:
    """Return the account to show when none is named: the first with something to see."""
    return next((each for each in accounts if reader.access.billing_projects(each.id) != NONE), accounts[0])


def _state(account: Account, month: str, by: str, opened: str, lang: str, now: datetime) -> PreviewState:
    if by not in ("project", "product"):
        raise Invalid("The invoice is grouped by project or by product.", field="by")
    try:
        shown = BillingMonth.parse(month) if month else BillingMonth.of(now, zone_of(account))
    except ValueError as error:
        raise Invalid(str(error), field="month") from None
    language = lang if lang in LANGUAGES else None
    return PreviewState(account.code, shown, by, opened_in(opened), language)  # type: ignore[arg-type]  # checked above


def _page(
    request: Request, session: Session, reader: Reader, account: Account, state: PreviewState, now: datetime
) -> Preview:
    projects = visible_projects(session, account.id, reader.access, need="billing")
    whole = reader.access.has_account_billing(account.id)
    shown = show_month(session, request.app.state.usage, account, projects, state.month, now, whole=whole, by_day=True)
    assert shown.daily is not None, "the days were asked for"
    positions = {product.code: position for position, product in enumerate(current_catalog(session))}
    scope = Scope(len(projects), whole)
    is_final = shown.issued is not None
    return present_preview(shown.draft, shown.daily, state, scope, reader.language, now, positions, is_final)


def _heading(reader: Reader, account: Account | None, state: PreviewState | None, accounts: list[Account]) -> Heading:
    choices: tuple[AccountChoice, ...] = ()
    if account is not None and state is not None:
        choices = tuple(
            AccountChoice(each.name, state.for_account(each.code).href(), each.id == account.id) for each in accounts
        )
    return Heading(
        email=reader.access.subject,
        form_token=form_token(reader.token),
        account=account.name if account else None,
        accounts=choices,
        preview_href=state.href() if state else HOME,
    )
