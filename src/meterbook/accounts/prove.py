"""Prove access: by a key, by a sign-in, or by the secret that the command line shares with its own server."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from meterbook.accounts.access import SEAL, Access, Grant
from meterbook.accounts.tables import ApiKey, Membership, SignIn, User
from meterbook.core.roles import Role, Scope
from meterbook.errors import Denied

# The form of a key, which secret scanners can look for; create_key.py makes them.
KEY_FORM: Final = re.compile(r"mbk_[eao]_[a-z2-7]{10}_[A-Za-z0-9]{40}")
LONGEST_TOKEN: Final = 200


def prove_key(session: Session, bearer: str, now: datetime) -> Access:
    """Return what a key gives access to; one indexed query, and one write on the first use of a day.

    Raises `Denied` ("unauthenticated"), always with the same words: for no key, a wrong, an expired, a revoked one.
    """
    if not KEY_FORM.fullmatch(bearer):
        raise _unproved()
    key = session.scalar(select(ApiKey).where(ApiKey.secret_sha256 == hashed(bearer)))
    if key is None or _is_over(key.expires_at, key.revoked_at, now):
        raise _unproved()
    if key.last_used_on != now.date():
        _note_use(session, key, now)
    return Access(
        kind=Scope(key.scope).value, subject=key.prefix, seal=SEAL, account_id=key.account_id, project_id=key.project_id
    )


def prove_session(session: Session, token: str, now: datetime) -> tuple[Access, User]:
    """Return what the person of a sign-in may see, by the memberships of this moment (staff: all), and the person.

    Raises `Denied` ("unauthenticated") for a wrong, an expired or a revoked token, and for one that awaits a code.
    """
    if not 0 < len(token) <= LONGEST_TOKEN:
        raise _unproved()
    row = session.execute(
        select(SignIn, User)
        .join(User, User.id == SignIn.user_id)
        .where(SignIn.token_sha256 == hashed(token), SignIn.awaits_code.is_(False))
    ).one_or_none()
    if row is None or _is_over(row.SignIn.expires_at, row.SignIn.revoked_at, now):
        raise _unproved()
    user = row.User
    if user.is_operator:
        return Access(kind="operator", subject=user.email, seal=SEAL, user_id=user.id), user
    held = session.scalars(select(Membership).where(Membership.user_id == user.id).order_by(Membership.id)).all()
    grants = tuple(Grant(each.account_id, each.project_id, Role(each.role), each.billing) for each in held)
    return Access(kind="user", subject=user.email, seal=SEAL, user_id=user.id, grants=grants), user


def prove_local(token: str, expected: str) -> Access:
    """Return the operator's access to whoever holds the secret of the running server's data folder.

    Raises `Denied` ("unauthenticated") for another token, after a comparison that takes the same time for all.
    """
    if not expected or not hmac.compare_digest(hashed(token), hashed(expected)):
        raise _unproved()
    return Access(kind="operator", subject="local", seal=SEAL)


def hashed(secret: str) -> bytes:
    """Return the SHA-256 by which a key or token is stored: it is long and random, so a plain hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", errors="surrogatepass")).digest()


def _is_over(expires_at: datetime | None, revoked_at: datetime | None, now: datetime) -> bool:
    return revoked_at is not None or (expires_at is not None and expires_at <= now)


def _note_use(session: Session, key: ApiKey, now: datetime) -> None:
    # Apart, as a request that reads can write nothing, and without waiting: another of this moment notes the same day.
    free = select(ApiKey.id).where(ApiKey.id == key.id).with_for_update(skip_locked=True).scalar_subquery()
    with Session(session.get_bind()) as apart, apart.begin():
        apart.execute(
            update(ApiKey).where(ApiKey.id == free).values(last_used_on=now.date()),
            execution_options={"synchronize_session": False},
        )


def _unproved() -> Denied:
    return Denied("A valid key or sign-in is needed.", "unauthenticated")
