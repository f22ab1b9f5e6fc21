"""Members whom an account's own administrators change and take out; what each may is asked of their `Access`."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook.accounts.access import Access
from meterbook.accounts.add_member import change_member, remove_member
from meterbook.accounts.invite import check_billing
from meterbook.accounts.queries import locked
from meterbook.accounts.read_people import Member, managed_member
from meterbook.accounts.tables import Account, Membership, User
from meterbook.core.roles import Role
from meterbook.errors import Refused


def change_managed_member(
    session: Session,
    *,
    by: Access,
    account: Account,
    membership_id: int,
    role: str,
    billing: bool,
    confirmed: bool = False,
) -> Member:
    """Change a member's role and billing permission.

    Raises `NotFound` for a membership that the caller does not manage, `Invalid` for an unknown role, `Refused`:
    "billing-not-held" for giving a billing permission they do not hold, "last-admin", and "not-confirmed" for giving
    up an administrator's role of one's own.
    """
    found = _held(session, by, account, membership_id)
    member = found.membership
    if billing and not member.billing:
        check_billing(by, account.id, member.project_id, billing)
    if member.role == Role.admin and role != Role.admin:
        _check_leaving(session, by, member, confirmed)
    change_member(session, membership=member, role=role, billing=billing)
    return found


def remove_managed_member(
    session: Session, *, by: Access, account: Account, membership_id: int, confirmed: bool = False
) -> Member:
    """End a membership and return what it was.

    Raises `NotFound` for one that the caller does not manage, `Refused`: "last-admin", "not-confirmed" for one's own.
    """
    found = _held(session, by, account, membership_id)
    _check_leaving(session, by, found.membership, confirmed)
    remove_member(session, membership=found.membership)
    return found


def _held(session: Session, by: Access, account: Account, membership_id: int) -> Member:
    """Return a membership; nobody else changes one of an administrator of the account until the transaction ends."""
    found = managed_member(session, by, account.id, membership_id)
    if _runs_the_account(found.membership):
        locked(session, [account.id])
        found = managed_member(session, by, account.id, membership_id)
    return found


def _check_leaving(session: Session, by: Access, member: Membership, confirmed: bool) -> None:
    if member.user_id == by.user_id and not confirmed:
        raise Refused("Confirm that you give up what you may do here yourself.", "not-confirmed", field="confirm")
    if not by.may_operate() and _runs_the_account(member) and _others_who_run_it(session, member) == 0:
        raise Refused(
            "This is the last administrator of the account. Make somebody else one first.", "last-admin", field="role"
        )


def _runs_the_account(member: Membership) -> bool:
    return member.project_id is None and member.role == Role.admin


def _others_who_run_it(session: Session, member: Membership) -> int:
    """Return how many others administer the whole account and can sign in."""
    query = (
        select(func.count())
        .select_from(Membership)
        .join(User, User.id == Membership.user_id)
        .where(
            Membership.account_id == member.account_id,
            Membership.project_id.is_(None),
            Membership.role == Role.admin.value,
            Membership.id != member.id,
            User.password_hash.is_not(None),
        )
    )
    return session.scalar(query) or 0
