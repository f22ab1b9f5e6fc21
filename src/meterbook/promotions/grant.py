"""Grant promotional credit, by a code or by hand: the only place where it comes into the books."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account
from meterbook.core.journal import LedgerAccount, Posting, Reason, entry
from meterbook.core.money import Money
from meterbook.ledger.post import post
from meterbook.promotions.tables import CreditRow


def grant(
    session: Session,
    now: datetime,
    account: Account,
    *,
    amount: Money,
    name: str,
    starts_at: datetime,
    ends_at: datetime | None,
    redemption_id: int | None = None,
) -> CreditRow:
    """Grant a credit that pays for months which touch `[starts_at, ends_at)`, and return it; the account is locked."""
    credit = CreditRow(
        account_id=account.id,
        redemption_id=redemption_id,
        name=name,
        currency=amount.currency.code,
        amount_minor=amount.minor,
        starts_at=starts_at,
        ends_at=ends_at,
        granted_at=now,
    )
    session.add(credit)
    session.flush()
    post(
        session,
        now,
        entry(
            Reason.credit_granted,
            f"credit:{credit.id}",
            account.id,
            Posting(LedgerAccount.promotions, amount, redemption_id=redemption_id),
            Posting(LedgerAccount.promotional_credit, -amount, credit_id=credit.id),
        ),
    )
    return credit
