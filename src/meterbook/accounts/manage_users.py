"""People who sign in, as the operator's staff manages them: colleagues invited, rights given and taken, people removed.

Nobody takes their own rights or removes themselves, so that of all who sign in one of the staff always stays.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.access import Access
from meterbook.accounts.add_user import add_user
from meterbook.accounts.tables import Membership, OneTimeLink, RecoveryCode, SignIn, User
from meterbook.core.sentence import say
from meterbook.errors import Refused
from meterbook.outbox import defer


def invite_colleague(session: Session, now: datetime, *, by: Access, email: str, language: str = "en") -> User:
    """Make whoever has an e-mail one of the staff, who may do everything, and queue a letter to them.

    Somebody unknown becomes a user without a password, whom the letter brings a link to choose one; inviting them again
    sends it again. `language` is the letter's unless they chose one. Raises `Invalid` for what is no e-mail,
    `Refused` ("exists") for somebody who is of the staff and has a password.
    """
    address = check.email(email)
    user = session.scalars(select(User).where(User.email == address)).one_or_none()
    if user is None:
        user = add_user(session, now, email=address, is_operator=True)
    elif user.is_operator and user.password_hash is not None:
        raise Refused(say("%(email)s is of the staff already.", email=address), "exists", field="email")
    user.is_operator = True
    session.flush()
    inviter = None if by.user_id is None else by.subject
    defer(session, "send_staff_invitation", user_id=user.id, inviter=inviter, language=language)
    return user


def change_staff(session: Session, *, by: Access, user: User, is_operator: bool) -> User:
    """Give a user the rights of the staff or take them; it holds from their next request on.

    Raises `Refused` ("own-rights") for one's own.
    """
    if user.is_operator and not is_operator:
        _check_other(by, user)
    user.is_operator = is_operator
    session.flush()
    return user


def change_email(session: Session, *, user: User, email: str) -> User:
    """Give a user another e-mail, with which they sign in from now on; links sent to the old one end.

    Raises `Invalid` for what is no e-mail, `Refused` ("exists") for one that somebody has.
    """
    address = check.email(email)
    if address == user.email:
        return user
    try:
        with session.begin_nested():
            user.email = address
    except IntegrityError:
        raise Refused(say("%(email)s is the email of somebody else.", email=address), "exists", field="email") from None
    session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user.id))
    return user


def end_sign_ins(session: Session, now: datetime, *, user: User) -> None:
    """End every sign-in of a user: on their next request they are asked to sign in."""
    session.execute(update(SignIn).where(SignIn.user_id == user.id, SignIn.revoked_at.is_(None)).values(revoked_at=now))


def remove_user(session: Session, *, by: Access, user: User) -> None:
    """Remove a user with every membership, sign-in and link; what they did stays noted beside it by their e-mail.

    Raises `Refused` ("own-rights") for oneself.
    """
    _check_other(by, user)
    for table in (Membership, SignIn, OneTimeLink, RecoveryCode):
        session.execute(delete(table).where(table.user_id == user.id))
    session.delete(user)
    session.flush()


def _check_other(by: Access, user: User) -> None:
    if by.user_id == user.id:
        raise Refused(
            "These are your own rights: somebody else of the staff can take them away.", "own-rights", field="step"
        )
