"""Keys that an account's own administrators make and end; what each may is asked of their `Access`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.access import Access
from meterbook.accounts.create_key import NewKey, create_key, revoke_key
from meterbook.accounts.queries import key_by_prefix
from meterbook.accounts.tables import Account, ApiKey, Project
from meterbook.core.roles import Scope
from meterbook.core.sentence import say
from meterbook.errors import NotFound, Refused
from meterbook.idempotency import Answer, once


def make_key(
    session: Session,
    now: datetime,
    *,
    by: Access,
    account: Account,
    project: Project | None,
    scope: str,
    name: str,
    expires_at: datetime | None,
    form: str | None,
) -> NewKey | None:
    """Make a key for an account, or for one project of it; None when this `form` has made one before.

    Raises `Invalid` naming the field, `Refused` ("key-not-yours") when the caller may not make such a key.
    """
    wanted = check.choice(Scope, scope, "scope")
    if wanted is Scope.operator or not by.may_make_key(wanted, account.id, project.id if project else None):
        raise Refused("You may not make a key of this kind here.", "key-not-yours", field="scope")
    made: list[NewKey] = []

    def act() -> Answer:
        made.append(
            create_key(session, now, scope=scope, account=account, project=project, name=name, expires_at=expires_at)
        )
        return Answer(201, made[0].key.prefix.encode())

    # what a form asked for is not compared: it is one form, sent twice
    once(session, now, f"key:{by.user_id}", form, b"", act)
    return made[0] if made else None


def end_key(session: Session, now: datetime, *, by: Access, account: Account, prefix: str) -> ApiKey:
    """End a key of an account; raises `NotFound` for one that the caller does not manage, as for one of nobody."""
    key = key_by_prefix(session, prefix)
    if key.account_id != account.id or not by.may_end_key(Scope(key.scope), key.account_id, key.project_id):
        raise NotFound(say("There is no key %(key)s.", key=check.shown(prefix[:16])), "unknown-key")
    revoke_key(session, now, key=key)
    return key
