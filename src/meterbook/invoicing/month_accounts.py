"""The accounts of a month that is being closed: whose draft waits, whose invoice is out, who has nothing yet."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.tables import Account, PaymentInformation
from meterbook.core.period import BillingMonth, billing_zone
from meterbook.database import among
from meterbook.invoicing.tables import Delivery, Invoice, UnbilledMonth
from meterbook.invoicing.turn import OutOfTurn, out_of_turn
from meterbook.invoicing.unbilled import left_unbilled
from meterbook.usage.store import UsageStore

PAGE: Final = 100
State = Literal["", "none", "drafted", "issued"]


@dataclass(frozen=True, slots=True)
class MonthAccount:
    """An account's month: its draft or invoice, the letter of the invoice, or what stands in the way of a draft.

    `left` says that it was left unbilled.
    """

    account: Account
    invoice: Invoice | None
    letter: Delivery | None
    obstacle: OutOfTurn | None
    left: UnbilledMonth | None


def month_accounts(
    session: Session,
    usage: UsageStore,
    month: BillingMonth,
    at: datetime,
    *,
    state: State = "",
    search: str = "",
    after: str = "",
    limit: int = PAGE,
) -> list[MonthAccount]:
    """Return accounts with their month, by code, those `after` a code; `state` narrows to one state.

    `search` is a part of a code or a name.
    """
    query = _of_month(month, state, search).order_by(Account.code).limit(limit)
    rows = session.execute(query.where(Account.code > check.comparable(after)) if after else query).all()
    bare = [account for account, invoice in rows if invoice is None]
    obstacles = out_of_turn(session, usage, bare, month, at)
    left = left_unbilled(session, [account.id for account in bare])
    letters = _letters(session, [invoice.id for _, invoice in rows if invoice is not None])
    return [
        MonthAccount(
            account,
            invoice,
            None if invoice is None else letters.get(invoice.id),
            obstacles.get(account.id) if invoice is None else None,
            left.get(account.id, {}).get(str(month)),
        )
        for account, invoice in rows
    ]


def month_counts(session: Session, month: BillingMonth) -> dict[State, int]:
    """Return how many accounts there are in all (""), and in each state of a month."""
    rows = session.execute(
        select(func.count(), func.count(Invoice.id), func.count(Invoice.number))
        .select_from(Account)
        .outerjoin(Invoice, (Invoice.account_id == Account.id) & (Invoice.month == str(month)))
        .where(_has_part(month))
    )
    every, kept, issued = rows.one()
    return {"": every, "none": every - kept, "drafted": kept - issued, "issued": issued}


def drafts_seen(session: Session, month: BillingMonth, codes: Collection[str] | None = None) -> tuple[list[int], str]:
    """Return the accounts (ids) whose draft of a month waits, of some codes (None: all), and a hash of those drafts.

    The hash differs as soon as one of them is made anew, is issued, or goes.
    """
    query = select(Invoice.account_id, Invoice.id).where(Invoice.month == str(month), Invoice.number.is_(None))
    if codes is not None:
        known = [code for code in codes if check.comparable(code) == code]
        query = query.where(Invoice.account_id.in_(select(Account.id).where(Account.code.in_(known))))
    rows = session.execute(query.order_by(Invoice.id)).all()
    seen = sha256(",".join(str(row.id) for row in rows).encode()).hexdigest()
    return [row.account_id for row in rows], seen


def letters_without_address(session: Session, account_ids: Collection[int]) -> int:
    """Return how many of these accounts have no address to which an invoice could be mailed."""
    query = (
        select(func.count())
        .select_from(Account)
        .outerjoin(PaymentInformation, PaymentInformation.account_id == Account.id)
        .where(among(Account.id, account_ids), PaymentInformation.account_id.is_(None), Account.billing_email.is_(None))
    )
    return session.scalar(query) or 0


def _of_month(month: BillingMonth, state: State, search: str) -> Select[Account, Invoice]:
    query = (
        select(Account, Invoice)
        .outerjoin(Invoice, (Invoice.account_id == Account.id) & (Invoice.month == str(month)))
        .where(_has_part(month))
    )
    match state:
        case "none":
            query = query.where(Invoice.id.is_(None))
        case "drafted":
            query = query.where(Invoice.id.is_not(None), Invoice.number.is_(None))
        case "issued":
            query = query.where(Invoice.number.is_not(None))
    if search.strip():
        wanted = check.comparable(search.strip()) or " "
        query = query.where(
            or_(Account.code.icontains(wanted, autoescape=True), Account.name.icontains(wanted, autoescape=True))
        )
    return query


def _letters(session: Session, invoice_ids: Collection[int]) -> dict[int, Delivery]:
    query = select(Delivery).where(among(Delivery.invoice_id, invoice_ids), Delivery.kind == "invoice")
    return {letter.invoice_id: letter for letter in session.scalars(query.order_by(Delivery.id))}


def _has_part(month: BillingMonth) -> ColumnElement[bool]:
    """Return whether an account may have a part in a month: not when it was closed before, wherever that begins."""
    begins = month.starts_at(billing_zone("UTC")) - timedelta(days=1)
    return or_(Account.closed_at.is_(None), Account.closed_at >= begins, Invoice.id.is_not(None))
