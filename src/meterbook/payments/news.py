"""Take a gateway's news in: its signature is proven by the gateway, and each piece of news counts once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from meterbook.payments.collect import end_attempt
from meterbook.payments.dispute import book_won, take_back_disputed
from meterbook.payments.gateway import ChargeResult, ChargeStatus, GatewayNews, NewsKind
from meterbook.payments.refund import end_refund
from meterbook.payments.tables import GatewayEvent, PaymentAttempt
from meterbook.settings import Settings

_OUTCOME = {
    NewsKind.charge_succeeded: ChargeStatus.succeeded,
    NewsKind.charge_failed: ChargeStatus.declined,
    NewsKind.refund_succeeded: ChargeStatus.succeeded,
    NewsKind.refund_failed: ChargeStatus.declined,
}


def take_news(session: Session, now: datetime, settings: Settings, gateway: str, news: GatewayNews) -> bool:
    """Apply a gateway's news to the attempt, the refund or the payment it speaks of; whether it was new."""
    new = session.execute(
        insert(GatewayEvent)
        .values(gateway=gateway, event_id=news.id, kind=news.kind.value, received_at=now)
        .on_conflict_do_nothing()
        .returning(GatewayEvent.event_id)
    ).scalar_one_or_none()
    if new is None:
        return False
    if news.kind is NewsKind.charge_disputed:
        take_back_disputed(session, now, gateway, news)
    elif news.kind is NewsKind.dispute_won:
        book_won(session, now, gateway, news)
    if news.kind not in _OUTCOME or news.key is None:
        return True
    status = _OUTCOME[news.kind]
    if news.kind in (NewsKind.charge_succeeded, NewsKind.charge_failed):
        attempt_id = session.scalar(
            select(PaymentAttempt.id).where(PaymentAttempt.key == news.key, PaymentAttempt.gateway == gateway)
        )
        if attempt_id is not None:
            end_attempt(session, now, settings, attempt_id, ChargeResult(status, news.charge_reference, news.message))
    elif news.key.startswith("refund/") and news.key.removeprefix("refund/").isdigit():
        refund_id = int(news.key.removeprefix("refund/"))
        end_refund(session, now, refund_id, ChargeResult(status, news.refund_reference, news.message))
    return True
