"""Set what an account means to spend in a month, or take that back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from meterbook.accounts.queries import zone_of
from meterbook.accounts.tables import Account
from meterbook.budgets.queries import budget_of
from meterbook.budgets.tables import Budget, BudgetAlert
from meterbook.core.period import BillingMonth
from meterbook.payments.book import amount_of


def set_budget(session: Session, now: datetime, *, account: Account, amount: str, by: str) -> Budget:
    """Set an account's budget, in its currency, and return it; the same amount again changes nothing.

    Another amount forgets the running month's alerts: its thresholds are others, and are told of when they are
    reached. Raises `Invalid` ("wrong-amount").
    """
    money = amount_of(account, amount.strip())
    values = {"amount_minor": money.minor, "set_by": by, "set_at": now}
    written = (
        insert(Budget)
        .values(account_id=account.id, **values)
        .on_conflict_do_update(index_elements=["account_id"], set_=values, where=Budget.amount_minor != money.minor)
        .returning(Budget.id)
    )
    changed = session.scalar(written)
    if changed is not None:
        month = str(BillingMonth.of(now, zone_of(account)))
        session.execute(delete(BudgetAlert).where(BudgetAlert.budget_id == changed, BudgetAlert.month >= month))
    found = budget_of(session, account.id)
    assert found is not None, "it was just written"
    session.refresh(found)
    return found


def remove_budget(session: Session, *, account: Account) -> None:
    """Take an account's budget back, with the alerts it gave; without one nothing changes."""
    session.execute(delete(Budget).where(Budget.account_id == account.id))
