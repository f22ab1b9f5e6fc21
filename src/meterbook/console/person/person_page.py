"""The pages of *Your account*: the reader's own, and those on which they manage an account's people and keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.access import NONE
from meterbook.accounts.queries import account_by_code, visible_accounts, zone_of
from meterbook.accounts.read_people import administered_accounts
from meterbook.accounts.tables import Account, User
from meterbook.console.account_page import ACCOUNTS_IN_SWITCHER_MAX, heading_of
from meterbook.console.address import address_of
from meterbook.console.operator.operator_page import MENU
from meterbook.console.pages import render
from meterbook.console.requests import Books, Now, Reader, SignedIn
from meterbook.core.period import BillingZone
from meterbook.core.sentence import say
from meterbook.errors import NotFound

OWN: Final = "account"
PEOPLE: Final = "account/people"
KEYS: Final = "account/keys"
AccountCode = Annotated[str, Query(max_length=100)]


@dataclass(frozen=True, slots=True)
class PersonPage:
    """What a page of *Your account* starts from; `managed` is the account whose people and keys its tabs lead to."""

    request: Request
    session: Session
    reader: Reader
    account: Account | None
    managed: Account | None
    now: datetime

    @property
    def language(self) -> str:
        """The language the page is written in."""
        return self.reader.language

    @property
    def user_id(self) -> int:
        """Who reads."""
        assert self.reader.access.user_id is not None, "a person is signed in"
        return self.reader.access.user_id

    @property
    def user(self) -> User:
        """The person who reads."""
        return self.session.get_one(User, self.user_id)

    @property
    def zone(self) -> BillingZone:
        """The clocks that times are written on: the account's, or UTC."""
        return BillingZone("UTC") if self.account is None else zone_of(self.account)

    def href(self, key: str, **state: object) -> str:
        """Return the address of one of these pages ("account/people") in a state, of the same account."""
        return address_of(f"/{key}", account=None if self.account is None else self.account.code, **state)

    def show(
        self,
        template: str,
        here: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> Response:
        """Return the page made of a template of templates/person; `here` is its key."""
        heading = heading_of(self.session, self.reader, self.account, here)
        if self.account is None and self.reader.access.may_operate():
            heading = replace(heading, menu=MENU)
        name = f"person/{template}"
        return render(
            self.request,
            name,
            self.language,
            status,
            headers,
            here=here,
            at=self,
            reader=heading,
            tabs=self._tabs(),
            **values,
        )

    def _tabs(self) -> dict[str, str]:
        """Return the addresses of these pages by key; none where there is only one."""
        if self.managed is None:
            return {}
        own = None if self.account is None else self.account.code
        return {OWN: address_of(f"/{OWN}", account=own)} | {
            key: address_of(f"/{key}", account=self.managed.code) for key in (PEOPLE, KEYS)
        }


@dataclass(frozen=True, slots=True)
class ManagedPage(PersonPage):
    """A page on which the reader manages an account's people or keys."""

    @property
    def of(self) -> Account:
        """The account it is about."""
        assert self.account is not None, "a managed page is of an account"
        return self.account


def _person_page(request: Request, session: Books, reader: SignedIn, now: Now, account: AccountCode = "") -> PersonPage:
    """Find the account whose menu frames the reader's own page: the one named, else the first, else none."""
    access = reader.access
    if account:
        found: Account | None = account_by_code(session, account, access)
    elif access.may_operate():
        found = None
    else:
        found = _first_with_billing(session, reader)
    if found is not None and access.administered_projects(found.id) != NONE:
        managed: Account | None = found
    else:
        managed = None if access.may_operate() else next(iter(administered_accounts(session, access)), None)
    return PersonPage(request, session, reader, found, managed, now)


def _managed_page(
    request: Request, session: Books, reader: SignedIn, now: Now, account: AccountCode = ""
) -> ManagedPage:
    """Find the account that the reader manages: the one named, else the first. Raises `NotFound`."""
    if account:
        found = account_by_code(session, account, reader.access)
        if reader.access.administered_projects(found.id) == NONE:
            raise NotFound(say("There is no account %(code)s.", code=check.shown(account)), "unknown-account")
    else:
        held = administered_accounts(session, reader.access)
        if not held:
            raise NotFound("There is no account.", "unknown-account")
        found = held[0]
    return ManagedPage(request, session, reader, found, found, now)


def _first_with_billing(session: Session, reader: Reader) -> Account | None:
    accounts = visible_accounts(session, reader.access, limit=ACCOUNTS_IN_SWITCHER_MAX)
    with_billing = (each for each in accounts if reader.access.billing_projects(each.id) != NONE)
    return next(with_billing, accounts[0] if accounts else None)


OfPerson = Annotated[PersonPage, Depends(_person_page, scope="function")]
# A page of an account that the reader manages, or some projects of it; to anybody else it does not exist.
OfManaged = Annotated[ManagedPage, Depends(_managed_page, scope="function")]
