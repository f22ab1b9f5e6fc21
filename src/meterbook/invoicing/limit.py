"""Limit an account's projects for a bill that stays unpaid, until nothing is overdue any more."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account, Project
from meterbook.invoicing.debt import debt_of

OVERDUE: Final = "overdue"


def limit_projects(session: Session, now: datetime, account: Account) -> None:
    """Limit an account's projects for a bill that stayed unpaid; usage and billing pages stay readable."""
    session.execute(
        update(Project)
        .where(Project.account_id == account.id, Project.limited_at.is_(None))
        .values(limited_at=now, limited_for=OVERDUE)
    )


def lift_limits(session: Session, now: datetime, account: Account) -> None:
    """Lift the limits that an unpaid bill brought, once nothing is overdue any more."""
    limited = select(Project.id).where(Project.account_id == account.id, Project.limited_for == OVERDUE).limit(1)
    if session.scalar(limited) is None or debt_of(session, account, now).overdue_since is not None:
        return
    session.execute(
        update(Project)
        .where(Project.account_id == account.id, Project.limited_for == OVERDUE)
        .values(limited_at=None, limited_for=None)
    )
