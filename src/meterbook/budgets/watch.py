"""Watch budgets: compare what each account spent in its running month, and note what was reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from meterbook import outbox
from meterbook.accounts.queries import all_projects, zone_of
from meterbook.accounts.tables import Account
from meterbook.announce import Announcement, Happening, announce
from meterbook.budgets.tables import Budget, BudgetAlert
from meterbook.core.budget import reached
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.database import Transactions, among
from meterbook.invoicing.close import groups_of_accounts
from meterbook.invoicing.draft import Payer, draft_months
from meterbook.usage.store import UsageStore

FIRST_DAY: Final = timedelta(days=1)


def watch_budgets(transactions: Transactions, usage: UsageStore, now: datetime) -> None:
    """Note every threshold that a month reached, and queue a letter of the highest; safe to repeat.

    A month that goes past several at once gives one letter. On a month's first day the one before is looked at too:
    what it reached in its last hour, or while nobody watched, is told all the same.
    """
    with transactions() as session:
        groups = list(groups_of_accounts(session, session.scalars(select(Budget.account_id)).all()))
    for group in groups:
        with transactions() as session:
            _watch(session, usage, now, group)


def _watch(session: Session, usage: UsageStore, now: datetime, account_ids: Sequence[int]) -> None:
    # a budget that is changed meanwhile waits, so that no alert is of an amount that no longer holds
    held = session.scalars(
        select(Budget).where(among(Budget.account_id, account_ids)).order_by(Budget.id).with_for_update()
    )
    budgets = {budget.account_id: budget for budget in held}
    accounts = session.scalars(select(Account).where(among(Account.id, budgets)).order_by(Account.id)).all()
    if not accounts:
        return
    projects = all_projects(session, list(budgets))
    zone = zone_of(accounts[0])
    month = BillingMonth.of(now, zone)
    payers = [Payer(account, projects[account.id], True) for account in accounts]
    if now < month.starts_at(zone) + FIRST_DAY:
        # a budget that is younger than a month says nothing about it
        held_then = [payer for payer in payers if budgets[payer.account.id].set_at < month.starts_at(zone)]
        _note_all(session, usage, now, budgets, held_then, month.previous())
    _note_all(session, usage, now, budgets, payers, month)


def _note_all(
    session: Session,
    usage: UsageStore,
    now: datetime,
    budgets: Mapping[int, Budget],
    payers: Sequence[Payer],
    month: BillingMonth,
) -> None:
    if not payers:
        return
    for drafted in draft_months(session, usage, payers, month, now):
        _note(session, now, drafted.payer.account, budgets[drafted.payer.account.id], drafted.draft)


def _note(session: Session, now: datetime, account: Account, budget: Budget, draft: InvoiceDraft) -> None:
    month, amount = str(draft.frame.month), Money(budget.amount_minor, draft.currency)
    rows = [
        {
            "budget_id": budget.id,
            "month": month,
            "percent": percent,
            "reached_at": now,
            "budget_minor": budget.amount_minor,
            "spent_minor": draft.total.minor,
            "forecast_minor": draft.forecast.minor,
        }
        for percent in reached(draft.total, amount)
    ]
    if not rows:
        return
    noted = insert(BudgetAlert).values(rows).on_conflict_do_nothing().returning(BudgetAlert.percent)
    if new := session.scalars(noted).all():
        outbox.defer(session, "tell_budget", budget_id=budget.id, month=month, percent=max(new))
        told = {"month": month, "percent": max(new), "currency": draft.currency.code, "spent": str(draft.total)}
        announce(session, now, Announcement(Happening.budget_reached, account.code, account.code, told))
