"""Create a key for a program, told once and stored as a hash, and revoke one."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.close_account import refuse_closed
from meterbook.accounts.prove import KEY_FORM, hashed
from meterbook.accounts.tables import Account, ApiKey, Project
from meterbook.core.roles import Scope
from meterbook.core.sentence import say
from meterbook.errors import Invalid

_PREFIX_LETTERS: Final = string.ascii_lowercase + "234567"
_SECRET_LETTERS: Final = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: `secret` is the whole text a program sends, and cannot be told again."""

    secret: str
    key: ApiKey

    def __repr__(self) -> str:
        return f"NewKey(key={self.key.prefix})"


def create_key(
    session: Session,
    now: datetime,
    *,
    scope: str,
    account: Account | None = None,
    project: Project | None = None,
    name: str = "",
    expires_at: datetime | None = None,
) -> NewKey:
    """Create a key of a scope: "operator" for everything, else for an account and, if given, one project of it alone.

    Raises `Invalid` when the scope is unknown, lacks its account or has one too many, or the key would be over
    already, `Refused` ("account-closed"). Each call makes another key.
    """
    wanted = check.choice(Scope, scope, "scope")
    if wanted is Scope.operator and (account is not None or project is not None):
        raise Invalid("An operator key is for everything: give it no account and no project.", "wrong-scope")
    if wanted is not Scope.operator and account is None:
        raise Invalid(
            say("A key of scope %(wanted)s needs the account it is for.", wanted=wanted), "wrong-scope", field="account"
        )
    assert project is None or (account is not None and project.account_id == account.id), "a project of the account"
    if account is not None:
        refuse_closed(account)
    if expires_at is not None and expires_at <= now:
        raise Invalid("The key would have expired already.", "wrong-expires-at", field="expires_at")
    prefix = f"mbk_{wanted.value[0]}_{_random(_PREFIX_LETTERS, 10)}"
    secret = f"{prefix}_{_random(_SECRET_LETTERS, 40)}"
    assert KEY_FORM.fullmatch(secret), "a key has the form that prove.py reads"
    key = ApiKey(
        prefix=prefix,
        secret_sha256=hashed(secret),
        scope=wanted.value,
        account_id=None if account is None else account.id,
        project_id=None if project is None else project.id,
        name=check.name(name) if name.strip() else "",
        created_at=now,
        expires_at=expires_at,
    )
    session.add(key)
    session.flush()
    return NewKey(secret, key)


def revoke_key(session: Session, now: datetime, *, key: ApiKey) -> None:
    """End a key; it proves nothing from now on (ProofCache: within 5 s). Again keeps the first moment."""
    key.revoked_at = key.revoked_at or now
    session.flush()


def _random(letters: str, count: int) -> str:
    return "".join(secrets.choice(letters) for _ in range(count))
