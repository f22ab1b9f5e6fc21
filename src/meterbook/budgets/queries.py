"""Reading budgets: what an account set, how much of it a month used, and when it was told of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of
from meterbook.accounts.tables import Account
from meterbook.budgets.tables import Budget, BudgetAlert
from meterbook.core.budget import used_percent
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.money import Money

ALERTS_SHOWN: Final = 36  # a year of three a month


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """A budget beside a month: what is spent and the forecast, both tax included, and how many percent are used."""

    amount: Money
    spent: Money
    forecast: Money
    used_percent: Decimal

    @property
    def is_over(self) -> bool:
        """Whether more is spent than was meant to be."""
        return self.spent.minor > self.amount.minor

    @property
    def will_be_over(self) -> bool:
        """Whether the forecast is over the budget."""
        return self.forecast.minor > self.amount.minor


def budget_of(session: Session, account_id: int) -> Budget | None:
    """Return an account's budget, None while none is set."""
    return session.scalars(select(Budget).where(Budget.account_id == account_id)).one_or_none()


def budget_standing(session: Session, account: Account, draft: InvoiceDraft) -> BudgetStanding | None:
    """Return how an account's budget stands against a month's draft of all its projects, None without a budget."""
    found = budget_of(session, account.id)
    if found is None:
        return None
    amount = Money(found.amount_minor, currency_of(account))
    return BudgetStanding(amount, draft.total, draft.forecast, used_percent(draft.total, amount))


def alerts_of(session: Session, budget: Budget) -> list[BudgetAlert]:
    """Return the newest alerts of a budget, newest first."""
    query = select(BudgetAlert).where(BudgetAlert.budget_id == budget.id)
    newest_first = query.order_by(BudgetAlert.month.desc(), BudgetAlert.percent.desc()).limit(ALERTS_SHOWN)
    return list(session.scalars(newest_first))
