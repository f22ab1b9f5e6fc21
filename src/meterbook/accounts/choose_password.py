"""Passwords that people choose themselves: a new one for a forgotten one, by a letter, and another for the present one.

What a person forgot is looked into by the job that sends the letter: the request does the same for everybody.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.add_user import set_password
from meterbook.accounts.one_time_link import Purpose, holder_of, use_up
from meterbook.accounts.sign_in import check_password, check_present_password
from meterbook.accounts.tables import User
from meterbook.outbox import defer


def ask_for_password(session: Session, *, email: str, language: str) -> None:
    """Queue a letter with a link to choose a new password, whether or not anybody has this e-mail.

    `language` is that of the letter where the person has none of their own.
    """
    address = check.comparable(check.address(email))
    if 0 < len(address) <= check.LONGEST_EMAIL:
        defer(session, "send_password_link", email=address, language=check.language(language))


def choose_password(session: Session, now: datetime, *, token: str, password: str, language: str) -> User:
    """Give whom a link was sent to the password they chose, end all their sign-ins, and tell them by mail.

    `language` is that of the letter where the person has none of their own.

    Raises `NotFound` ("link-over"), `Invalid` for a password too short or too long; the link then stays.
    """
    holder_of(session, now, token=token, purpose=Purpose.password)
    check_password(password)
    user = use_up(session, now, token=token, purpose=Purpose.password)
    set_password(session, now, user=user, password=password)
    _tell(session, now, user, language)
    return user


def change_password(
    session: Session, now: datetime, *, user: User, present: str, password: str, token: str, language: str
) -> None:
    """Give a signed-in user another password, end their other sign-ins (`token` is this one's), tell them by mail.

    Raises `Invalid` when the present one is wrong, or the new one too short or too long. How often it may be tried is
    limited by the door.
    """
    check_present_password(user, present)
    set_password(session, now, user=user, password=password, keep=token)
    _tell(session, now, user, language)


def _tell(session: Session, now: datetime, user: User, language: str) -> None:
    known = check.language(language)
    defer(session, "tell_password_changed", user_id=user.id, changed_at=now.isoformat(), language=known)
