"""The proof of who is calling and what they may see and do (DOMAIN 1); carried in the signature of what needs it."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from enum import Enum
from typing import Final, Literal

from meterbook.core.roles import Role, Scope


class Every(Enum):
    """The type of `ALL`: every present and future project of an account."""

    project = "every project"


ALL: Final = Every.project
Projects = frozenset[int] | Literal[Every.project]
NONE: Final[frozenset[int]] = frozenset()
# Held by prove.py alone: whoever has not proved anything cannot make an Access.
SEAL: Final = object()


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user holds: a role in one project of an account, or (None) in all of them, and maybe its billing."""

    account_id: int
    project_id: int | None
    role: Role
    billing: bool


@dataclass(frozen=True, slots=True)
class Access:
    """A proved caller; made by prove.py alone.

    `kind` is a key's scope or "user"; `subject` names the caller in logs (a key's prefix, a user's e-mail, "local").
    `account_id` and `project_id` bind a key; `grants` are a user's memberships.
    """

    kind: Literal["operator", "account", "events", "user"]
    subject: str
    seal: InitVar[object]
    account_id: int | None = None
    project_id: int | None = None
    user_id: int | None = None
    grants: tuple[Grant, ...] = ()

    def __post_init__(self, seal: object) -> None:
        assert seal is SEAL, "an Access is made by proving one (accounts/prove.py)"

    def may_operate(self) -> bool:
        """Whether this is the operator, who may do everything."""
        return self.kind == "operator"

    def may_send(self) -> bool:
        """Whether this caller sends usage at all; a person's sign-in does not."""
        return self.kind != "user"

    def may_read(self) -> bool:
        """Whether this caller reads at all; a key that only sends does not."""
        return self.kind != "events"

    def sees_account(self, account_id: int) -> bool:
        """Whether the account exists for this caller; for a key that only sends, none does."""
        return self.may_operate() or self.member_projects(account_id) != NONE

    def has_account_billing(self, account_id: int) -> bool:
        """Whether billing history, invoices, balance and payment information of the account are open."""
        return self.billing_projects(account_id) is ALL

    def billing_projects(self, account_id: int) -> Projects:
        """Return the projects (ids) of the account whose usage and amounts may be seen."""
        if self.kind == "user":
            return _projects([grant for grant in self.grants if grant.account_id == account_id and grant.billing])
        return self._readable_by_key(account_id)

    def member_projects(self, account_id: int) -> Projects:
        """Return the projects (ids) of the account that the caller takes part in: usage, no amounts."""
        if self.kind == "user":
            return _projects([grant for grant in self.grants if grant.account_id == account_id])
        return self._readable_by_key(account_id)

    def administered_projects(self, account_id: int) -> Projects:
        """Return the projects (ids) of the account whose people and keys the caller manages; `ALL` with those to come.

        A key manages neither, but the operator's.
        """
        if self.may_operate():
            return ALL
        if self.kind != "user":
            return NONE
        return _projects([each for each in self.grants if each.account_id == account_id and each.role is Role.admin])

    def may_administer(self, account_id: int, project_id: int | None) -> bool:
        """Whether the caller manages the people of a project, or (None) those of the whole account."""
        return _covers(self.administered_projects(account_id), project_id)

    def may_grant(self, account_id: int, project_id: int | None, billing: bool) -> bool:
        """Whether the caller may make somebody a member there; nobody gives a billing permission they do not hold."""
        return self.may_administer(account_id, project_id) and (
            not billing or _covers(self.billing_projects(account_id), project_id)
        )

    def may_make_key(self, scope: Scope, account_id: int | None, project_id: int | None) -> bool:
        """Whether the caller may make such a key.

        One that sends usage is for whoever manages the place it is bound to; one that reads and acts for the account
        is for its administrators who hold its billing too; one for everything is the operator's.
        """
        if self.may_operate():
            return True
        if account_id is None or not self.may_administer(account_id, project_id):
            return False
        of_the_account = self.may_administer(account_id, None) and self.has_account_billing(account_id)
        return scope is Scope.events or (scope is Scope.account and of_the_account)

    def may_end_key(self, scope: Scope, account_id: int | None, project_id: int | None) -> bool:
        """Whether a key exists for this caller, who may then end it.

        It does for administrators of the account and, where it only sends usage, of the project it is bound to.
        """
        if self.may_operate():
            return True
        if account_id is None:
            return False
        return self.may_administer(account_id, None if scope is Scope.account else project_id)

    def may_send_to(self, project_id: int, account_id: int) -> bool:
        """Whether usage of a project may be sent by this caller."""
        bound_elsewhere = self.account_id != account_id or self.project_id not in (None, project_id)
        return self.may_send() and (self.may_operate() or not bound_elsewhere)

    def account_ids(self) -> Projects:
        """Return the accounts (ids) that exist for this caller, `ALL` for the operator."""
        if self.may_operate():
            return ALL
        if self.kind == "user":
            return frozenset(grant.account_id for grant in self.grants)
        return frozenset({self.account_id} if self.kind == "account" and self.account_id is not None else ())

    def _readable_by_key(self, account_id: int) -> Projects:
        if self.may_operate():
            return ALL
        if self.kind == "events" or self.account_id != account_id:
            return NONE
        return ALL if self.project_id is None else frozenset({self.project_id})


def _covers(held: Projects, project_id: int | None) -> bool:
    return held is ALL or (project_id is not None and project_id in held)


def _projects(grants: list[Grant]) -> Projects:
    if any(grant.project_id is None for grant in grants):
        return ALL
    return frozenset(grant.project_id for grant in grants if grant.project_id is not None)
