"""The pages of *My usage*: what each starts from (who reads, of which account, when), and the frame it is shown in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.access import NONE, Access
from meterbook.accounts.queries import (
    Need,
    account_by_code,
    currency_of,
    visible_accounts,
    visible_projects,
    zone_of,
)
from meterbook.accounts.tables import Account, SeenProject
from meterbook.console.address import address_of
from meterbook.console.pages import render
from meterbook.console.protection import form_token
from meterbook.console.requests import Books, Now, Reader, SignedIn
from meterbook.core.money import Currency
from meterbook.core.period import BillingMonth, BillingZone
from meterbook.core.sentence import say
from meterbook.errors import Invalid, NotFound
from meterbook.payments.next_payment import awaited_before

ACCOUNTS_IN_SWITCHER_MAX: Final = 100
# The menu, in order, with what a page shows nothing without: some project, the billing of one, that of the account.
MENU: Final[Mapping[str, Literal["member", "billing", "account"]]] = {
    "overview": "billing",
    "usage": "billing",
    "project-usage": "member",
    "invoice-preview": "billing",
    "billing-history": "account",
    "balance": "account",
    "payment-information": "account",
}


class NoAccount(Exception):
    """The reader takes part in no account; the application shows the page that says what to do."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader


@dataclass(frozen=True, slots=True)
class AccountChoice:
    """An account of the switcher, with the address that shows it."""

    name: str
    href: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Heading:
    """What the layout says about the reader: who, which account, and where the menu leads (key to address)."""

    email: str
    form_token: str
    is_operator: bool
    account: str | None = None
    accounts: tuple[AccountChoice, ...] = ()
    menu: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AccountPage:
    """What a page of *My usage* starts from."""

    request: Request
    session: Session
    reader: Reader
    account: Account
    now: datetime

    @property
    def language(self) -> str:
        """The language the page is written in."""
        return self.reader.language

    @property
    def zone(self) -> BillingZone:
        """The clocks of the account's hours, days and months."""
        return zone_of(self.account)

    @property
    def currency(self) -> Currency:
        """The account's currency with its rounding."""
        return currency_of(self.account)

    @property
    def sees_account(self) -> bool:
        """Whether the reader holds the account's billing: its books, and every project."""
        return self.reader.access.has_account_billing(self.account.id)

    def projects(self, need: Need = "billing") -> list[SeenProject]:
        """Return the projects the reader may see billing of, or takes part in, by code."""
        return visible_projects(self.session, self.account.id, self.reader.access, need=need)

    def this_month(self) -> BillingMonth:
        """Return the running month on the account's clocks."""
        return BillingMonth.of(self.now, self.zone)

    def awaited_before(self, month: BillingMonth) -> BillingMonth | None:
        """Return the month that is issued before the running one is; None for another, and for who sees no books."""
        if not self.sees_account:
            return None
        return awaited_before(self.session, self.now, self.request.app.state.settings, self.account, month)

    def month(self, text: str) -> BillingMonth:
        """Read a month of an address ("2026-11"), the running one for none. Raises `Invalid`."""
        try:
            return BillingMonth.parse(text) if text else self.this_month()
        except ValueError as error:
            raise Invalid(say("%(what)s.", what=error.args[0]), field="month") from None

    def href(self, path: str, **state: object) -> str:
        """Return the address of a page of this account in a state; empty values are left out."""
        return address_of(path, account=self.account.code, **state)

    def show(self, template: str, here: str, status: int = 200, **values: object) -> Response:
        """Return the page made of a template of templates/my_usage; `here` is its key of `MENU`."""
        heading = heading_of(self.session, self.reader, self.account, here)
        name = f"my_usage/{template}"
        return render(self.request, name, self.language, status, None, here=here, at=self, reader=heading, **values)


def _account_page(
    request: Request,
    session: Books,
    reader: SignedIn,
    now: Now,
    account: Annotated[str, Query(max_length=100)] = "",
) -> AccountPage:
    """Find the account a page is about: the one its address names, or the first with something to see.

    Raises `NotFound` for one that the reader may not see, `NoAccount` when there is none at all.
    """
    if account:
        return AccountPage(request, session, reader, account_by_code(session, account, reader.access), now)
    accounts = visible_accounts(session, reader.access, limit=ACCOUNTS_IN_SWITCHER_MAX)
    if not accounts:
        raise NoAccount(reader)
    with_billing = (each for each in accounts if reader.access.billing_projects(each.id) != NONE)
    return AccountPage(request, session, reader, next(with_billing, accounts[0]), now)


OfAccount = Annotated[AccountPage, Depends(_account_page, scope="function")]


def _billed_account_page(page: OfAccount) -> AccountPage:
    """Refuse whoever does not hold the account's billing, as if there were no such account."""
    if not page.sees_account:
        raise NotFound(say("There is no account %(code)s.", code=check.shown(page.account.code)), "unknown-account")
    return page


# A page of the account's own books: billing history, invoices, balance, payment information.
OfBilledAccount = Annotated[AccountPage, Depends(_billed_account_page, scope="function")]


def billed_account_page(request: Request, session: Session, reader: Reader, now: datetime, account: str) -> AccountPage:
    """Return what a page of the account's own books starts from, for routes that open transactions of their own."""
    return _billed_account_page(_account_page(request, session, reader, now, account))


def heading_of(session: Session, reader: Reader, account: Account | None, here: str) -> Heading:
    """Return what the layout says; without an account its menu is empty. `here` stays when the account changes."""
    choices: tuple[AccountChoice, ...] = ()
    if account is not None and not reader.access.may_operate():
        accounts = visible_accounts(session, reader.access, limit=ACCOUNTS_IN_SWITCHER_MAX)
        choices = tuple(
            AccountChoice(each.name, address_of(f"/{_page_for(reader.access, each, here)}", account=each.code), current)
            for each in accounts
            for current in [each.id == account.id]
        )
    open_pages = () if account is None else pages_open_to(reader.access, account)
    code = None if account is None else account.code
    return Heading(
        email=reader.access.subject,
        form_token=form_token(reader.token),
        is_operator=reader.access.may_operate(),
        account=account.name if account else None,
        accounts=choices,
        menu=tuple((key, address_of(f"/{key}", account=code)) for key in open_pages),
    )


def pages_open_to(access: Access, account: Account) -> tuple[str, ...]:
    """Return the keys of the menu's pages on which the caller sees something of the account."""
    held = {
        "member": access.member_projects(account.id) != NONE,
        "billing": access.billing_projects(account.id) != NONE,
        "account": access.has_account_billing(account.id),
    }
    return tuple(key for key, need in MENU.items() if held[need])


def _page_for(access: Access, account: Account, here: str) -> str:
    manages = access.administered_projects(account.id) != NONE
    if here == "account" or (here.startswith("account/") and manages):
        return here
    open_pages = pages_open_to(access, account)
    return here if here in open_pages else next(iter(open_pages), "overview")
