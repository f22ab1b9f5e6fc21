"""Take back what an account was given: a registered promotion, or a credit that was given by hand.

A promotion holds for no month then that is not issued. No registration is edited: that it was taken back is an entry of
its own.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.queries import currency_of, locked
from meterbook.accounts.tables import Account
from meterbook.core.journal import LedgerAccount, Posting, Reason, entry
from meterbook.core.money import Money
from meterbook.core.sentence import say
from meterbook.database import among
from meterbook.errors import Refused
from meterbook.ledger.post import post
from meterbook.ledger.queries import credits_left, times_posted
from meterbook.promotions.queries import given_credit, promotion_by_code, redeemed
from meterbook.promotions.tables import CreditRow, PromotionRow, Redemption, Withdrawal

LONGEST_REASON = 500


def withdraw(
    session: Session, now: datetime, *, account: Account, code: str, reason: str, by: str
) -> tuple[Redemption, PromotionRow]:
    """Take a code back from an account and return its registration with the promotion.

    What it saved on issued invoices stays; of a credit, what is left is taken. The code may be registered again by the
    operator alone. Raises `NotFound` ("promotion-unknown"), `Invalid` without a reason, `Refused`
    ("promotion-not-registered").
    """
    told = check.name(reason, "reason", LONGEST_REASON)
    promotion = promotion_by_code(session, code)
    locked(session, [account.id])
    held = redeemed(session, [account.id]).get(account.id, [])
    found = next((each for each, row in held if row.id == promotion.id and each.withdrawal is None), None)
    if found is None:
        raise Refused(
            say("%(code)s is not registered for this account.", code=promotion.code), "promotion-not-registered"
        )
    found.withdrawal = Withdrawal(redemption_id=found.id, reason=told, withdrawn_at=now, withdrawn_by=by)
    session.flush()
    take_withdrawn_credit(session, now, account)
    return found, promotion


def withdraw_credit(session: Session, now: datetime, *, account: Account, credit_id: int) -> CreditRow:
    """Take back what is left of a credit that was given by hand, and return the credit.

    Raises `NotFound` ("unknown-credit") for one that is not the account's or came by a code, `Refused` ("credit-used")
    when nothing of it is left.
    """
    locked(session, [account.id])
    credit = given_credit(session, account.id, credit_id)
    left = credits_left(session, [account.id]).get(credit.id, 0)
    if not left:
        raise Refused("Nothing of this credit is left.", "credit-used")
    _take(session, now, account, credit, left)
    return credit


def take_withdrawn_credit(session: Session, now: datetime, account: Account) -> None:
    """Take what is left of credits of an account that were taken back; credit notes may give them something again.

    The account is locked.
    """
    left = credits_left(session, [account.id])
    held = session.execute(
        select(CreditRow, Withdrawal.redemption_id)
        .outerjoin(Withdrawal, Withdrawal.redemption_id == CreditRow.redemption_id)
        .where(among(CreditRow.id, left))
        .order_by(CreditRow.id)
    )
    for credit, withdrawn in held.all() if left else ():
        # of one that was given by hand, that it was taken back is in the books alone
        by_hand = credit.redemption_id is None
        if withdrawn or (by_hand and times_posted(session, Reason.credit_withdrawn, credit_id=credit.id)):
            _take(session, now, account, credit, left[credit.id])


def _take(session: Session, now: datetime, account: Account, credit: CreditRow, left: int) -> None:
    amount = Money(left, currency_of(account))
    source = f"credit:{credit.id}/{times_posted(session, Reason.credit_withdrawn, credit_id=credit.id) + 1}"
    postings = (
        Posting(LedgerAccount.promotional_credit, amount, credit_id=credit.id),
        Posting(LedgerAccount.promotions, -amount, redemption_id=credit.redemption_id),
    )
    post(session, now, entry(Reason.credit_withdrawn, source, account.id, *postings))
