"""Limit an account's projects for a bill that stays unpaid, until nothing is overdue any more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account, Project
from meterbook.announce import Announcement, Happening, announce
from meterbook.invoicing.debt import debt_of

OVERDUE: Final = "overdue"


def limit_projects(session: Session, now: datetime, account: Account) -> None:
    """Limit an account's projects for a bill that stayed unpaid; usage and billing pages stay readable."""
    limited = session.scalars(
        update(Project)
        .where(Project.account_id == account.id, Project.limited_at.is_(None))
        .values(limited_at=now, limited_for=OVERDUE)
        .returning(Project.code)
    )
    _announce(session, now, Happening.project_limited, account, limited)


def lift_limits(session: Session, now: datetime, account: Account) -> None:
    """Lift the limits that an unpaid bill brought, once nothing is overdue any more."""
    limited = select(Project.id).where(Project.account_id == account.id, Project.limited_for == OVERDUE).limit(1)
    if session.scalar(limited) is None or debt_of(session, account, now).overdue_since is not None:
        return
    lifted = session.scalars(
        update(Project)
        .where(Project.account_id == account.id, Project.limited_for == OVERDUE)
        .values(limited_at=None, limited_for=None)
        .returning(Project.code)
    )
    _announce(session, now, Happening.project_unlimited, account, lifted)


def _announce(session: Session, now: datetime, happening: Happening, account: Account, projects: Iterable[str]) -> None:
    announce(
        session,
        now,
        *[
            Announcement(happening, account.code, code, {"project": code, "because": OVERDUE})
            for code in sorted(projects)
        ],
    )
