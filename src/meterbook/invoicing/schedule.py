"""The schedule of closes: after its grace period a month is drafted, and by the setting issued, account by account."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from meterbook.accounts.queries import zone_of
from meterbook.accounts.tables import Account
from meterbook.core.period import BillingMonth
from meterbook.database import Transactions
from meterbook.invoicing.close import Closed, close_month
from meterbook.invoicing.queries import invoices_of_month
from meterbook.invoicing.unbilled import left_unbilled
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore


def close_due(transactions: Transactions, usage: UsageStore, settings: Settings, now: datetime) -> list[Closed]:
    """Close for each account the last month whose grace period is over; safe to repeat.

    With `close_schedule` "draft" missing drafts are made and those that are kept stay; with "issue" they are issued. An
    account whose months are out of order is passed over, and a month that was left unbilled stays so.
    """
    if settings.close_schedule == "off":
        return []
    confirm = settings.close_schedule == "issue"
    ended_by = now - timedelta(hours=settings.close_grace_hours)
    due: dict[BillingMonth, list[int]] = {}
    with transactions() as session:
        for account in session.scalars(select(Account).order_by(Account.id)):
            due.setdefault(BillingMonth.of(ended_by, zone_of(account)).previous(), []).append(account.id)
        for month, account_ids in due.items():
            kept, left = invoices_of_month(session, account_ids, month), left_unbilled(session, account_ids)
            due[month] = [
                id_
                for id_ in account_ids
                if str(month) not in left.get(id_, {}) and (id_ not in kept or (confirm and kept[id_].number is None))
            ]
    return [
        close_month(
            transactions,
            usage,
            settings,
            month,
            now,
            account_ids=account_ids,
            confirm=confirm,
            pass_over=True,
            by_schedule=True,
        )
        for month, account_ids in sorted(due.items())
        if account_ids
    ]
