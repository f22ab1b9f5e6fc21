"""When an account pays next: what is unpaid by its due date, else the invoice that comes next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.invoicing.issue import due_after
from meterbook.invoicing.queries import invoices_by_id, kept_months
from meterbook.ledger.queries import unpaid_by_invoice
from meterbook.settings import Settings


@dataclass(frozen=True, slots=True)
class NextPayment:
    """A day on the account's clocks, and what is due then of issued invoices; None while that one is not issued.

    `overdue` is what was due before today, which `amount` leaves out.
    """

    on: date
    amount: Money | None
    overdue: Money


def next_payment(session: Session, now: datetime, settings: Settings, account: Account) -> NextPayment:
    """Return an account's next payment: the nearest due date of what is unpaid, else that of the coming invoice."""
    money, today = currency_of(account), zone_of(account).local(now).date()
    unpaid = unpaid_by_invoice(session, [account.id])
    by_day: dict[date, int] = {}
    for row in invoices_by_id(session, list(unpaid)).values():
        if row.due_on is not None:
            by_day[row.due_on] = by_day.get(row.due_on, 0) + unpaid[row.id]
    overdue = Money(sum(minor for day, minor in by_day.items() if day < today), money)
    coming = sorted(day for day in by_day if day >= today)
    if coming:
        return NextPayment(coming[0], Money(by_day[coming[0]], money), overdue)
    return NextPayment(_due_date_ahead(session, now, settings, account), None, overdue)


def _due_date_ahead(session: Session, now: datetime, settings: Settings, account: Account) -> date:
    """Return the due date of the next invoice: of a month that is over and not issued yet, else of the running one."""
    zone = zone_of(account)
    month, today = BillingMonth.of(now, zone), zone.local(now).date()
    in_grace = now < month.starts_at(zone) + timedelta(hours=settings.close_grace_hours)
    is_awaited = in_grace and account.created_at < month.starts_at(zone) and settings.close_schedule != "off"
    if is_awaited or kept_months(session, [account.id]).get(account.id):
        return due_after(today, settings.due_day)
    return due_after(zone.local(month.ends_at(zone)).date(), settings.due_day)
