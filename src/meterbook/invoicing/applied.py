"""The promotions an account applied: from when until when each holds, and what it saved; one read for all doors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from meterbook.accounts.queries import all_projects, currency_of, zone_of
from meterbook.accounts.tables import Account, SeenProject
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.money import Money
from meterbook.invoicing.facts import saved_by
from meterbook.ledger.queries import credits_left, credits_used
from meterbook.promotions.queries import credits_of, holds_until, redeemed
from meterbook.promotions.tables import PromotionRow, Redemption

Standing = Literal["upcoming", "active", "ended", "taken_back"]


@dataclass(frozen=True, slots=True)
class AppliedPromotion:
    """A promotion that an account registered.

    It holds in `[starts_at, ends_at)`, open where `ends_at` is None: its own end, the end of the last of the billing
    months that it holds for, or the moment it was taken back. `projects` are those of the account's own that it names,
    none for all. `saved` is what it took off issued invoices, or what of a credit paid them. `left` is what is left of
    a credit, None for a discount.
    """

    redemption: Redemption
    promotion: PromotionRow
    starts_at: datetime
    ends_at: datetime | None
    standing: Standing
    projects: tuple[SeenProject, ...]
    saved: Money
    left: Money | None


def applied_promotions(session: Session, account: Account, now: datetime) -> list[AppliedPromotion]:
    """Return what an account registered, in the order it did."""
    held = redeemed(session, [account.id]).get(account.id)
    if not held:
        return []
    money, zone = currency_of(account), zone_of(account)
    saved = saved_by(session, account.id)
    used, left = credits_used(session, [account.id]), credits_left(session, [account.id])
    granted = {row.redemption_id: row.id for row in credits_of(session, account.id)}
    is_narrow = any(row.projects for _, row in held)
    own = all_projects(session, [account.id])[account.id] if is_narrow else []
    found = []
    for redemption, row in held:
        credit = granted.get(redemption.id)
        took = saved.get(redemption.id, 0) if credit is None else used.get(credit, 0)
        ends_at = holds_until(redemption, row, zone)
        found.append(
            AppliedPromotion(
                redemption=redemption,
                promotion=row,
                starts_at=row.starts_at,
                ends_at=ends_at,
                standing=_standing(redemption, row.starts_at, ends_at, now),
                # a code for several customers names projects of others too
                projects=tuple(project for project in own if project.code in row.projects),
                saved=Money(took, money),
                left=None if credit is None else Money(left.get(credit, 0), money),
            )
        )
    return found


def saved_in(draft: InvoiceDraft) -> dict[int, Money]:
    """Return what each promotion takes off a draft, by redemption: a preview's own discounts."""
    taken: dict[int, Money] = {}
    for discount in draft.discounts:
        key = discount.promotion.key
        taken[key] = taken.get(key, Money.zero(draft.currency)) + discount.amount
    return taken


def _standing(redemption: Redemption, starts_at: datetime, ends_at: datetime | None, now: datetime) -> Standing:
    if redemption.withdrawal is not None:
        return "taken_back"
    if now < starts_at:
        return "upcoming"
    return "ended" if ends_at is not None and ends_at <= now else "active"
