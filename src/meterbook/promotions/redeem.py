"""Register a promotion code for an account; every reason to refuse one has its own message (DOMAIN 5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import all_projects, currency_of, locked, payment_information_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.core.discounts import PromotionKind
from meterbook.core.journal import LedgerAccount, Posting, Reason, entry
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.core.sentence import say
from meterbook.errors import NotFound, Refused
from meterbook.ledger.post import post
from meterbook.ledger.queries import credits_left
from meterbook.promotions.add_promotion import promotion_code
from meterbook.promotions.queries import credits_of, holds_until, redeemed
from meterbook.promotions.tables import CreditRow, PromotionRow, Redemption

LONGEST_CODE = 100


def redeem(session: Session, now: datetime, *, account: Account, code: str, by: str) -> tuple[Redemption, PromotionRow]:
    """Register a code and return the redemption with its promotion; a credit is granted and booked at once.

    Trying the codes of many accounts at once redeems each no more often than it allows. Raises `Refused`:
    "payment-information-missing", "promotion-not-yet-valid", "promotion-expired", "promotion-already-used",
    "promotion-used-up", "promotion-wrong-currency", "promotion-not-applicable", "promotion-not-combinable"; and
    `NotFound` ("promotion-unknown").
    """
    locked(session, [account.id])
    if payment_information_of(session, account.id) is None:
        raise Refused(
            "Register your payment information first, then the promotion code.", "payment-information-missing"
        )
    promotion = _found(session, code)
    _check(session, now, account, promotion)
    month = BillingMonth.of(now, zone_of(account))
    redemption = Redemption(
        promotion_id=promotion.id, account_id=account.id, month=str(month), redeemed_at=now, redeemed_by=by
    )
    session.add(redemption)
    session.flush()
    if promotion.kind == PromotionKind.credit:
        _grant(session, now, account, promotion, redemption)
    return redemption, promotion


def _found(session: Session, code: str) -> PromotionRow:
    wanted = promotion_code(code)
    known = len(wanted) <= LONGEST_CODE and wanted.isprintable()
    query = select(PromotionRow).where(PromotionRow.code == wanted).with_for_update()
    promotion = session.scalars(query).one_or_none() if known else None
    if promotion is None:
        raise NotFound("There is no such promotion code: check how it is written.", "promotion-unknown")
    return promotion


def _check(session: Session, now: datetime, account: Account, promotion: PromotionRow) -> None:
    code = promotion.code
    held = redeemed(session, [account.id]).get(account.id, [])
    if any(other.id == promotion.id for _, other in held):
        raise Refused(say("%(code)s is registered already.", code=code), "promotion-already-used")
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
    uses = session.scalar(select(func.count()).where(Redemption.promotion_id == promotion.id)) or 0
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


def _grant(
    session: Session, now: datetime, account: Account, promotion: PromotionRow, redemption: Redemption
) -> CreditRow:
    amount = Money.parse(f"{promotion.value:f}", currency_of(account))
    credit = CreditRow(
        account_id=account.id,
        redemption_id=redemption.id,
        name=promotion.name,
        currency=account.currency,
        amount_minor=amount.minor,
        starts_at=promotion.starts_at,
        ends_at=promotion.ends_at,
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
            Posting(LedgerAccount.promotions, amount, redemption_id=redemption.id),
            Posting(LedgerAccount.promotional_credit, -amount, credit_id=credit.id),
        ),
    )
    return credit


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
