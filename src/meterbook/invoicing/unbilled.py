"""Months of accounts that nothing bills: those with usage and no invoice, and those that were left unbilled."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import zone_of
from meterbook.accounts.tables import Account
from meterbook.core.period import BillingMonth
from meterbook.database import among
from meterbook.invoicing.tables import Invoice, UnbilledMonth
from meterbook.usage.first_use import first_use
from meterbook.usage.queries import late_windows
from meterbook.usage.store import UsageStore

_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


def left_unbilled(session: Session, account_ids: Collection[int]) -> dict[int, dict[str, UnbilledMonth]]:
    """Return by account and month what was left unbilled."""
    found: dict[int, dict[str, UnbilledMonth]] = {}
    for row in session.scalars(select(UnbilledMonth).where(among(UnbilledMonth.account_id, account_ids))):
        found.setdefault(row.account_id, {})[row.month] = row
    return found


def bill_after_all(session: Session, account_ids: Collection[int], month: BillingMonth) -> None:
    """Take back that a month of accounts was left unbilled."""
    of_month = (among(UnbilledMonth.account_id, account_ids), UnbilledMonth.month == str(month))
    session.execute(delete(UnbilledMonth).where(*of_month))


def unbilled_months(
    session: Session, usage: UsageStore, accounts: Sequence[Account], before: BillingMonth
) -> dict[int, list[BillingMonth]]:
    """Return by account the months before one, after its last invoice before that, which have usage, in order.

    Of an account without an invoice before it, those since its first usage. What was left unbilled is none of them.
    """
    ids = [account.id for account in accounts]
    last = _last_issued(session, ids, before)
    left = left_unbilled(session, ids)
    found: dict[int, list[BillingMonth]] = {}
    for _, group in groupby(sorted(accounts, key=lambda each: each.time_zone), key=lambda each: each.time_zone):
        own = list(group)
        first = _first_months(usage, [account for account in own if account.id not in last])
        first |= {account.id: last[account.id].next() for account in own if account.id in last}
        waiting = [account for account in own if first.get(account.id, before) < before]
        for account, month in _used(usage, waiting, first, before):
            if str(month) not in left.get(account.id, {}):
                found.setdefault(account.id, []).append(month)
    return found


def _last_issued(session: Session, account_ids: Collection[int], before: BillingMonth) -> dict[int, BillingMonth]:
    rows = session.execute(
        select(Invoice.account_id, func.max(Invoice.month))
        .where(among(Invoice.account_id, account_ids), Invoice.number.is_not(None), Invoice.month < str(before))
        .group_by(Invoice.account_id)
    )
    return {account_id: BillingMonth.parse(month) for account_id, month in rows}


def _first_months(usage: UsageStore, accounts: Sequence[Account]) -> dict[int, BillingMonth]:
    """Return by account, of one zone, a month that it used nothing before."""
    if not accounts:
        return {}
    zone = zone_of(accounts[0])
    found = first_use(usage, [account.id for account in accounts], zone)
    return {account_id: BillingMonth.of(at, zone) for account_id, at in found.items()}


def _used(
    usage: UsageStore, accounts: Sequence[Account], first: dict[int, BillingMonth], before: BillingMonth
) -> Iterator[tuple[Account, BillingMonth]]:
    """Yield accounts of one zone with their months that have usage, from their first one on and before another."""
    if not accounts:
        return
    zone = zone_of(accounts[0])
    months = list(_months(min(first[account.id] for account in accounts), before))
    bounds = [month.starts_at(zone) for month in (*months, before)]
    used = late_windows(usage, [account.id for account in accounts], bounds, _EVER)
    for account in accounts:
        for month in months:
            if month >= first[account.id] and (account.id, month.starts_at(zone)) in used:
                yield account, month


def _months(first: BillingMonth, until: BillingMonth) -> Iterator[BillingMonth]:
    while first < until:
        yield first
        first = first.next()
