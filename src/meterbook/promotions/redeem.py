"""Register a promotion code for an account; every reason to refuse one has its own message (DOMAIN 5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from meterbook.accounts.queries import all_projects, currency_of, locked, payment_information_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.core.promotion import PromotionKind
from meterbook.core.sentence import say
from meterbook.errors import Refused
from meterbook.ledger.queries import credits_left
from meterbook.promotions.grant import grant
from meterbook.promotions.queries import credits_of, holds_until, promotion_by_code, redeemed, redemption_counts
from meterbook.promotions.tables import PromotionRow, Redemption


def redeem(
    session: Session, now: datetime, *, account: Account, code: str, by: str, again: bool = False
) -> tuple[Redemption, PromotionRow]:
    """Register a code and return the redemption with its promotion; a credit is granted and booked at once.

    `again` registers what was taken back from the account, which is the operator's to say. Trying the codes of many
    accounts at once redeems each no more often than it allows. Raises `Refused`: "payment-information-missing",
    "promotion-not-yet-valid", "promotion-expired", "promotion-already-used", "promotion-taken-back",
    "promotion-used-up", "promotion-wrong-currency", "promotion-not-applicable", "promotion-not-combinable"; and
    `NotFound` ("promotion-unknown").
    """
    locked(session, [account.id])
    if payment_information_of(session, account.id) is None:
        raise Refused(
            "Register your payment information first, then the promotion code.", "payment-information-missing"
        )
    promotion = promotion_by_code(session, code, locked=True)
    _check(session, now, account, promotion, again=again)
    month = BillingMonth.of(now, zone_of(account))
    redemption = Redemption(
        promotion_id=promotion.id, account_id=account.id, month=str(month), redeemed_at=now, redeemed_by=by
    )
    session.add(redemption)
    session.flush()
    if promotion.kind == PromotionKind.credit:
        grant(
            session,
            now,
            account,
            amount=Money.parse(f"{promotion.value:f}", currency_of(account)),
            name=promotion.name,
            starts_at=promotion.starts_at,
            ends_at=promotion.ends_at,
            redemption_id=redemption.id,
        )
    return redemption, promotion


def _check(session: Session, now: datetime, account: Account, promotion: PromotionRow, *, again: bool) -> None:
    code = promotion.code
    held = redeemed(session, [account.id]).get(account.id, [])
    same = [redemption for redemption, other in held if other.id == promotion.id]
    if any(redemption.withdrawal is None for redemption in same):
        raise Refused(say("%(code)s is registered already.", code=code), "promotion-already-used")
    if same and not again:
        raise Refused(
            say("%(code)s was taken back from this account: ask whoever gave it to you.", code=code),
            "promotion-taken-back",
        )
    if now < promotion.starts_at:
        raise Refused(
            say("%(code)s is not valid before %(at)s.", code=code, at=_written(promotion.starts_at)),
            "promotion-not-yet-valid",
            valid_from=promotion.starts_at.isoformat(),
        )
    if promotion.ends_at is not None and promotion.ends_at <= now:
        raise Refused(
            say("%(code)s expired at %(at)s.", code=code, at=_written(promotion.ends_at)),
            "promotion-expired",
            expired_at=promotion.ends_at.isoformat(),
        )
    if promotion.currency not in (None, account.currency):
        raise Refused(
            say(
                "%(code)s is in %(other)s, and this account is billed in %(currency)s.",
                code=code,
                other=promotion.currency,
                currency=account.currency,
            ),
            "promotion-wrong-currency",
            currency=promotion.currency,
        )
    own = {project.code for project in all_projects(session, [account.id])[account.id]}
    if promotion.projects and not own.intersection(promotion.projects):
        raise Refused(say("%(code)s is for none of your projects.", code=code), "promotion-not-applicable")
    _check_combination(session, now, account, promotion, held)
    uses = redemption_counts(session, [promotion.id]).get(promotion.id, 0)
    if promotion.redemptions_max is not None and uses >= promotion.redemptions_max:
        raise Refused(
            say("%(code)s has been used up: it was registered as often as it may be.", code=code), "promotion-used-up"
        )


def _check_combination(
    session: Session,
    now: datetime,
    account: Account,
    promotion: PromotionRow,
    held: Sequence[tuple[Redemption, PromotionRow]],
) -> None:
    """Refuse a promotion that would hold beside another, if one of both is not stackable; a used up credit is over."""
    zone, left = zone_of(account), credits_left(session, [account.id])
    used_up = {row.redemption_id for row in credits_of(session, account.id) if not left.get(row.id)}
    running = (
        other
        for redemption, other in held
        for ends_at in [holds_until(redemption, other, zone)]
        if (ends_at is None or ends_at > now) and redemption.id not in used_up
    )
    clash = next((other for other in running if not (promotion.stackable and other.stackable)), None)
    if clash is not None:
        raise Refused(
            say(
                "%(code)s cannot be combined with %(other)s, which is registered.",
                code=promotion.code,
                other=clash.code,
            ),
            "promotion-not-combinable",
            registered=clash.code,
        )


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
