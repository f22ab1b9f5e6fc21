"""Apply a promotion code for a customer: it is registered, and a credit pays what is unpaid at once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account
from meterbook.errors import NotFound
from meterbook.invoicing.applied import AppliedPromotion, applied_promotions
from meterbook.invoicing.settle import settle_account
from meterbook.promotions.guesses import Guesses
from meterbook.promotions.redeem import redeem


def apply_code(
    session: Session,
    now: datetime,
    guesses: Guesses,
    *,
    account: Account,
    code: str,
    by: str,
    at: datetime | None = None,
    again: bool = False,
) -> AppliedPromotion:
    """Register a code for an account, settle it, and return it as it stands; `saved` is what its credit paid at once.

    `at` replays a moment; with `again`, what was taken back may be registered. Raises what `redeem` does, each reason
    under its own slug, and `Busy` ("too-many-guesses") after too many codes that do not exist.
    """
    guesses.check(now, account.code)
    moment = at or now
    try:
        redemption, _ = redeem(session, moment, account=account, code=code, by=by, again=again)
    except NotFound:
        guesses.note(now, account.code)
        raise
    # of a discount there is nothing to settle
    settle_account(session, moment, account, f"redemption:{redemption.id}")
    return next(each for each in applied_promotions(session, account, now) if each.redemption.id == redemption.id)
