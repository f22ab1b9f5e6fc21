"""A person's open sign-ins: listed, and ended one by one or all but this one."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import Session

from meterbook.accounts.prove import hashed
from meterbook.accounts.tables import SignIn
from meterbook.errors import NotFound

MOST_LISTED: Final = 100


def is_open(now: datetime) -> ColumnElement[bool]:
    """Whether a sign-in lets somebody in now: it was not ended, is not over, and awaits no code."""
    return and_(SignIn.revoked_at.is_(None), SignIn.expires_at > now, SignIn.awaits_code.is_(False))


def open_sign_ins(session: Session, now: datetime, user_id: int) -> list[SignIn]:
    """Return a user's open sign-ins, the newest first, at most `MOST_LISTED`."""
    query = select(SignIn).where(SignIn.user_id == user_id, is_open(now)).order_by(SignIn.id.desc()).limit(MOST_LISTED)
    return list(session.scalars(query))


def is_of(sign_in: SignIn, token: str) -> bool:
    """Whether a sign-in is the one of a token."""
    return sign_in.token_sha256 == hashed(token)


def end_sign_in(session: Session, now: datetime, *, user_id: int, sign_in_id: int) -> SignIn:
    """End one of a user's open sign-ins and return it; raises `NotFound`, for somebody else's too."""
    found = session.scalars(
        select(SignIn).where(SignIn.id == sign_in_id, SignIn.user_id == user_id, is_open(now))
    ).one_or_none()
    if found is None:
        raise NotFound("There is no such sign-in.", "unknown-sign-in")
    found.revoked_at = now
    session.flush()
    return found


def end_other_sign_ins(session: Session, now: datetime, *, user_id: int, token: str) -> None:
    """End all of a user's sign-ins but the one of a token."""
    others = update(SignIn).where(
        SignIn.user_id == user_id, SignIn.revoked_at.is_(None), SignIn.token_sha256 != hashed(token)
    )
    session.execute(others.values(revoked_at=now))
