"""Make a user a member: of one project, or of every present and future project of an account; change and end it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.repeat import same_or_refused
from meterbook.accounts.tables import Account, Membership, Project, User
from meterbook.core.roles import Role
from meterbook.core.sentence import say


def add_member(
    session: Session,
    now: datetime,
    *,
    user: User,
    account: Account,
    project: Project | None,
    role: str,
    billing: bool = False,
) -> Membership:
    """Add a membership and return it; the very same one again is the one that is there.

    `project` None means every project of the account, those to come as well. `billing` is the billing permission,
    separate from the role (DOMAIN 1). Raises `Invalid` for an unknown role, `Refused` ("exists") when the user is a
    member there already with another role or permission.
    """
    assert project is None or project.account_id == account.id, "the project is one of the account"
    wanted = {"role": check.choice(Role, role, "role").value, "billing": billing}
    where = {"user_id": user.id, "account_id": account.id, "project_id": None if project is None else project.id}
    session.execute(insert(Membership).values(**where, **wanted, created_at=now).on_conflict_do_nothing())
    membership = session.scalars(
        select(Membership).where(
            Membership.user_id == user.id,
            Membership.account_id == account.id,
            Membership.project_id.is_not_distinct_from(where["project_id"]),
        )
    ).one()
    if project is None:
        what = say("The membership of %(email)s in the account %(code)s", email=user.email, code=account.code)
    else:
        what = say("The membership of %(email)s in the project %(code)s", email=user.email, code=project.code)
    same_or_refused(what, membership, wanted)
    return membership


def change_member(
    session: Session, *, membership: Membership, role: str | None = None, billing: bool | None = None
) -> Membership:
    """Change the role, the billing permission or both; raises `Invalid` for an unknown role."""
    if role is not None:
        membership.role = check.choice(Role, role, "role").value
    if billing is not None:
        membership.billing = billing
    session.flush()
    return membership


def remove_member(session: Session, *, membership: Membership) -> None:
    """End a membership: from the next request on, the user no longer sees what it gave."""
    session.delete(membership)
    session.flush()
