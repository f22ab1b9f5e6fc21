"""Add a person who signs in, and set a password."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.prove import hashed
from meterbook.accounts.repeat import same_or_refused
from meterbook.accounts.sign_in import password_fits, password_hash
from meterbook.accounts.tables import OneTimeLink, SignIn, User
from meterbook.core.sentence import say
from meterbook.errors import Refused


def add_user(
    session: Session,
    now: datetime,
    *,
    email: str,
    name: str | None = None,
    password: str | None = None,
    language: str | None = None,
    is_operator: bool = False,
) -> User:
    """Add a user and return them; the very same user again is the one that is there.

    Without a password nobody can sign in as this user. `name` is the e-mail unless given. Raises `Invalid` naming the
    field, `Refused` ("exists") when the e-mail is there with another name, language or password, or as somebody who is
    of the operator's staff or is not.
    """
    address = check.email(email)
    wanted: dict[str, object] = {
        "name": check.name(address if name is None else name),
        "language": None if language is None else check.language(language),
        "is_operator": is_operator,
    }
    stored = None if password is None else password_hash(password)
    added = session.execute(
        insert(User)
        .values(email=address, password_hash=stored, created_at=now, **wanted)
        .on_conflict_do_nothing(index_elements=["email"])
        .returning(User.id)
    ).scalar_one_or_none()
    user = session.scalars(select(User).where(User.email == address)).one()
    if added is None:
        same_or_refused(say("The user %(address)s", address=address), user, wanted)
        if password is not None and not password_fits(password, user.password_hash):
            raise Refused(
                say("The user %(address)s exists already with another password.", address=address),
                "exists",
                differs=["password"],
            )
    return user


def set_password(session: Session, now: datetime, *, user: User, password: str, keep: str | None = None) -> None:
    """Give a user a new password and end every sign-in they have, but the one whose token is to be kept.

    Links that were sent to choose a password with end as well. Raises `Invalid` for a password too short or too long.
    """
    user.password_hash = password_hash(password)
    open_ones = update(SignIn).where(SignIn.user_id == user.id, SignIn.revoked_at.is_(None))
    if keep is not None:
        open_ones = open_ones.where(SignIn.token_sha256 != hashed(keep))
    session.execute(open_ones.values(revoked_at=now))
    session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user.id))
    session.flush()
