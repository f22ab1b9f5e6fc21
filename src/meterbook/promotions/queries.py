"""Reads of promotions: by code, what an account registered, the credits it was granted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from meterbook.accounts.check import comparable
from meterbook.accounts.tables import Account
from meterbook.core.period import BillingMonth, BillingZone
from meterbook.core.promotion import PromotionKind
from meterbook.database import among, asked_once
from meterbook.errors import NotFound
from meterbook.promotions.add_promotion import promotion_code
from meterbook.promotions.tables import CreditRow, PromotionRow, Redemption, Withdrawal

PAGE = 100
LONGEST_CODE = 100


def promotions(session: Session, *, after: str | None = None, limit: int = PAGE) -> list[PromotionRow]:
    """Return promotions in order of code, those after a code."""
    query = select(PromotionRow).order_by(PromotionRow.code).limit(limit)
    return list(session.scalars(query if after is None else query.where(PromotionRow.code > comparable(after))))


def promotion_by_code(session: Session, code: str, *, locked: bool = False) -> PromotionRow:
    """Return a promotion, `locked` to be changed or registered alone. Raises `NotFound`."""
    wanted = promotion_code(code)
    query = select(PromotionRow).where(PromotionRow.code == wanted)
    known = len(wanted) <= LONGEST_CODE and wanted.isprintable()
    row = session.scalars(query.with_for_update() if locked else query).one_or_none() if known else None
    if row is None:
        raise NotFound("There is no such promotion code: check how it is written.", "promotion-unknown")
    return row


def promotions_ending(session: Session, now: datetime, within: timedelta) -> list[PromotionRow]:
    """Return the promotions that hold now and end within a time, the first to end first."""
    query = select(PromotionRow).where(
        PromotionRow.starts_at <= now, PromotionRow.ends_at > now, PromotionRow.ends_at <= now + within
    )
    return list(session.scalars(query.order_by(PromotionRow.ends_at, PromotionRow.code)))


def redemptions_of(
    session: Session, promotion_id: int, *, after: int = 0, limit: int = PAGE
) -> list[tuple[Redemption, Account]]:
    """Return who registered a promotion, in that order, those `after` a redemption's id; for the operator."""
    rows = session.execute(
        select(Redemption, Account)
        .join(Account, Account.id == Redemption.account_id)
        .where(Redemption.promotion_id == promotion_id, Redemption.id > after)
        .order_by(Redemption.id)
        .limit(limit)
    )
    return [(redemption, account) for redemption, account in rows]


def redemption_counts(session: Session, promotion_ids: Collection[int]) -> dict[int, int]:
    """Return for how many accounts each promotion is registered; those never registered are left out."""
    rows = session.execute(
        select(Redemption.promotion_id, func.count())
        .where(
            among(Redemption.promotion_id, promotion_ids), ~exists().where(Withdrawal.redemption_id == Redemption.id)
        )
        .group_by(Redemption.promotion_id)
    )
    return {promotion_id: count for promotion_id, count in rows}  # noqa: C416 - rows are no pairs to the type checker


@asked_once
def redeemed(session: Session, account_ids: Collection[int]) -> Mapping[int, Sequence[tuple[Redemption, PromotionRow]]]:
    """Return what each account registered, in the order it did, also what was taken back from it."""
    found: dict[int, list[tuple[Redemption, PromotionRow]]] = {}
    rows = session.execute(
        select(Redemption, PromotionRow)
        .join(PromotionRow, PromotionRow.id == Redemption.promotion_id)
        .where(among(Redemption.account_id, account_ids))
        .order_by(Redemption.id)
    )
    for redemption, promotion in rows:
        found.setdefault(redemption.account_id, []).append((redemption, promotion))
    return found


def holds_until(redemption: Redemption, row: PromotionRow, zone: BillingZone) -> datetime | None:
    """Return when a registered promotion ends, or was taken back, for its account; None when it does not end."""
    if redemption.withdrawal is not None:
        return redemption.withdrawal.withdrawn_at
    if row.months is None or row.kind == PromotionKind.credit:
        return row.ends_at
    month = BillingMonth.parse(redemption.month)
    for _ in range(row.months - 1):
        month = month.next()
    last = month.ends_at(zone)
    return last if row.ends_at is None else min(last, row.ends_at)


def credits_by_id(session: Session, ids: Collection[int]) -> dict[int, CreditRow]:
    """Return credits by id."""
    if not ids:
        return {}
    return {row.id: row for row in session.scalars(select(CreditRow).where(among(CreditRow.id, ids)))}


def given_credit(session: Session, account_id: int, credit_id: int) -> CreditRow:
    """Return a credit that an account was given by hand; raises `NotFound` ("unknown-credit")."""
    credit = session.get(CreditRow, credit_id)
    if credit is None or credit.account_id != account_id or credit.redemption_id is not None:
        raise NotFound("There is no such credit that was given by hand.", "unknown-credit")
    return credit


def credits_of(session: Session, account_id: int) -> list[CreditRow]:
    """Return every credit an account was granted, in that order."""
    return list(session.scalars(select(CreditRow).where(CreditRow.account_id == account_id).order_by(CreditRow.id)))
