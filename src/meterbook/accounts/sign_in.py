"""Sign in and out of the console: passwords are checked here, sessions are random tokens stored as hashes.

Whoever has two-factor authentication on (two_factor.py) is let in by the code of their app alone.
"""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from pwdlib import PasswordHash
from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.prove import hashed
from meterbook.accounts.tables import SignIn, User
from meterbook.core.sentence import say
from meterbook.errors import Denied, Invalid

SHORTEST_PASSWORD: Final = 8  # NIST SP 800-63B, 5.1.1.1
LONGEST_PASSWORD: Final = 1_000
SESSION_HOURS: Final = 12
LONGEST_BROWSER: Final = 200
CODE_MINUTES: Final = 10
_TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class NewSignIn:
    """A sign-in just begun; its token is told this once. One that `awaits_code` opens nothing yet."""

    token: str
    awaits_code: bool


def sign_in(
    session: Session, email: str, password: str, now: datetime, hours: int = SESSION_HOURS, browser: str = ""
) -> NewSignIn:
    """Return a new sign-in that ends after `hours`, or awaits the code of the person's app for `CODE_MINUTES`.

    `browser` is what the browser calls itself (its User-Agent).

    Raises `Denied` ("wrong-sign-in") with the same words and after the same work whether the person is unknown, has
    no password or wrote a wrong one. How often it may be tried is limited by the door.
    """
    user = session.scalars(select(User).where(User.email == check.comparable(check.address(email)))).one_or_none()
    stored = _hash_of_nobody() if user is None or user.password_hash is None else user.password_hash
    fits, renewed = False, None
    if len(password) <= LONGEST_PASSWORD:
        fits, renewed = _hasher().verify_and_update(_same_everywhere(password), stored)
    if user is None or user.password_hash is None or not fits:
        raise Denied("The e-mail or the password is wrong.", "wrong-sign-in")
    if renewed is not None:
        user.password_hash = renewed
    return begin_sign_in(session, now, user=user, hours=hours, browser=browser)


def begin_sign_in(
    session: Session, now: datetime, *, user: User, hours: int = SESSION_HOURS, browser: str = ""
) -> NewSignIn:
    """Return a new sign-in of somebody who has just proved who they are by a password or a letter."""
    awaits_code = user.totp_secret is not None
    lasts = timedelta(minutes=CODE_MINUTES) if awaits_code else timedelta(hours=hours)
    return _begin(session, now, user.id, now + lasts, browser, awaits_code=awaits_code)


def awaiting_code(session: Session, token: str, now: datetime) -> User:
    """Return whose code a sign-in awaits; raises `Denied` ("unauthenticated") where none does, or it is over."""
    return session.get_one(User, _awaiting(session, token, now).user_id)


def end_awaiting(session: Session, token: str, now: datetime, hours: int = SESSION_HOURS) -> NewSignIn:
    """Return the sign-in that opens, in place of one whose code came; raises `Denied` ("unauthenticated")."""
    awaiting = _awaiting(session, token, now)
    awaiting.revoked_at = now
    return _begin(session, now, awaiting.user_id, now + timedelta(hours=hours), awaiting.browser, awaits_code=False)


def _awaiting(session: Session, token: str, now: datetime) -> SignIn:
    found = session.scalars(
        select(SignIn).where(
            SignIn.token_sha256 == hashed(token),
            SignIn.awaits_code,
            SignIn.revoked_at.is_(None),
            SignIn.expires_at > now,
        )
    ).one_or_none()
    if found is None:
        raise Denied("Sign in first.", "unauthenticated")
    return found


def _begin(
    session: Session, now: datetime, user_id: int, ends: datetime, browser: str, *, awaits_code: bool
) -> NewSignIn:
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    called = "".join(character for character in browser if character.isprintable())[:LONGEST_BROWSER]
    session.add(
        SignIn(
            token_sha256=hashed(token),
            user_id=user_id,
            browser=called,
            created_at=now,
            expires_at=ends,
            awaits_code=awaits_code,
        )
    )
    session.flush()
    return NewSignIn(token, awaits_code)


def sign_out(session: Session, token: str, now: datetime) -> None:
    """End the sign-in of a token; one that is unknown or over stays as it is."""
    found = session.scalars(select(SignIn).where(SignIn.token_sha256 == hashed(token))).one_or_none()
    if found is not None and found.revoked_at is None:
        found.revoked_at = now
        session.flush()


def check_password(password: str) -> None:
    """Raise `Invalid` when a password is under 8 or over 1,000 characters."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Invalid(
            say(
                "A password has at least %(shortest)s characters, and at most %(longest)s.",
                shortest=SHORTEST_PASSWORD,
                longest=LONGEST_PASSWORD,
            ),
            "wrong-password",
            field="password",
        )


def password_hash(password: str) -> str:
    """Return the Argon2 hash of a password; raises `Invalid` when it is under 8 or over 1,000 characters."""
    check_password(password)
    return _hasher().hash(_same_everywhere(password))


def password_fits(password: str, stored: str | None) -> bool:
    """Whether a password is the one of a stored hash; one that is too long is none."""
    if stored is None or len(password) > LONGEST_PASSWORD:
        return False
    return _hasher().verify(_same_everywhere(password), stored)


def check_present_password(user: User, present: str) -> None:
    """Raise `Invalid` unless somebody's present password is right; how often it may be tried is limited by the door."""
    if not password_fits(present, user.password_hash):
        raise Invalid("This is not your present password.", "wrong-present-password", field="present_password")


@lru_cache(maxsize=1)
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@lru_cache(maxsize=1)
def _hash_of_nobody() -> str:
    """Return a hash that no password has, to compare with, so that unknown people take as long as known ones."""
    return _hasher().hash(secrets.token_urlsafe(_TOKEN_BYTES))


def _same_everywhere(password: str) -> bytes:
    # Keyboards of different systems compose the same characters differently (NIST SP 800-63B, 5.1.1.2).
    return unicodedata.normalize("NFKC", password).encode("utf-8", errors="surrogatepass")
