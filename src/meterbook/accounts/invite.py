"""Invite people: they become members at once, and a letter tells them; new ones choose a password by its link."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.access import Access
from meterbook.accounts.add_member import add_member
from meterbook.accounts.add_user import add_user, set_password
from meterbook.accounts.one_time_link import Purpose, holder_of, use_up
from meterbook.accounts.sign_in import check_password
from meterbook.accounts.tables import Account, Membership, Project, User
from meterbook.core.roles import Role
from meterbook.core.sentence import say
from meterbook.errors import NotFound, Refused
from meterbook.outbox import defer


def invite(
    session: Session,
    now: datetime,
    *,
    by: Access,
    account: Account,
    project: Project | None,
    email: str,
    role: str,
    billing: bool = False,
) -> Membership:
    """Make whoever has an e-mail a member of a project, or (None) of the whole account, and queue a letter to them.

    Somebody unknown becomes a user without a password, whom the letter brings a link to choose one. Inviting the same
    again sends the letter again. Raises `Invalid` naming the field, `NotFound` where the caller manages nobody,
    `Refused` ("billing-not-held") for a billing permission that they do not hold themselves, and ("exists") when the
    person is a member there with another role or permission.
    """
    place = None if project is None else project.id
    if not by.may_administer(account.id, place):
        raise NotFound(say("There is no account %(code)s.", code=check.shown(account.code)), "unknown-account")
    check_billing(by, account.id, place, billing)
    address, known_role = check.email(email), check.choice(Role, role, "role")
    user = session.scalars(select(User).where(User.email == address)).one_or_none()
    if user is None:
        user = add_user(session, now, email=address)
    member = add_member(session, now, user=user, account=account, project=project, role=known_role, billing=billing)
    send_invitation(session, by=by, member=member)
    return member


def send_invitation(session: Session, *, by: Access, member: Membership) -> None:
    """Queue the letter that tells a member what they belong to; until they have a password, with a new link."""
    # whoever works for the operator writes in its name
    inviter = by.subject if by.kind == "user" else None
    defer(session, "send_invitation", membership_id=member.id, inviter=inviter)


def check_billing(by: Access, account_id: int, project_id: int | None, billing: bool) -> None:
    """Raise `Refused` ("billing-not-held") when the caller gives a billing permission that they do not hold."""
    if not by.may_grant(account_id, project_id, billing):
        raise Refused(
            "You can only give a billing permission that you hold yourself.", "billing-not-held", field="billing"
        )


def accept_invitation(session: Session, now: datetime, *, token: str, name: str, password: str) -> User:
    """Give an invited user the name and the password they chose; the link ends.

    Raises `NotFound` ("link-over"), `Invalid` naming the field; the link then stays.
    """
    holder_of(session, now, token=token, purpose=Purpose.invitation)
    chosen = check.name(name)
    check_password(password)
    user = use_up(session, now, token=token, purpose=Purpose.invitation)
    user.name = chosen
    set_password(session, now, user=user, password=password)
    return user
