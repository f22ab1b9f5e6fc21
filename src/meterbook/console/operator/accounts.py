"""Accounts: the list with what each owes, and adding one."""

from __future__ import annotations

from typing import Annotated, Final, get_args

from fastapi import APIRouter, Query
from fastapi.responses import Response

from meterbook.accounts.add_account import add_account
from meterbook.accounts.tables import Account
from meterbook.console.address import address_of
from meterbook.console.operator.fields import Fields, Form, Sent
from meterbook.console.operator.operator_page import HOME, AsOperator, OperatorPage, Problems, led_to
from meterbook.console.requests import Posted
from meterbook.console.sheet import sheet
from meterbook.errors import Invalid
from meterbook.invoicing.account_standings import PAGE, Only, account_standings, totals_by_currency

router = APIRouter(include_in_schema=False)

HERE = "accounts"
PATH = f"{HOME}/accounts"
_LISTS: Final[dict[str, Only]] = {each: each for each in get_args(Only)}


@router.get("/accounts")
def show_accounts(
    at: AsOperator, q: str = "", only: str = "", after: str = "", form: Annotated[str, Query(alias="format")] = ""
) -> Response:
    """List accounts with what each owes, those that a search finds; with format=csv, all of them as a sheet."""
    chosen = _only(only)
    if form == "csv":
        return _sheet(at, q, chosen)
    rows = account_standings(at.session, at.now, search=q, only=chosen, after=after, limit=PAGE + 1)
    return at.show(
        "accounts.html",
        HERE,
        rows=rows[:PAGE],
        totals=totals_by_currency(at.session, at.now, search=q, only=chosen),
        q=q,
        only=chosen,
        filters={each: address_of(PATH, q=q, only=each) for each in _LISTS},
        csv=address_of(PATH, q=q, only=only, format="csv"),
        next=address_of(PATH, q=q, only=only, after=rows[PAGE - 1].code) if len(rows) > PAGE else None,
        first=address_of(PATH, q=q, only=only) if after else None,
    )


@router.get("/new-account")
def show_new(at: AsOperator) -> Response:
    """Show the form of an account."""
    return at.show("new_account.html", HERE, form=Form())


@router.post("/new-account")
def post_new(at: AsOperator, _posted: Posted, sent: Sent) -> Response:
    """Add an account and lead to it."""
    try:
        account = at.attempt(lambda: _added(at, sent))
    except Problems as problem:
        return at.show_again("new_account.html", HERE, sent, problem)
    return led_to(f"{PATH}/{account.code}", "account-added")


def _only(text: str) -> Only:
    found = _LISTS.get(text)
    if found is None:
        raise Invalid("There is no such list of accounts.", field="only")
    return found


def _added(at: OperatorPage, sent: Fields) -> Account:
    code = sent.text("code", 100)
    return add_account(
        at.session,
        at.now,
        code=code,
        name=sent.text("name", 400) or code,
        currency=sent.text("currency", 10).upper(),
        time_zone=sent.text("time_zone", 100) or "UTC",
        language=sent.text("language", 10),
        tax_percent=sent.decimal("tax_percent"),
        tax_class=sent.text("tax_class", 40),
        rounding=sent.text("rounding", 40) or None,
        billing_email=sent.text("billing_email", 400) or None,
        dst_zones=at.settings.dst_zones,
    )


def _sheet(at: OperatorPage, q: str, only: Only) -> Response:
    columns = (
        at.gettext("Code"),
        at.gettext("Name"),
        at.gettext("Currency"),
        at.gettext("Time zone"),
        at.gettext("Unpaid"),
        at.gettext("Overdue"),
        at.gettext("Balance"),
        at.gettext("Payment method"),
        at.gettext("Last invoice"),
        at.gettext("Status"),
    )
    rows = account_standings(at.session, at.now, search=q, only=only, limit=None)
    cells = (
        (
            row.code,
            row.name,
            row.currency,
            row.time_zone,
            row.unpaid,
            row.overdue,
            row.balance,
            row.method or "",
            row.invoice.number if row.invoice else "",
            row.status or "",
        )
        for row in rows
    )
    return sheet("accounts.csv", columns, cells)
