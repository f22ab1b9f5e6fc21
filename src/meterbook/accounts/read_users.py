"""Reads for the operator's staff: people who sign in, what each belongs to, and the keys that may do everything."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.manage_sign_ins import is_open
from meterbook.accounts.queries import LONGEST_PAGE, PAGE
from meterbook.accounts.read_people import called_like
from meterbook.accounts.tables import Account, ApiKey, Membership, Project, SignIn, User
from meterbook.core.roles import Scope
from meterbook.database import among
from meterbook.errors import NotFound


class Belonging(NamedTuple):
    """What a user is in an account; `project` is None for all of its projects."""

    membership: Membership
    account: Account
    project: Project | None


def find_users(
    session: Session, *, find: str = "", staff: bool = False, after: str | None = None, limit: int = PAGE
) -> list[User]:
    """Return users in order of e-mail, those `after` an e-mail; `find` keeps those whose e-mail or name contains it."""
    query = select(User).order_by(User.email).limit(min(limit, LONGEST_PAGE))
    if staff:
        query = query.where(User.is_operator)
    query = query.where(called_like(find))
    return list(session.scalars(query if after is None else query.where(User.email > check.comparable(after))))


def user_of(session: Session, user_id: int) -> User:
    """Return a user; raises `NotFound`."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.", "unknown-user")
    return user


def belongings_of(session: Session, user_id: int) -> list[Belonging]:
    """Return what a user belongs to, by account and project, at most `LONGEST_PAGE`."""
    rows = session.execute(
        select(Membership, Account, Project)
        .join(Account, Account.id == Membership.account_id)
        .outerjoin(Project, Project.id == Membership.project_id)
        .where(Membership.user_id == user_id)
        .order_by(Account.code, Project.code.nulls_first())
        .limit(LONGEST_PAGE)
    )
    return [Belonging(row.Membership, row.Account, row.Project) for row in rows]


def membership_counts(session: Session, user_ids: list[int]) -> dict[int, int]:
    """Return in how many accounts each user is a member; those in none are left out."""
    rows = session.execute(
        select(Membership.user_id, func.count(Membership.account_id.distinct()))
        .where(among(Membership.user_id, user_ids))
        .group_by(Membership.user_id)
    )
    return {user_id: int(count) for user_id, count in rows}


def open_sign_in_count(session: Session, now: datetime, user_id: int) -> int:
    """Return how many sign-ins of a user are open."""
    return session.scalar(select(func.count()).where(SignIn.user_id == user_id, is_open(now))) or 0


def operator_keys(session: Session) -> list[ApiKey]:
    """Return the keys that may do everything and are not revoked, the newest first, at most `LONGEST_PAGE`."""
    query = select(ApiKey).where(ApiKey.scope == Scope.operator.value, ApiKey.revoked_at.is_(None))
    return list(session.scalars(query.order_by(ApiKey.id.desc()).limit(LONGEST_PAGE)))
