"""Change a project: its name, labels, plan, trial and limit, or mark it deleted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.close_account import refuse_closed
from meterbook.accounts.queries import zone_of
from meterbook.accounts.tables import Account, Project
from meterbook.accounts.unchanged import SAME, Unchanged
from meterbook.announce import Announcement, Happening, announce
from meterbook.core.roles import Plan

_OPERATOR: Final = "operator"


def change_project(
    session: Session,
    now: datetime,
    *,
    account: Account,
    project: Project,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
    plan: str | None = None,
    trial_until: datetime | Literal[Unchanged.same] | None = SAME,
    limited: bool | None = None,
    deleted: bool | None = None,
) -> Project:
    """Change what is given and return the project.

    `trial_until` None ends the trial as if there had been none. `limited` begins at `now`, and `deleted` too: a
    deleted project takes no more usage and keeps its name, its usage and its place on bills. Doing either again keeps
    the first moment; one that was limited for an unpaid bill stays limited whatever is paid. Raises `Invalid` naming
    the field, `Refused` ("account-closed") for restoring one of a closed account.
    """
    assert project.account_id == account.id, "the account is the project's own"
    if name is not None:
        project.name = check.name(name)
    if labels is not None:
        project.labels = check.labels(labels)
    if plan is not None:
        project.plan = check.choice(Plan, plan, "plan").value
    if trial_until is not SAME:
        project.trial_until = check.trial_until(trial_until, zone_of(account))
    if limited is not None:
        if limited != (project.limited_at is not None):
            happening = Happening.project_limited if limited else Happening.project_unlimited
            told = {"project": project.code, "because": _OPERATOR}
            announce(session, now, Announcement(happening, account.code, project.code, told))
        project.limited_at = (project.limited_at or now) if limited else None
        project.limited_for = _OPERATOR if limited else None
    if deleted is False and project.deleted_at is not None:
        refuse_closed(account)
    if deleted is not None:
        project.deleted_at = (project.deleted_at or now) if deleted else None
    session.flush()
    return project
