"""The fake gateway, for tests and demonstrations: it moves no money and behaves like a service that does.

It plays a remote service: its state is a table of its own, written in its own transaction whatever becomes of the
caller's. How a card behaves is in its token (TOKENS; docs/payments.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import msgspec
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from meterbook.core.money import Money
from meterbook.database import Database
from meterbook.errors import Busy, Invalid, NotFound, Refused
from meterbook.payments.gateway import (
    KEY_LENGTH_MAX,
    CardForm,
    ChargeResult,
    ChargeStatus,
    GatewayNews,
    Method,
    check_token,
    setup_over,
)
from meterbook.payments.gateways.fake_tables import FakeGatewayCharge, FakeGatewaySetup
from meterbook.payments.signature import header_of, prove_signature, signature_of

SIGNATURE_HEADER: Final = "Meterbook-Fake-Signature"
# The console's page that plays the gateway's form for a card.
FORM_PATH: Final = "/payment-information/test-card"
SUCCEEDS: Final = "fake_succeeds"
DECLINES: Final = "fake_declines"
DECLINES_ONCE: Final = "fake_declines_once"
NEEDS_ACTION: Final = "fake_needs_action"
TIMES_OUT: Final = "fake_times_out_then_succeeds"
# Each token with the label of its card.
TOKENS: Final = {
    SUCCEEDS: "fake card that succeeds",
    DECLINES: "fake card that declines",
    DECLINES_ONCE: "fake card that declines once",
    NEEDS_ACTION: "fake card that needs action",
    TIMES_OUT: "fake card that times out, then succeeds",
}
_MESSAGES: Final = {
    ChargeStatus.succeeded: "",
    ChargeStatus.declined: "The card was declined.",
    ChargeStatus.needs_action: "The bank asks the cardholder to confirm this payment.",
}


class FakeGateway:
    """A gateway that moves no money; `secret` signs its callbacks."""

    name: Final = "fake"

    def __init__(self, database: Database, secret: str) -> None:
        self._database = database
        self._secret = secret

    def attach(self, account_code: str, email: str, token: str, key: str) -> Method:
        """Keep a card of one of the TOKENS; any other token is `Refused` "card-refused"."""
        del email
        check_token(token)
        if token not in TOKENS:
            raise Refused(f"The fake gateway knows no such card: its tokens are {', '.join(TOKENS)}.", "card-refused")
        return Method(f"{token}/{_digest(account_code, key)}", TOKENS[token])

    def begin_setup(self, account_code: str, email: str, return_url: str, language: str, key: str) -> CardForm:
        """Open a form, which is a page of the console that offers the TOKENS as cards and knows the way back."""
        del email, return_url, language
        reference = f"fake_cs_{_digest(account_code, key)}"
        with self._database.transaction() as session:
            row = {"reference": reference, "account_code": account_code, "token": None}
            session.execute(insert(FakeGatewaySetup).values(row).on_conflict_do_nothing())
        return CardForm(reference, f"{FORM_PATH}?{urlencode({'account': account_code, 'session': reference})}")

    def choose_card(self, account_code: str, reference: str, token: str) -> None:
        """Play the cardholder in an open form; a card that was chosen before stays.

        Raises `Refused` "card-refused" for none of the TOKENS, "card-setup-over" for a form that is none.
        """
        if token not in TOKENS:
            raise Refused("The fake gateway knows no such card: choose one of its own.", "card-refused")
        with self._database.transaction() as session:
            row = _form(session, account_code, reference)
            row.token = row.token or token

    def end_setup(self, account_code: str, reference: str) -> Method | None:
        """Return the card that was chosen in a form."""
        with self._database.transaction() as session:
            token = _form(session, account_code, reference).token
        return None if token is None else Method(f"{token}/{_digest(account_code, reference)}", TOKENS[token])

    def charge(
        self, method_reference: str, amount: Money, key: str, description: str, metadata: Mapping[str, str]
    ) -> ChargeResult:
        """Answer as the card's token says; the one that times out has taken the money when it raises `Busy`."""
        token = method_reference.partition("/")[0]
        if token not in TOKENS:
            return ChargeResult(ChargeStatus.declined, None, "The fake gateway does not know this card.")
        reference = f"fake_ch_{_digest(key)}"
        with self._database.transaction() as session:
            _take_turns(session, method_reference)
            row, fresh = _once(
                session,
                key,
                amount,
                kind="charge",
                reference=reference,
                charge_reference=reference,
                method_reference=method_reference,
                status=_outcome(session, token, method_reference),
                description=description,
                labels=dict(metadata),
            )
        if fresh and token == TIMES_OUT:
            raise Busy("The fake gateway did not answer: try again with the same key.", "gateway-unavailable")
        return _answer(row)

    def refund(self, charge_reference: str, amount: Money, key: str) -> ChargeResult:
        """Give back part or all of a charge that succeeded; more than is left, or another currency, is declined."""
        with self._database.transaction() as session:
            _take_turns(session, charge_reference)
            left = _left(session, charge_reference, amount.currency.code, key)
            row, _ = _once(
                session,
                key,
                amount,
                kind="refund",
                reference=f"fake_re_{_digest(key)}",
                charge_reference=charge_reference,
                method_reference=None,
                status=ChargeStatus.succeeded if amount.minor <= left else ChargeStatus.declined,
                message="" if amount.minor <= left else "The refund is more than is left of the charge.",
                description="",
                labels={},
            )
        return _answer(row)

    def news_of(self, body: bytes, headers: Mapping[str, str], now: datetime) -> GatewayNews:
        """Read a callback signed by `signed`."""
        prove_signature(body, header_of(headers, SIGNATURE_HEADER), self._secret, now)
        try:
            return msgspec.json.decode(body, type=GatewayNews)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Invalid("The callback is signed, and is no news of the fake gateway.", "broken-body") from None

    def signed(self, body: bytes, at: datetime) -> dict[str, str]:
        """Return the headers with which the fake gateway would send this body at a moment."""
        return {SIGNATURE_HEADER: signature_of(body, self._secret, at)}

    def confirm(self, charge_reference: str, at: datetime, *, succeeds: bool = True) -> bytes:
        """Play the cardholder of a charge that needs action; return the body of the callback that tells of it.

        Raises `NotFound` when no such charge waits.
        """
        with self._database.transaction() as session:
            row = session.scalars(
                select(FakeGatewayCharge)
                .where(FakeGatewayCharge.reference == charge_reference, FakeGatewayCharge.kind == "charge")
                .with_for_update()
            ).one_or_none()
            if row is None or row.status != ChargeStatus.needs_action:
                raise NotFound("No such charge waits for its cardholder.")
            status = ChargeStatus.succeeded if succeeds else ChargeStatus.declined
            row.status, row.message = status.value, _MESSAGES[status]
        kind = "charge_succeeded" if succeeds else "charge_failed"
        news = {
            "id": f"fake_evt_{_digest(row.key, kind)}",
            "kind": kind,
            "at": at,
            "charge_reference": row.reference,
            "key": row.key,
            "metadata": row.labels,
            "amount_minor": row.amount_minor,
            "currency": row.currency,
            "message": row.message,
        }
        return msgspec.json.encode(news)


def _form(session: Session, account_code: str, reference: str) -> FakeGatewaySetup:
    row = session.get(FakeGatewaySetup, reference, with_for_update=True)
    if row is None or row.account_code != account_code:
        raise setup_over()
    return row


def _once(
    session: Session, key: str, amount: Money, *, status: ChargeStatus, message: str | None = None, **of: object
) -> tuple[FakeGatewayCharge, bool]:
    """Store what is asked under its key, unless it is there; return the stored and whether it is new."""
    assert 0 < len(key) <= KEY_LENGTH_MAX, "keys are made by Meterbook"
    assert amount.minor > 0, "only money above zero moves"
    asked = {"amount_minor": amount.minor, "currency": amount.currency.code}
    told = _MESSAGES[status] if message is None else message
    fresh = session.scalar(
        insert(FakeGatewayCharge)
        .values(key=key, status=status.value, message=told, **asked, **of)
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(FakeGatewayCharge.key)
    )
    row = session.scalars(select(FakeGatewayCharge).where(FakeGatewayCharge.key == key)).one()
    same = asked | {name: of[name] for name in ("kind", "charge_reference", "method_reference")}
    if any(getattr(row, name) != value for name, value in same.items()):
        raise Refused("This key was used for another charge or refund: use a new one.", "idempotency-key-reused")
    return row, fresh is not None


def _outcome(session: Session, token: str, method_reference: str) -> ChargeStatus:
    if token == DECLINES or (token == DECLINES_ONCE and not _charged_before(session, method_reference)):
        return ChargeStatus.declined
    return ChargeStatus.needs_action if token == NEEDS_ACTION else ChargeStatus.succeeded


def _charged_before(session: Session, method_reference: str) -> bool:
    earlier = select(FakeGatewayCharge.key).where(FakeGatewayCharge.method_reference == method_reference).limit(1)
    return session.scalar(earlier) is not None


def _left(session: Session, charge_reference: str, currency: str, key: str) -> int:
    """Return the minor units of a charge that can still be given back, those under `key` left aside."""
    charged = FakeGatewayCharge.reference == charge_reference
    refunded = (FakeGatewayCharge.charge_reference == charge_reference) & (FakeGatewayCharge.kind == "refund")
    total = select(func.coalesce(func.sum(FakeGatewayCharge.amount_minor), 0)).where(
        FakeGatewayCharge.status == ChargeStatus.succeeded.value
    )
    taken = session.scalar(
        total.where(charged, FakeGatewayCharge.kind == "charge", FakeGatewayCharge.currency == currency)
    )
    given = session.scalar(total.where(refunded, FakeGatewayCharge.key != key))
    return int(taken or 0) - int(given or 0)


def _take_turns(session: Session, reference: str) -> None:
    """Wait until no other transaction charges this card, or refunds this charge."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"fake_gateway {reference}", 0))))


def _answer(row: FakeGatewayCharge) -> ChargeResult:
    status = ChargeStatus(row.status)
    url = f"https://bank.example/confirm/{row.reference}" if status is ChargeStatus.needs_action else None
    return ChargeResult(status, row.reference, row.message, url)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
