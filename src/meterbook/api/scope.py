"""Which account a request is about: the one it names, or the only one its key is for."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.access import ALL, Access
from meterbook.accounts.queries import account_by_code, sole_account, visible_projects
from meterbook.accounts.tables import Account
from meterbook.errors import NotFound
from meterbook.invoicing.draft import Payer

AccountCode = Annotated[
    str | None, Query(max_length=64, description="The account's code; a key of one account may leave it out.")
]


def account_of_caller(session: Session, access: Access, code: str | None) -> Account:
    """Return the account named, or the only one the caller sees.

    Raises `NotFound` for one it may not see, `Invalid` when none is named and there are many.
    """
    return sole_account(session, access) if code is None else account_by_code(session, code, access)


def payer_of_caller(session: Session, access: Access, code: str | None) -> Payer:
    """Return the account a request is about with the projects whose billing the caller may see; raises as above."""
    owner = account_of_caller(session, access, code)
    projects = visible_projects(session, owner.id, access, need="billing")
    return Payer(owner, projects, access.billing_projects(owner.id) is ALL)


def billed_account(session: Session, access: Access, code: str | None) -> Account:
    """Return the account a request is about if the caller holds its billing; else raises `NotFound`, as for none."""
    account = account_of_caller(session, access, code)
    if not access.has_account_billing(account.id):
        raise NotFound(f"There is no account {check.shown(account.code)}.", "unknown-account")
    return account
