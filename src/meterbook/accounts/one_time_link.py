"""Links in letters that work once: made, looked up and used up. A token is told once and kept as a hash alone.

A wrong, a used, an expired token and one that a newer one replaced are answered with the same words.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from meterbook.accounts.prove import LONGEST_TOKEN, hashed
from meterbook.accounts.tables import OneTimeLink, User
from meterbook.database import acts_as
from meterbook.errors import NotFound

_TOKEN_BYTES: Final = 32


class Purpose(StrEnum):
    """What a link is for: to choose a new password, to accept an invitation, or to sign in with another e-mail."""

    password = auto()
    invitation = auto()
    email = auto()


HOURS: Final[Mapping[Purpose, int]] = {Purpose.password: 1, Purpose.invitation: 7 * 24, Purpose.email: 1}


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link just made: its token cannot be told again."""

    id: int
    token: str

    def __repr__(self) -> str:
        return f"NewLink(id={self.id})"


def make_link(
    session: Session, now: datetime, *, user: User, purpose: Purpose, new_email: str | None = None
) -> NewLink:
    """Make a link for a user, valid for `HOURS`; an earlier one for the same purpose ends."""
    _queue_up(session, user.id)
    session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user.id, OneTimeLink.purpose == purpose.value))
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    link = OneTimeLink(
        token_sha256=hashed(token),
        user_id=user.id,
        purpose=purpose.value,
        new_email=new_email,
        created_at=now,
        expires_at=now + timedelta(hours=HOURS[purpose]),
    )
    session.add(link)
    session.flush()
    return NewLink(link.id, token)


def holder_of(session: Session, now: datetime, *, token: str, purpose: Purpose) -> User:
    """Return whom an open link was made for; looking changes nothing. Raises `NotFound` ("link-over")."""
    found = None
    if 0 < len(token) <= LONGEST_TOKEN:
        found = session.scalars(
            select(User)
            .join(OneTimeLink, OneTimeLink.user_id == User.id)
            .where(
                OneTimeLink.token_sha256 == hashed(token),
                OneTimeLink.purpose == purpose.value,
                OneTimeLink.expires_at > now,
            )
        ).one_or_none()
    if found is None:
        raise _over()
    return found


def new_email_of(session: Session, now: datetime, *, token: str) -> str:
    """Return the e-mail that an open link is for; raises `NotFound` ("link-over")."""
    holder_of(session, now, token=token, purpose=Purpose.email)
    return str(session.scalar(select(OneTimeLink.new_email).where(OneTimeLink.token_sha256 == hashed(token))))


def use_up(session: Session, now: datetime, *, token: str, purpose: Purpose) -> User:
    """End an open link and return whom it was made for, who acts from now on; of two at once one succeeds.

    Raises `NotFound` ("link-over").
    """
    user = holder_of(session, now, token=token, purpose=purpose)
    _queue_up(session, user.id)
    ended = session.scalars(
        delete(OneTimeLink).where(OneTimeLink.token_sha256 == hashed(token)).returning(OneTimeLink.id)
    ).all()
    if not ended:
        raise _over()
    acts_as(session, user.email)
    return user


def _queue_up(session: Session, user_id: int) -> None:
    """Wait for whoever makes or uses a link of the same user."""
    session.execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))


def _over() -> NotFound:
    return NotFound("This link is no longer valid. Ask for a new one.", "link-over")
