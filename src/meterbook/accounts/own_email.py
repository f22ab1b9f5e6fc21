"""The e-mail that people sign in with, changed by themselves: a letter to the new one has to be opened first.

Whether somebody has an e-mail is told to nobody: then no letter is sent, and the answer is the same.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.manage_users import change_email
from meterbook.accounts.one_time_link import Purpose, new_email_of, use_up
from meterbook.accounts.sign_in import check_present_password
from meterbook.accounts.tables import User
from meterbook.errors import Invalid
from meterbook.outbox import defer


def ask_for_email(session: Session, *, user: User, email: str, present: str, language: str) -> None:
    """Queue a letter with a link to an e-mail that a user wants to sign in with.

    `present` is the password, `language` that of the letter where the person has none. Raises `Invalid` for a wrong
    password, for what is no e-mail and for the one they have.
    """
    check_present_password(user, present)
    address = check.email(email)
    if address == user.email:
        raise Invalid("This is your email already.", "same-email", field="email")
    defer(session, "send_email_link", user_id=user.id, email=address, language=check.language(language))


def take_email(session: Session, now: datetime, *, token: str, language: str) -> User:
    """Give whom a link was sent to the e-mail it was sent to, and tell it to the one before by mail.

    `language` is that of the letter where the person has none. Raises `NotFound` ("link-over"), and `Refused`
    ("exists") when somebody came to have the e-mail meanwhile; the link is used up then too.
    """
    address = new_email_of(session, now, token=token)
    user = use_up(session, now, token=token, purpose=Purpose.email)
    before = user.email
    change_email(session, user=user, email=address)
    known = check.language(language)
    defer(session, "tell_email_changed", user_id=user.id, before=before, changed_at=now.isoformat(), language=known)
    return user
