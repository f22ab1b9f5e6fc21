"""Members as those who manage them read them: who, where, what they may do, and what the reader may do about it."""

from __future__ import annotations

from dataclasses import dataclass

from meterbook.accounts.read_people import Member
from meterbook.console.person.person_page import PEOPLE, ManagedPage


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A membership of the list; `project` is none for the whole account.

    `is_invited` says that the person has chosen no password yet, `gives_billing` that the reader may give them the
    billing permission there.
    """

    id: int
    email: str
    name: str
    project: str | None
    role: str
    billing: bool
    is_self: bool
    is_invited: bool
    gives_billing: bool
    edit: str


def present_member(member: Member, at: ManagedPage) -> MemberRow:
    """Present a membership to the reader of a page."""
    held, user, project = member
    access = at.reader.access
    return MemberRow(
        id=held.id,
        email=user.email,
        name="" if user.name == user.email else user.name,
        project=None if project is None else project.name,
        role=held.role,
        billing=held.billing,
        is_self=user.id == at.user_id,
        is_invited=user.password_hash is None,
        gives_billing=access.may_grant(held.account_id, held.project_id, billing=True),
        edit=at.href(PEOPLE, edit=held.id) + "#member",
    )
