"""Whose turn it is: months of an account are closed in order, and this says what stands in the way of one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import zone_of
from meterbook.accounts.tables import Account
from meterbook.core.period import BillingMonth
from meterbook.database import among
from meterbook.invoicing.adjust import MONTHS_BACK
from meterbook.invoicing.queries import kept_months
from meterbook.invoicing.tables import Invoice
from meterbook.invoicing.unbilled import left_unbilled, unbilled_months
from meterbook.usage.store import UsageStore


class Obstacle(StrEnum):
    """Why a month of an account cannot be drafted yet, or any more."""

    running = "running"
    later_issued = "later_issued"
    not_billed = "not_billed"
    earlier_drafted = "earlier_drafted"
    earlier_unbilled = "earlier_unbilled"
    left_unbilled = "left_unbilled"


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
            case Obstacle.not_billed:
                return f"{self.other} is issued already: usage of {self.month} is not billed any more"
            case Obstacle.earlier_drafted:
                return f"{self.other} is drafted and not issued: issue it first, or leave it unbilled"
            case Obstacle.earlier_unbilled:
                return f"{self.other} has usage and is not issued: close it first, or leave it unbilled"
            case Obstacle.left_unbilled:
                return f"{self.other} was left unbilled: close it for this account alone to bill it after all"


def out_of_turn(
    session: Session,
    usage: UsageStore,
    accounts: Sequence[Account],
    month: BillingMonth,
    at: datetime,
    *,
    after_all: bool = False,
) -> dict[int, OutOfTurn]:
    """Return by account (id) what stands in the way of its month at a moment; accounts whose turn it is are left out.

    With `after_all`, that the month was left unbilled does not. Asks each store a few times for any number of accounts
    of one time zone.
    """
    found: dict[int, OutOfTurn] = {}

    def note(account_id: int, obstacle: Obstacle, other: str) -> None:
        found.setdefault(account_id, OutOfTurn(obstacle, str(month), other))

    for account in accounts:
        if at < month.ends_at(zone_of(account)):
            note(account.id, Obstacle.running, account.time_zone)
    ids = [account.id for account in accounts]
    left = {account_id for account_id, months in left_unbilled(session, ids).items() if str(month) in months}
    for account_id, issued in _issued_around(session, ids, month).items():
        is_adjusted = issued.adjusts(month) and account_id not in left
        note(account_id, Obstacle.later_issued if is_adjusted else Obstacle.not_billed, issued.next)
    for account_id in () if after_all else left:
        note(account_id, Obstacle.left_unbilled, str(month))
    for account_id, drafted in kept_months(session, ids).items():
        if drafted[0] < str(month):
            note(account_id, Obstacle.earlier_drafted, drafted[0])
    rest = [account for account in accounts if account.id not in found]
    for account_id, unbilled in unbilled_months(session, usage, rest, month).items():
        note(account_id, Obstacle.earlier_unbilled, str(unbilled[0]))
    return found


def unbilled_before_first(
    session: Session, usage: UsageStore, accounts: Sequence[Account], month: BillingMonth
) -> dict[int, OutOfTurn]:
    """Return by account (id) what stands in the way of issuing a kept draft of its month as its first invoice.

    Usage may have come in since the draft for a month before it, which no later invoice could bill.
    """
    ids = [account.id for account in accounts]
    issued = select(Invoice.account_id).where(among(Invoice.account_id, ids), Invoice.number.is_not(None)).distinct()
    billed = set(session.scalars(issued))
    new = [account for account in accounts if account.id not in billed]
    return {
        account_id: OutOfTurn(Obstacle.earlier_unbilled, str(month), str(months[0]))
        for account_id, months in unbilled_months(session, usage, new, month).items()
    }


@dataclass(frozen=True, slots=True)
class _Issued:
    """The months of an account's first and last invoice, and of the next one after a month."""

    first: str
    last: str
    next: str

    def adjusts(self, month: BillingMonth) -> bool:
        """Whether late usage of a month without an invoice goes on the next one (adjust.py)."""
        oldest = BillingMonth.parse(self.last).next()
        for _ in range(MONTHS_BACK):
            oldest = oldest.previous()
        return str(max(BillingMonth.parse(self.first), oldest)) <= str(month)


def _issued_around(session: Session, account_ids: Collection[int], month: BillingMonth) -> dict[int, _Issued]:
    """Return by account its invoices, of accounts with one of a later month."""
    later = func.min(Invoice.month).filter(Invoice.month > str(month))
    rows = session.execute(
        select(Invoice.account_id, func.min(Invoice.month), func.max(Invoice.month), later)
        .where(among(Invoice.account_id, account_ids), Invoice.number.is_not(None))
        .group_by(Invoice.account_id)
        .having(func.max(Invoice.month) > str(month))
    )
    return {account_id: _Issued(first, last, next_) for account_id, first, last, next_ in rows}
