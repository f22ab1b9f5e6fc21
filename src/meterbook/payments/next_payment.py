"""When an account pays next: what is unpaid by its due date, else the invoice that comes next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.invoicing.debt import Debt
from meterbook.invoicing.issue import due_after
from meterbook.invoicing.queries import issued_invoices, kept_months
from meterbook.invoicing.unbilled import left_unbilled
from meterbook.settings import Settings


@dataclass(frozen=True, slots=True)
class NextPayment:
    """A day on the account's clocks, and what is due then of issued invoices; None while that one is not issued.

    `on` is None when no invoice comes any more, as the account is closed. `overdue` is what was due before today, which
    `amount` leaves out.
    """

    on: date | None
    amount: Money | None
    overdue: Money


def next_payment(session: Session, now: datetime, settings: Settings, account: Account, debt: Debt) -> NextPayment:
    """Return an account's next payment: the nearest due date of its debt, else that of the coming invoice."""
    if debt.next_due_on is None:
        return NextPayment(_due_date_ahead(session, now, settings, account), None, debt.overdue)
    due = (unpaid for row, unpaid in debt.invoices if row.due_on == debt.next_due_on)
    return NextPayment(debt.next_due_on, sum(due, Money.zero(currency_of(account))), debt.overdue)


def _due_date_ahead(session: Session, now: datetime, settings: Settings, account: Account) -> date | None:
    """Return the due date of the next invoice: of a month that is over and not issued yet, else of the running one."""
    zone = zone_of(account)
    month, closed_at = BillingMonth.of(now, zone), account.closed_at
    if awaited_month(session, now, settings, account) is not None:
        return due_after(zone.local(now).date(), settings.due_day)
    if closed_at is not None and closed_at < month.starts_at(zone):
        return None
    return due_after(zone.local(month.ends_at(zone)).date(), settings.due_day)


def awaited_before(
    session: Session, now: datetime, settings: Settings, account: Account, month: BillingMonth
) -> BillingMonth | None:
    """Return the month that is issued before the running one is, which its credit and balance pay; None for another."""
    return None if month != BillingMonth.of(now, zone_of(account)) else awaited_month(session, now, settings, account)


def awaited_month(session: Session, now: datetime, settings: Settings, account: Account) -> BillingMonth | None:
    """Return the month that is over and will be issued next: one that is drafted, or the last one in its grace period.

    Of an account that was closed before a month began, that month has none.
    """
    kept = kept_months(session, [account.id]).get(account.id)
    if kept:
        return BillingMonth.parse(kept[0])
    zone, closed_at = zone_of(account), account.closed_at
    month = BillingMonth.of(now, zone).previous()
    in_grace = now < month.ends_at(zone) + timedelta(hours=settings.close_grace_hours)
    has_ended = closed_at is not None and closed_at < month.starts_at(zone)
    is_awaited = in_grace and settings.close_schedule != "off" and not has_ended
    return month if is_awaited and _is_unissued(session, account, month) else None


def _is_unissued(session: Session, account: Account, month: BillingMonth) -> bool:
    """Whether an account was there in a month, or was billed for one before, and has no invoice of it yet."""
    if str(month) in left_unbilled(session, [account.id]).get(account.id, {}):
        return False
    newest = next(iter(issued_invoices(session, [account.id], limit=1)), None)
    if newest is None:
        return account.created_at < month.ends_at(zone_of(account))
    return BillingMonth.parse(newest[0].month) < month
