"""Reads for those who manage an account's people and keys, narrowed to what their access manages.

What it does not manage raises the same `NotFound` as what does not exist.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, false, func, or_, select, true, tuple_
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.access import ALL, NONE, Access
from meterbook.accounts.queries import LONGEST_PAGE, PAGE, visible_accounts
from meterbook.accounts.tables import Account, ApiKey, Membership, Project, User
from meterbook.core.roles import Scope
from meterbook.core.sentence import say
from meterbook.errors import NotFound


class Member(NamedTuple):
    """A membership with the user and the project, None for every project of the account."""

    membership: Membership
    user: User
    project: Project | None


def administered_accounts(session: Session, access: Access) -> list[Account]:
    """Return the accounts in which the access manages people and keys, by code, 100 at most."""
    return [
        account for account in visible_accounts(session, access) if access.administered_projects(account.id) != NONE
    ]


def administered_projects(session: Session, access: Access, account_id: int) -> list[Project]:
    """Return the projects of an account whose people and keys the access manages, by code, without deleted ones."""
    query = select(Project).where(Project.account_id == account_id, Project.deleted_at.is_(None)).order_by(Project.code)
    held = access.administered_projects(account_id)
    return list(session.scalars(query if held is ALL else query.where(Project.id.in_(held))))


def administered_project(session: Session, access: Access, account_id: int, code: str) -> Project:
    """Return one of `administered_projects` by its code; raises `NotFound`."""
    found = session.scalars(
        select(Project).where(Project.code == check.comparable(code), Project.deleted_at.is_(None))
    ).one_or_none()
    if found is None or found.account_id != account_id or not access.may_administer(account_id, found.id):
        raise NotFound(say("There is no project %(code)s.", code=check.shown(code)), "unknown-project", field="project")
    return found


def managed_members(
    session: Session, access: Access, account_id: int, *, find: str = "", after: int = 0, limit: int = PAGE
) -> list[Member]:
    """Return memberships in an account that the access manages, by e-mail, those `after` a membership's id.

    `find` keeps those whose e-mail or name contains it.
    """
    query = _members(access, account_id).order_by(User.email, Membership.id).limit(min(limit, LONGEST_PAGE))
    query = query.where(called_like(find))
    if after:
        last = _members(access, account_id).where(Membership.id == after)
        place = last.with_only_columns(User.email, Membership.id).correlate(None).scalar_subquery()
        query = query.where(tuple_(User.email, Membership.id) > place)
    return [Member(row.Membership, row.User, row.Project) for row in session.execute(query)]


def called_like(find: str) -> ColumnElement[bool]:
    """Return whether a user's e-mail or name contains a text; everybody's does where that is empty."""
    part = find.strip().lower()
    if not check.comparable(part):
        return false() if part else true()
    return or_(User.email.contains(part, autoescape=True), func.lower(User.name).contains(part, autoescape=True))


def managed_member(session: Session, access: Access, account_id: int, membership_id: int) -> Member:
    """Return one of `managed_members`; raises `NotFound`."""
    row = session.execute(
        _members(access, account_id).where(Membership.id == membership_id),
        execution_options={"populate_existing": True},
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such member.", "unknown-member")
    return Member(row.Membership, row.User, row.Project)


def managed_keys(
    session: Session, access: Access, account_id: int, *, before: int | None = None, limit: int = PAGE
) -> list[tuple[ApiKey, Project | None]]:
    """Return an account's keys that are not revoked and that the access may end, the newest first.

    Each comes with the project it is bound to. `before` keeps those made before a key's id.
    """
    query = (
        select(ApiKey, Project)
        .outerjoin(Project, Project.id == ApiKey.project_id)
        .where(ApiKey.account_id == account_id, ApiKey.revoked_at.is_(None))
        .order_by(ApiKey.id.desc())
        .limit(min(limit, LONGEST_PAGE))
    )
    held = access.administered_projects(account_id)
    if held is not ALL:
        query = query.where(ApiKey.scope == Scope.events.value, ApiKey.project_id.in_(held))
    if before is not None:
        query = query.where(ApiKey.id < before)
    return [(key, project) for key, project in session.execute(query)]


def _members(access: Access, account_id: int) -> Select[Membership, User, Project]:
    query = (
        select(Membership, User, Project)
        .join(User, User.id == Membership.user_id)
        .outerjoin(Project, Project.id == Membership.project_id)
        .where(Membership.account_id == account_id)
    )
    held = access.administered_projects(account_id)
    return query if held is ALL else query.where(Membership.project_id.in_(held))
