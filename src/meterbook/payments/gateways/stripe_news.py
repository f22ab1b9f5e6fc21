"""What Stripe's events mean here: payment intents and refunds that ended, disputes that moved money.

Everything else is ignored.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from meterbook.errors import Invalid
from meterbook.payments.gateway import MESSAGE_LENGTH_MAX, GatewayNews, NewsKind
from meterbook.payments.gateways.stripe_amounts import minor_units

# Where Meterbook's key of a charge or a refund is kept among Stripe's metadata.
KEY_FIELD: Final = "meterbook_key"
# A charge without the cardholder that the bank wants confirmed; the charge's own answer has said so.
AUTHENTICATION_REQUIRED: Final = "authentication_required"
_CHARGES: Final = {
    "payment_intent.succeeded": NewsKind.charge_succeeded,
    "payment_intent.payment_failed": NewsKind.charge_failed,
    "payment_intent.canceled": NewsKind.charge_failed,
}
_DISPUTES: Final = {
    "charge.dispute.funds_withdrawn": NewsKind.charge_disputed,
    "charge.dispute.funds_reinstated": NewsKind.dispute_won,
}
_REFUNDS: Final = frozenset({"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"})
_REFUND_STATUSES: Final = {
    "succeeded": NewsKind.refund_succeeded,
    "failed": NewsKind.refund_failed,
    "canceled": NewsKind.refund_failed,
}


class _Data(msgspec.Struct):
    object: msgspec.Raw


class _Event(msgspec.Struct):
    id: str
    type: str
    created: int
    data: _Data


class _Problem(msgspec.Struct):
    code: str | None = None
    message: str | None = None


class _Intent(msgspec.Struct):
    id: str
    amount: int
    currency: str
    amount_received: int | None = None
    metadata: dict[str, str] | None = None
    last_payment_error: _Problem | None = None


class _Refund(msgspec.Struct):
    id: str
    amount: int
    currency: str
    status: str | None = None
    payment_intent: str | None = None
    metadata: dict[str, str] | None = None
    failure_reason: str | None = None


class _Dispute(msgspec.Struct):
    id: str
    amount: int
    currency: str
    payment_intent: str | None = None
    reason: str | None = None


def read_event(body: bytes) -> GatewayNews:
    """Read an event whose signature is proven; raises `Invalid` "broken-body" for one that is none."""
    try:
        event = msgspec.json.decode(body, type=_Event)
        if event.type in _CHARGES:
            return _of_charge(event, msgspec.json.decode(event.data.object, type=_Intent))
        if event.type in _REFUNDS:
            return _of_refund(event, msgspec.json.decode(event.data.object, type=_Refund))
        if event.type in _DISPUTES:
            return _of_dispute(event, msgspec.json.decode(event.data.object, type=_Dispute))
        return GatewayNews(event.id, NewsKind.ignored, _at(event))
    except (msgspec.MsgspecError, ValueError, OverflowError, OSError):
        raise Invalid("The callback is signed, and is no event of Stripe that is known here.", "broken-body") from None


def _of_charge(event: _Event, intent: _Intent) -> GatewayNews:
    kind = _CHARGES[event.type]
    problem = intent.last_payment_error or _Problem()
    if kind is NewsKind.charge_failed and problem.code == AUTHENTICATION_REQUIRED:
        kind = NewsKind.ignored
    succeeded = kind is NewsKind.charge_succeeded
    units = intent.amount_received if succeeded and intent.amount_received is not None else intent.amount
    metadata = dict(intent.metadata or {})
    return GatewayNews(
        event.id,
        kind,
        _at(event),
        charge_reference=intent.id,
        key=metadata.pop(KEY_FIELD, None),
        metadata=metadata,
        amount_minor=minor_units(units, intent.currency.upper()),
        currency=intent.currency.upper(),
        message="" if succeeded else (problem.message or "")[:MESSAGE_LENGTH_MAX],
    )


def _of_refund(event: _Event, refund: _Refund) -> GatewayNews:
    metadata = dict(refund.metadata or {})
    return GatewayNews(
        event.id,
        _REFUND_STATUSES.get(refund.status or "", NewsKind.ignored),
        _at(event),
        charge_reference=refund.payment_intent,
        refund_reference=refund.id,
        key=metadata.pop(KEY_FIELD, None),
        metadata=metadata,
        amount_minor=minor_units(refund.amount, refund.currency.upper()),
        currency=refund.currency.upper(),
        message=(refund.failure_reason or "")[:MESSAGE_LENGTH_MAX],
    )


def _of_dispute(event: _Event, dispute: _Dispute) -> GatewayNews:
    return GatewayNews(
        event.id,
        _DISPUTES[event.type],
        _at(event),
        charge_reference=dispute.payment_intent,
        dispute_reference=dispute.id,
        amount_minor=minor_units(dispute.amount, dispute.currency.upper()),
        currency=dispute.currency.upper(),
        message=(dispute.reason or "")[:MESSAGE_LENGTH_MAX],
    )


def _at(event: _Event) -> datetime:
    return datetime.fromtimestamp(event.created, UTC)
