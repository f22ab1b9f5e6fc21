"""Whose turn it is: months of an account are closed in order, and this says what stands in the way of one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import zone_of
from meterbook.accounts.tables import Account
from meterbook.core.period import BillingMonth
from meterbook.database import among
from meterbook.invoicing.queries import kept_months
from meterbook.invoicing.tables import Invoice
from meterbook.usage.queries import late_windows
from meterbook.usage.store import UsageStore

_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Obstacle(StrEnum):
    """Why a month of an account cannot be drafted yet, or any more."""

    running = "running"
    later_issued = "later_issued"
    earlier_drafted = "earlier_drafted"
    earlier_unbilled = "earlier_unbilled"


@dataclass(frozen=True, slots=True)
class OutOfTurn:
    """An obstacle to closing `month`; `other` is the month that is in the way, or the zone it still runs in."""

    obstacle: Obstacle
    month: str
    other: str

    def __str__(self) -> str:
        match self.obstacle:
            case Obstacle.running:
                return f"{self.month} is still running in {self.other}"
            case Obstacle.later_issued:
                return f"{self.other} is issued already: late usage of {self.month} goes on the next invoice"
            case Obstacle.earlier_drafted:
                return f"{self.other} is drafted and not issued: issue it first"
            case Obstacle.earlier_unbilled:
                return f"{self.other} has usage and is not issued: close it first"


def out_of_turn(
    session: Session, usage: UsageStore, accounts: Sequence[Account], month: BillingMonth, at: datetime
) -> dict[int, OutOfTurn]:
    """Return by account (id) what stands in the way of its month at a moment; accounts whose turn it is are left out.

    Asks each store a few times for any number of accounts of one time zone.
    """
    found: dict[int, OutOfTurn] = {}

    def note(account_id: int, obstacle: Obstacle, other: str) -> None:
        found.setdefault(account_id, OutOfTurn(obstacle, str(month), other))

    for account in accounts:
        if at < month.ends_at(zone_of(account)):
            note(account.id, Obstacle.running, account.time_zone)
    ids = [account.id for account in accounts]
    for account_id, later in _issued_after(session, ids, month).items():
        note(account_id, Obstacle.later_issued, later)
    for account_id, drafted in kept_months(session, ids).items():
        if drafted[0] < str(month):
            note(account_id, Obstacle.earlier_drafted, drafted[0])
    rest = [account for account in accounts if account.id not in found]
    for account_id, unbilled in _unbilled(session, usage, rest, month):
        note(account_id, Obstacle.earlier_unbilled, str(unbilled))
    return found


def _issued_after(session: Session, account_ids: Collection[int], month: BillingMonth) -> dict[int, str]:
    rows = session.execute(
        select(Invoice.account_id, func.min(Invoice.month))
        .where(among(Invoice.account_id, account_ids), Invoice.number.is_not(None), Invoice.month > str(month))
        .group_by(Invoice.account_id)
    )
    return {account_id: str(later) for account_id, later in rows}


def _unbilled(
    session: Session, usage: UsageStore, accounts: Sequence[Account], month: BillingMonth
) -> Iterator[tuple[int, BillingMonth]]:
    """Yield accounts (ids) with the first month after their last invoice and before `month` that has usage."""
    rows = session.execute(
        select(Invoice.account_id, func.max(Invoice.month))
        .where(
            among(Invoice.account_id, [account.id for account in accounts]),
            Invoice.number.is_not(None),
            Invoice.month < str(month),
        )
        .group_by(Invoice.account_id)
    )
    after = {account_id: BillingMonth.parse(last).next() for account_id, last in rows}
    waiting = [account for account in accounts if after.get(account.id, month) < month]
    for _, group in groupby(sorted(waiting, key=lambda each: each.time_zone), key=lambda each: each.time_zone):
        own = list(group)
        zone = zone_of(own[0])
        months = list(_months(min(after[account.id] for account in own), month))
        starts = {each.starts_at(zone): each for each in months}
        used = late_windows(usage, [account.id for account in own], [*starts, month.starts_at(zone)], _EVER)
        for account in own:
            seen = (starts[start] for account_id, start in used if account_id == account.id)
            first = min((each for each in seen if each >= after[account.id]), default=None)
            if first is not None:
                yield account.id, first


def _months(first: BillingMonth, until: BillingMonth) -> Iterator[BillingMonth]:
    while first < until:
        yield first
        first = first.next()
