"""Requests that ask a gateway: who reads which account is found in a transaction that is over before it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Form, Query, Request
from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account
from meterbook.console.account_page import AccountPage, billed_account_page
from meterbook.console.address import address_of
from meterbook.console.requests import Now, Reader, posted, signed_in
from meterbook.database import Database, acting
from meterbook.settings import Settings

_AccountCode = Annotated[str, Query(max_length=100)]


@dataclass(frozen=True, slots=True)
class Apart:
    """A reader of an account's own books, outside of any transaction."""

    request: Request
    reader: Reader
    account: Account
    now: datetime

    @property
    def database(self) -> Database:
        """The money store."""
        database: Database = self.request.app.state.database
        return database

    @property
    def settings(self) -> Settings:
        """The settings the application was made with."""
        settings: Settings = self.request.app.state.settings
        return settings

    @property
    def transactions(self) -> Callable[[], AbstractContextManager[Session]]:
        """What opens a transaction, in which the reader acts."""
        return acting(self.database.transaction, self.reader.access.subject)

    @contextmanager
    def page(self) -> Iterator[AccountPage]:
        """Open a transaction, and give what a page of the account starts from."""
        with self.transactions() as session:
            yield AccountPage(self.request, session, self.reader, session.get_one(Account, self.account.id), self.now)

    def href(self, path: str, **state: object) -> str:
        """Return the address of a page of this account in a state; empty values are left out."""
        return address_of(path, account=self.account.code, **state)

    def absolute(self, path: str) -> str:
        """Return the address of a page of this account as other sites have to know it."""
        origin = self.settings.public_url or str(self.request.base_url)
        return origin.rstrip("/") + self.href(path)


def _apart(request: Request, now: Now, account: _AccountCode = "") -> Apart:
    """Prove who reads, and that they hold the account's billing; raises `Denied` and `NotFound` as pages do."""
    with request.app.state.database.transaction() as session:
        reader = signed_in(request, session, now)
        page = billed_account_page(request, session, reader, now, account)
        return Apart(request, reader, page.account, now)


BilledApart = Annotated[Apart, Depends(_apart)]


def _posted_apart(request: Request, apart: BilledApart, form_token: Annotated[str, Form()] = "") -> Apart:
    posted(request, apart.reader, form_token)
    return apart


# Every route that a form posts to and that asks a gateway depends on this, in place of `Posted`.
PostedApart = Annotated[Apart, Depends(_posted_apart)]
