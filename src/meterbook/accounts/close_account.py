"""Close the account of a customer who leaves, and open it again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from meterbook.accounts.queries import locked
from meterbook.accounts.tables import Account, ApiKey, Project
from meterbook.announce import Announcement, Happening, announce
from meterbook.core.sentence import say
from meterbook.errors import Refused


def close_account(session: Session, now: datetime, *, account: Account) -> Account:
    """Close an account: its projects take no more usage, its keys end, and it gets neither until it is opened again.

    What it used is still billed, what it owes still charged, and its people still read and pay. Again keeps the first
    moment.
    """
    locked(session, [account.id])
    if account.closed_at is None:
        account.closed_at = now
        announce(session, now, Announcement(Happening.account_closed, account.code, account.code, {}))
    for table, ended in ((Project, Project.deleted_at), (ApiKey, ApiKey.revoked_at)):
        session.execute(update(table).where(table.account_id == account.id, ended.is_(None)).values({ended: now}))
    session.flush()
    return account


def reopen_account(session: Session, now: datetime, *, account: Account) -> Account:
    """Open a closed account again; its projects are restored one by one, its keys made anew."""
    locked(session, [account.id])
    if account.closed_at is not None:
        account.closed_at = None
        announce(session, now, Announcement(Happening.account_reopened, account.code, account.code, {}))
    session.flush()
    return account


def refuse_closed(account: Account) -> None:
    """Raise `Refused` ("account-closed") when an account is closed."""
    if account.closed_at is not None:
        raise Refused(say("The account %(code)s is closed: open it again first.", code=account.code), "account-closed")
