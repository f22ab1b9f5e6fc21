"""What of invoices waits for somebody of the staff: drafts to confirm, letters that did not arrive."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account
from meterbook.core.money import Money, currency
from meterbook.core.period import BillingMonth
from meterbook.database import among
from meterbook.invoicing.tables import Delivery, Invoice

PAGE: Final = 20


@dataclass(frozen=True, slots=True)
class MonthSums:
    """The invoices or drafts of one month in one currency: how many, and their sums."""

    month: BillingMonth
    currency: str
    count: int
    net: Money
    tax: Money
    total: Money


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A letter that did not arrive; `error` is what the mail server said, None without a recipient."""

    letter: Delivery
    number: str
    account: str


def draft_sums(session: Session, account_ids: Collection[int] | None = None) -> list[MonthSums]:
    """Return the sums of the drafts that wait to be confirmed, by month and currency; of some accounts (None: all)."""
    return _sums(session, Invoice.number.is_(None), account_ids)


def month_sums(
    session: Session, month: BillingMonth, *, issued: bool, account_ids: Collection[int] | None = None
) -> list[MonthSums]:
    """Return the sums of a month's issued invoices, or else of its drafts, by currency."""
    number = Invoice.number.is_not(None) if issued else Invoice.number.is_(None)
    return _sums(session, and_(Invoice.month == str(month), number), account_ids)


def undelivered(session: Session, limit: int = PAGE) -> tuple[int, list[Undelivered]]:
    """Return how many letters have failed or have no recipient, and the newest of them."""
    in_trouble = (Delivery.sent_at.is_(None), or_(Delivery.error.is_not(None), Delivery.recipient.is_(None)))
    count = session.scalar(select(func.count()).select_from(Delivery).where(*in_trouble)) or 0
    rows = session.execute(
        select(Delivery, Invoice.number, Account.code)
        .join(Invoice, Invoice.id == Delivery.invoice_id)
        .join(Account, Account.id == Invoice.account_id)
        .where(*in_trouble)
        .order_by(Delivery.id.desc())
        .limit(limit)
    )
    return count, [Undelivered(letter, str(number), code) for letter, number, code in rows]


def _sums(session: Session, which: ColumnElement[bool], account_ids: Collection[int] | None) -> list[MonthSums]:
    query: Select[str, str, int, int, int, int] = (
        select(
            Invoice.month,
            Invoice.currency,
            func.count(),
            func.sum(Invoice.net_minor),
            func.sum(Invoice.tax_minor),
            func.sum(Invoice.total_minor),
        )
        .where(which)
        .group_by(Invoice.month, Invoice.currency)
        .order_by(Invoice.month, Invoice.currency)
    )
    if account_ids is not None:
        query = query.where(among(Invoice.account_id, account_ids))
    return [
        MonthSums(
            BillingMonth.parse(month),
            code,
            count,
            Money(int(net), money),
            Money(int(tax), money),
            Money(int(total), money),
        )
        for month, code, count, net, tax, total in session.execute(query)
        for money in [currency(code)]
    ]
