"""Debt: what an account owes now, what of it is overdue, and what is to be paid next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.core.money import Money
from meterbook.invoicing.queries import invoices_by_id
from meterbook.invoicing.tables import Invoice
from meterbook.ledger.queries import unpaid_by_invoice


@dataclass(frozen=True, slots=True)
class Debt:
    """What is unpaid of all invoices of an account, and of it what is overdue.

    `overdue_since` is the oldest due date that has passed, `next_due_on` the first that has not. `invoices` are the
    unpaid ones with what is unpaid of each, in the order of their months.
    """

    unpaid: Money
    overdue: Money
    overdue_since: date | None
    next_due_on: date | None
    invoices: tuple[tuple[Invoice, Money], ...]

    @property
    def oldest(self) -> Invoice | None:
        """The invoice to pay first, None when nothing is unpaid."""
        return self.invoices[0][0] if self.invoices else None


def debt_of(session: Session, account: Account, now: datetime) -> Debt:
    """Return what an account owes; an invoice is overdue from the day after its due date, on the account's clocks."""
    money, today = currency_of(account), zone_of(account).local(now).date()
    unpaid = unpaid_by_invoice(session, [account.id])
    owed = sorted(invoices_by_id(session, list(unpaid)).values(), key=lambda row: row.month)
    due = {row.id: row.due_on for row in owed if row.due_on is not None}
    late = [id_ for id_, day in due.items() if day < today]
    return Debt(
        unpaid=Money(sum(unpaid.values()), money),
        overdue=Money(sum(unpaid[id_] for id_ in late), money),
        overdue_since=min((due[id_] for id_ in late), default=None),
        next_due_on=min((day for day in due.values() if day >= today), default=None),
        invoices=tuple((row, Money(unpaid[row.id], money)) for row in owed),
    )
