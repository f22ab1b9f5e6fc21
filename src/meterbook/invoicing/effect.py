"""The effect of an act on an account's books: what it leaves unpaid, prepaid and limited, before and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of
from meterbook.accounts.tables import Account, Project
from meterbook.core.money import Money
from meterbook.invoicing.queries import invoices_by_id
from meterbook.ledger.queries import balance_through, credits_left, unpaid_by_invoice

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class AmountChange:
    """An amount of an account before and after an act; `invoice` (a number) when it is what that leaves unpaid."""

    kind: str
    before: Money
    after: Money
    invoice: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What an act changed: amounts of the kinds unpaid, balance and credit, and how many projects were limited."""

    amounts: tuple[AmountChange, ...]
    limited_before: int
    limited_after: int


@dataclass(frozen=True, slots=True)
class _Books:
    unpaid: Mapping[int, int]
    balance: int
    credit: int
    limited: int


def with_effect(session: Session, account: Account, act: Callable[[], Result]) -> tuple[Result, Effect]:
    """Do an act on an account that is locked by it or by nobody, and return what it returns with what it changed."""
    before = _books(session, account)
    result = act()
    after = _books(session, account)
    money = currency_of(account)
    ids = sorted(
        id_ for id_ in before.unpaid.keys() | after.unpaid.keys() if before.unpaid.get(id_) != after.unpaid.get(id_)
    )
    numbers = {id_: row.number or "" for id_, row in invoices_by_id(session, ids).items()}
    changes = [
        AmountChange(
            "unpaid",
            Money(before.unpaid.get(id_, 0), money),
            Money(after.unpaid.get(id_, 0), money),
            numbers[id_],
        )
        for id_ in sorted(ids, key=lambda id_: numbers[id_])
    ]
    for kind in ("balance", "credit"):
        old, new = getattr(before, kind), getattr(after, kind)
        if old != new:
            changes.append(AmountChange(kind, Money(old, money), Money(new, money)))
    return result, Effect(tuple(changes), before.limited, after.limited)


def _books(session: Session, account: Account) -> _Books:
    session.flush()
    limited = select(func.count()).where(Project.account_id == account.id, Project.limited_at.is_not(None))
    return _Books(
        unpaid=unpaid_by_invoice(session, [account.id]),
        balance=balance_through(session, account.id),
        credit=sum(credits_left(session, [account.id]).values()),
        limited=session.scalar(limited) or 0,
    )
