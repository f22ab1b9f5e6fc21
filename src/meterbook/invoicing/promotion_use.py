"""What promotions saved: by each account that registered one, and in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of
from meterbook.accounts.tables import Account
from meterbook.core.money import Money
from meterbook.database import among
from meterbook.invoicing.tables import Invoice, InvoiceDiscount
from meterbook.ledger.queries import credits_used
from meterbook.promotions.queries import PAGE, redemptions_of
from meterbook.promotions.tables import CreditRow, PromotionRow, Redemption


@dataclass(frozen=True, slots=True)
class PromotionUse:
    """An account that registered a promotion, and what it saved there: on issued invoices, or as a credit."""

    redemption: Redemption
    account: Account
    saved: Money


def uses_of(session: Session, promotion: PromotionRow, *, after: int = 0, limit: int = PAGE) -> list[PromotionUse]:
    """Return who registered a promotion, in that order, those `after` a redemption's id."""
    rows = redemptions_of(session, promotion.id, after=after, limit=limit)
    saved = _saved(session, rows)
    return [
        PromotionUse(redemption, account, Money(saved.get(redemption.id, 0), currency_of(account)))
        for redemption, account in rows
    ]


def _saved(session: Session, rows: Sequence[tuple[Redemption, Account]]) -> dict[int, int]:
    """Return what each redemption saved, in minor units."""
    ids = [redemption.id for redemption, _ in rows]
    discounts = session.execute(
        select(InvoiceDiscount.redemption_id, func.sum(InvoiceDiscount.amount_minor))
        .join(Invoice, Invoice.id == InvoiceDiscount.invoice_id)
        .where(among(InvoiceDiscount.redemption_id, ids), Invoice.number.is_not(None))
        .group_by(InvoiceDiscount.redemption_id)
    )
    saved = {redemption_id: int(minor or 0) for redemption_id, minor in discounts}
    used = credits_used(session, [account.id for _, account in rows])
    credits_ = session.scalars(select(CreditRow).where(among(CreditRow.redemption_id, ids)))
    return saved | {credit.redemption_id: used.get(credit.id, 0) for credit in credits_ if credit.redemption_id}
