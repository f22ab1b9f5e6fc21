"""Routes of people: users, and their memberships of projects or of whole accounts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StrictBool
from sqlalchemy.orm import Session

from meterbook.accounts.access import Access
from meterbook.accounts.add_member import add_member, change_member, remove_member
from meterbook.accounts.add_user import add_user
from meterbook.accounts.invite import invite
from meterbook.accounts.manage_users import change_email, change_staff, invite_colleague, remove_user
from meterbook.accounts.queries import (
    account_by_code,
    members,
    membership_of,
    project_by_code,
    user_by_email,
)
from meterbook.accounts.read_users import find_users
from meterbook.accounts.tables import Account, Membership, Project, User
from meterbook.accounts.two_factor import turn_off_for
from meterbook.api.paging import Cursor, Limit, after, after_number, page
from meterbook.api.permission import Now, Operator, Transaction
from meterbook.api.shapes import Json, answer, instant
from meterbook.core.roles import Role
from meterbook.errors import Invalid

router = APIRouter(tags=["people"])

OfProject = Annotated[str | None, Query(max_length=64, description="The project, or else `account`.")]
OfAccount = Annotated[str | None, Query(max_length=64, description="The account, for its every project.")]


class NewUser(BaseModel):
    """A person who signs in."""

    model_config = ConfigDict(extra="forbid")

    email: str
    name: str | None = None
    password: SecretStr | None = Field(None, description="8 to 1,000 characters; without one nobody signs in.")
    language: str | None = None
    operator: StrictBool = Field(False, description="Of the operator's staff, who may do everything.")


class NewMember(BaseModel):
    """What a user is in one project or, with `account` in place of `project`, in every project of an account."""

    model_config = ConfigDict(extra="forbid")

    email: str
    project: str | None = None
    account: str | None = None
    role: Role
    billing: StrictBool = Field(False, description="The billing permission, separate from the role.")


def _off(given: bool) -> bool:
    if given:
        raise ValueError("false turns it off; people turn it on themselves")
    return given


class UserChange(BaseModel):
    """What of a user changes; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    email: str | None = Field(None, description="What they sign in with from now on.")
    operator: StrictBool | None = Field(None, description="Of the operator's staff, who may do everything.")
    two_factor: Annotated[StrictBool, AfterValidator(_off)] | None = Field(
        None, description="false turns two-factor authentication off, for somebody who lost their app."
    )


class Invitation(BaseModel):
    """Whom to invite: to a project, to every project of an account, or to the operator's staff."""

    model_config = ConfigDict(extra="forbid")

    email: str
    project: str | None = None
    account: str | None = None
    role: Role | None = None
    billing: StrictBool = Field(False, description="The billing permission, separate from the role.")
    operator: StrictBool = Field(False, description="To the staff, in place of a project or an account.")


class MemberChange(BaseModel):
    """What of a membership changes; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    billing: StrictBool | None = None


@router.post("/users", status_code=201, summary="Add a user")
def post_user(body: NewUser, session: Transaction, _access: Operator, now: Now) -> Response:
    """Add a user; the very same user again is answered as it stands."""
    password = None if body.password is None else body.password.get_secret_value()
    user = add_user(
        session,
        now,
        email=body.email,
        name=body.name,
        password=password,
        language=body.language,
        is_operator=body.operator,
    )
    return answer(_user(user), 201)


@router.get("/users", summary="List users")
def get_users(session: Transaction, _access: Operator, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List users by e-mail."""
    rows = find_users(session, after=after(cursor), limit=limit + 1)
    return answer(page(rows, limit, _user, lambda user: user.email))


@router.patch("/users/{email}", summary="Change a user")
def patch_user(email: str, body: UserChange, session: Transaction, access: Operator, now: Now) -> Response:
    """Give a user another e-mail, give or take the rights of the staff, or turn two-factor authentication off.

    It holds from their next request on.
    """
    user = user_by_email(session, email)
    if body.email is not None:
        change_email(session, user=user, email=body.email)
    if body.operator is not None:
        change_staff(session, by=access, user=user, is_operator=body.operator)
    if body.two_factor is False:
        turn_off_for(session, now, by=access, user=user)
    return answer(_user(user))


@router.delete("/users/{email}", status_code=204, summary="Remove a user")
def delete_user(email: str, session: Transaction, access: Operator) -> Response:
    """Remove a user with every membership and sign-in; from their next request on they are nobody."""
    remove_user(session, by=access, user=user_by_email(session, email))
    return Response(status_code=204)


@router.post("/members", status_code=201, summary="Add a member")
def post_member(body: NewMember, session: Transaction, access: Operator, now: Now) -> Response:
    """Make a user a member of a project, or of every present and future project of an account."""
    account, project = _place(session, access, body.account, body.project)
    user = user_by_email(session, body.email)
    member = add_member(session, now, user=user, account=account, project=project, role=body.role, billing=body.billing)
    return answer(_member(member, user, account, project), 201)


@router.post("/invitations", status_code=201, summary="Invite somebody")
def post_invitation(body: Invitation, session: Transaction, access: Operator, now: Now) -> Response:
    """Make somebody a member or one of the staff, known or not yet, and tell them by mail.

    The same again sends the letter again.
    """
    if body.operator:
        if body.role or body.billing or body.account or body.project:
            raise Invalid("Who is of the staff may do everything: leave role, billing and place out.", "wrong-place")
        return answer(_user(invite_colleague(session, now, by=access, email=body.email)), 201)
    account, project = _place(session, access, body.account, body.project)
    if body.role is None:
        raise Invalid("Say what they are there: viewer, member or admin.", "wrong-role", field="role")
    member = invite(
        session,
        now,
        by=access,
        account=account,
        project=project,
        email=body.email,
        role=body.role,
        billing=body.billing,
    )
    return answer(_member(member, session.get_one(User, member.user_id), account, project), 201)


@router.get("/members", summary="List members")
def get_members(
    session: Transaction, access: Operator, account: str, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """List an account's memberships in the order they were added."""
    payer = account_by_code(session, account, access)
    rows = members(session, payer.id, after=after_number(cursor), limit=limit + 1)

    def shape(row: tuple[Membership, User]) -> Json:
        member, user = row
        project = session.get(Project, member.project_id) if member.project_id is not None else None
        return _member(member, user, payer, project)

    return answer(page(rows, limit, shape, lambda row: row[0].id))


@router.put("/members/{email}", summary="Change a member")
def put_member(
    email: str,
    body: MemberChange,
    session: Transaction,
    access: Operator,
    project: OfProject = None,
    account: OfAccount = None,
) -> Response:
    """Change the role, the billing permission or both of one membership."""
    payer, place = _place(session, access, account, project)
    user = user_by_email(session, email)
    found = membership_of(session, user, payer.id, place.id if place else None)
    member = change_member(session, membership=found, role=body.role, billing=body.billing)
    return answer(_member(member, user, payer, place))


@router.delete("/members/{email}", status_code=204, summary="Remove a member")
def delete_member(
    email: str, session: Transaction, access: Operator, project: OfProject = None, account: OfAccount = None
) -> Response:
    """End one membership; from the next request on the user no longer sees what it gave."""
    payer, place = _place(session, access, account, project)
    user = user_by_email(session, email)
    remove_member(session, membership=membership_of(session, user, payer.id, place.id if place else None))
    return Response(status_code=204)


def _place(
    session: Session, access: Access, account: str | None, project: str | None
) -> tuple[Account, Project | None]:
    if (account is None) == (project is None):
        raise Invalid("Give either the project or, for its every project, the account.", "wrong-place")
    if account is not None:
        return account_by_code(session, account, access), None
    found = project_by_code(session, project or "", access, need="member")
    return found.account, found


def _user(user: User) -> Json:
    return {
        "email": user.email,
        "name": user.name,
        "language": user.language,
        "operator": user.is_operator,
        "has_password": user.password_hash is not None,
        "two_factor": user.totp_secret is not None,
        "created_at": instant(user.created_at),
    }


def _member(member: Membership, user: User, account: Account, project: Project | None) -> Json:
    return {
        "email": user.email,
        "account": account.code,
        "project": project.code if project else None,
        "role": member.role,
        "billing": member.billing,
        "created_at": instant(member.created_at),
    }
