"""Add a project to an account."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.close_account import refuse_closed
from meterbook.accounts.queries import zone_of
from meterbook.accounts.repeat import same_or_refused
from meterbook.accounts.tables import Account, Project
from meterbook.core.roles import Plan
from meterbook.core.sentence import say
from meterbook.errors import Refused

MOST_PROJECTS: Final = 10_000  # of one account


def add_project(
    session: Session,
    now: datetime,
    *,
    account: Account,
    code: str,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
    plan: str = Plan.subscribed,
    trial_until: datetime | None = None,
) -> Project:
    """Add a project and return it; the very same project again is the one that is there.

    `trial_until` is the start of a billing hour of the account, and hours before it cost nothing (DOMAIN 1). Raises
    `Invalid` naming the field, `Refused` ("exists") when the code is taken in this installation by another project,
    whose account is not told, and ("account-closed").
    """
    wanted: dict[str, object] = {
        "name": check.name(code if name is None else name),
        "labels": check.labels(labels or {}),
        "plan": check.choice(Plan, plan, "plan").value,
        "trial_until": check.trial_until(trial_until, zone_of(account)),
    }
    row = {"code": check.code(code), "account_id": account.id, "created_at": now, **wanted}
    added = session.execute(
        insert(Project).values(**row).on_conflict_do_nothing(index_elements=["code"]).returning(Project.id)
    ).scalar_one_or_none()
    project = session.scalars(select(Project).where(Project.code == code)).one()
    if project.account_id != account.id:
        raise Refused(
            say("The project code %(code)s is taken: choose another.", code=code), "exists", differs=["account"]
        )
    if added is None:
        same_or_refused(say("The project %(code)s", code=code), project, wanted)
        return project
    refuse_closed(account)
    if session.scalars(select(func.count()).where(Project.account_id == account.id)).one() > MOST_PROJECTS:
        raise Refused(say("An account has at most %(most)s projects.", most=MOST_PROJECTS), "too-many")
    return project
