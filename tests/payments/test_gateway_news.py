"""Callbacks of gateways: only what is signed, and signed now, is read; Stripe's as it is sent and as it may be."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import pytest
from pydantic import SecretStr

from meterbook.core.money import Money, currency
from meterbook.errors import Denied, Invalid
from meterbook.payments.gateway import Gateway, NewsKind
from meterbook.payments.gateways.fake import SIGNATURE_HEADER, FakeGateway
from meterbook.payments.gateways.stripe import StripeGateway
from meterbook.payments.signature import signature_of

from .conftest import SECRET_KEY, WEBHOOK_SECRET, Shop, StripeServer, new_key

NOW = datetime(2026, 7, 25, 9, 0, tzinfo=UTC)
FAKE_NEWS = (
    b'{"id":"evt_1","kind":"charge_succeeded","at":"2026-07-25T09:00:00Z","charge_reference":"fake_ch_1",'
    b'"key":"INV-2026-000001/1","metadata":{"account":"acme"},"amount_minor":14640,"currency":"USD"}'
)


def event(kind: str, thing: Mapping[str, Any]) -> bytes:
    return json.dumps(
        {"id": "evt_1", "object": "event", "type": kind, "created": int(NOW.timestamp()), "data": {"object": thing}}
    ).encode()


INTENT: dict[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 66019,
    "amount_received": 66019,
    "currency": "krw",
    "metadata": {"meterbook_key": "INV-2026-000001/1", "account": "acme"},
    "last_payment_error": None,
}
REFUND: dict[str, Any] = {
    "id": "re_1",
    "object": "refund",
    "amount": 500,
    "currency": "isk",
    "status": "succeeded",
    "payment_intent": "pi_1",
    "metadata": {"meterbook_key": "refund/1"},
}


@dataclass(frozen=True)
class Sender:
    """A gateway, one of its callbacks, and how it signs."""

    gateway: Gateway
    body: bytes
    header: str
    sign: Callable[[bytes, datetime], str]

    def headers(self, body: bytes, at: datetime) -> dict[str, str]:
        return {self.header: self.sign(body, at)}


@pytest.fixture(params=["fake", "stripe"])
def sender(request: pytest.FixtureRequest) -> Sender:
    if request.param == "fake":
        fake: FakeGateway = request.getfixturevalue("fake_gateway")
        return Sender(fake, FAKE_NEWS, SIGNATURE_HEADER, lambda body, at: fake.signed(body, at)[SIGNATURE_HEADER])
    stripe = StripeGateway(SecretStr(SECRET_KEY), SecretStr(WEBHOOK_SECRET))
    body = event("payment_intent.succeeded", INTENT)
    return Sender(stripe, body, "Stripe-Signature", lambda body, at: signature_of(body, WEBHOOK_SECRET, at))


def stripe_news(body: bytes) -> Any:
    gateway = StripeGateway(SecretStr(SECRET_KEY), SecretStr(WEBHOOK_SECRET))
    return gateway.news_of(body, {"stripe-signature": signature_of(body, WEBHOOK_SECRET, NOW)}, NOW)


def test_news_with_a_right_signature_are_read(sender: Sender) -> None:
    for now in (NOW, NOW + timedelta(minutes=5), NOW - timedelta(minutes=5)):
        news = sender.gateway.news_of(sender.body, sender.headers(sender.body, NOW), now)
        assert (news.id, news.kind, news.at) == ("evt_1", NewsKind.charge_succeeded, NOW)
        assert (news.key, news.metadata) == ("INV-2026-000001/1", {"account": "acme"})


def test_the_name_of_the_header_may_be_in_any_case(sender: Sender) -> None:
    headers = {sender.header.lower(): sender.sign(sender.body, NOW), "content-type": "application/json"}
    assert sender.gateway.news_of(sender.body, headers, NOW).id == "evt_1"


@pytest.mark.parametrize("off", [timedelta(minutes=5, seconds=1), timedelta(days=365), timedelta(minutes=-6)])
def test_a_signature_of_another_time_is_denied(sender: Sender, off: timedelta) -> None:
    with pytest.raises(Denied) as denied:
        sender.gateway.news_of(sender.body, sender.headers(sender.body, NOW - off), NOW)
    assert denied.value.slug == "old-signature"


def test_news_that_were_tampered_with_are_denied(sender: Sender) -> None:
    headers = sender.headers(sender.body, NOW)
    right = headers[sender.header]
    wrong = [
        (sender.body.replace(b"acme", b"evil"), headers),
        (sender.body + b" ", headers),
        # A new time on an old signature.
        (sender.body, {sender.header: right.replace("t=1", "t=2", 1)}),
        (sender.body, {sender.header: right + ",t=1"}),
        (sender.body, {sender.header: right[:-1] + ("0" if right[-1] != "0" else "1")}),
        (sender.body, {sender.header: right.replace("v1=", "v0=")}),
        (sender.body, {sender.header: signature_of(sender.body, "another secret", NOW)}),
        *(
            (sender.body, {sender.header: text})
            for text in ("", "v1=", "t=,v1=", "t=x,v1=é", "t=9" + "9" * 30 + ",v1=0")
        ),
        (sender.body, {}),
    ]
    for body, given in wrong:
        with pytest.raises(Denied) as denied:
            sender.gateway.news_of(body, given, NOW)
        assert denied.value.slug == "wrong-signature", given


def test_one_right_signature_among_several_is_enough(sender: Sender) -> None:
    moment, signature = sender.sign(sender.body, NOW).split(",")
    headers = {sender.header: f"{moment},v1={'0' * 64},{signature},v0=old"}
    assert sender.gateway.news_of(sender.body, headers, NOW).id == "evt_1"


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b'{"id": 1}', b"\xff\xfe", b'{"id":"1","type":"x"}'])
def test_what_is_signed_and_no_news_is_invalid(sender: Sender, body: bytes) -> None:
    with pytest.raises(Invalid) as invalid:
        sender.gateway.news_of(body, sender.headers(body, NOW), NOW)
    assert invalid.value.slug == "broken-body"


def test_signatures_are_those_of_the_sdk() -> None:
    import stripe

    body = event("payment_intent.succeeded", INTENT)
    theirs = stripe.WebhookSignature.generate_signature_header(body.decode(), WEBHOOK_SECRET, int(NOW.timestamp()))
    assert signature_of(body, WEBHOOK_SECRET, NOW) == theirs
    now = datetime.now(UTC)
    assert stripe.Webhook.construct_event(body, signature_of(body, WEBHOOK_SECRET, now), WEBHOOK_SECRET).id == "evt_1"


def test_without_a_secret_no_event_of_stripe_is_read() -> None:
    with pytest.raises(Invalid, match="METERBOOK_STRIPE_WEBHOOK_SECRET") as invalid:
        StripeGateway(SecretStr(SECRET_KEY), None).news_of(b"{}", {}, NOW)
    assert invalid.value.slug == "gateway-not-set-up"


def test_a_charge_that_failed_gives_its_reason() -> None:
    problem = {"code": "card_declined", "message": "Your card was declined.", "type": "card_error"}
    news = stripe_news(event("payment_intent.payment_failed", {**INTENT, "last_payment_error": problem}))
    assert (news.kind, news.message) == (NewsKind.charge_failed, "Your card was declined.")
    assert (news.charge_reference, news.amount_minor, news.currency) == ("pi_1", 66019, "KRW")


def test_a_refund_gives_its_charge_and_its_own_key() -> None:
    news = stripe_news(event("refund.updated", REFUND))
    assert (news.kind, news.charge_reference, news.refund_reference) == (NewsKind.refund_succeeded, "pi_1", "re_1")
    assert (news.key, news.amount_minor, news.currency) == ("refund/1", 5, "ISK")
    failed = stripe_news(
        event("refund.failed", {**REFUND, "status": "failed", "failure_reason": "lost_or_stolen_card"})
    )
    assert (failed.kind, failed.message) == (NewsKind.refund_failed, "lost_or_stolen_card")


def test_a_dispute_gives_its_charge_and_what_it_took() -> None:
    dispute = {"id": "dp_1", "object": "dispute", "amount": 66019, "currency": "krw", "payment_intent": "pi_1"}
    taken = stripe_news(event("charge.dispute.funds_withdrawn", {**dispute, "reason": "fraudulent"}))
    assert (taken.kind, taken.charge_reference, taken.dispute_reference) == (NewsKind.charge_disputed, "pi_1", "dp_1")
    assert (taken.key, taken.amount_minor, taken.currency, taken.message) == (None, 66019, "KRW", "fraudulent")
    again = stripe_news(event("charge.dispute.funds_reinstated", {**dispute, "payment_intent": None}))
    assert (again.kind, again.charge_reference, again.dispute_reference) == (NewsKind.dispute_won, None, "dp_1")


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("charge.dispute.created", {"object": "dispute"}),
        ("balance.available", {"object": "balance"}),
        ("refund.updated", {**REFUND, "status": "pending"}),
        # The charge's own answer has said that the cardholder is needed.
        ("payment_intent.payment_failed", {**INTENT, "last_payment_error": {"code": "authentication_required"}}),
        ("payment_intent.requires_action", INTENT),
    ],
)
def test_other_events_are_ignored(kind: str, thing: Mapping[str, Any]) -> None:
    assert stripe_news(event(kind, thing)).kind is NewsKind.ignored


@pytest.mark.parametrize("wrong", [{"currency": "xyz"}, {"amount_received": "12"}, {"metadata": ["x"]}])
def test_an_event_that_cannot_be_booked_is_not_taken(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(Invalid) as invalid:
        stripe_news(event("payment_intent.succeeded", {**INTENT, **wrong}))
    assert invalid.value.slug == "broken-body"


@pytest.fixture
def mailbox() -> Iterator[tuple[str, queue.Queue[tuple[bytes, dict[str, str]]]]]:
    """An address that takes callbacks, and what it took."""
    taken: queue.Queue[tuple[bytes, dict[str, str]]] = queue.Queue()

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.put((self.rfile.read(int(self.headers["Content-Length"])), dict(self.headers)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", taken
        server.shutdown()
        thread.join()


def test_events_that_a_server_sends_are_read(
    stripe_gateway: StripeGateway,
    stripe_server: StripeServer,
    mailbox: tuple[str, queue.Queue[tuple[bytes, dict[str, str]]]],
) -> None:
    address, taken = mailbox
    wanted = ["payment_intent.succeeded", "payment_intent.payment_failed"]
    webhook = {"url": address, "secret": WEBHOOK_SECRET, "events": wanted}
    stripe_server.ask("POST", "/_config/webhooks/meterbook", json=webhook)
    for token, kind in (
        ("pm_card_visa", NewsKind.charge_succeeded),
        ("pm_card_chargeCustomerFail", NewsKind.charge_failed),
    ):
        method, key = Shop(stripe_gateway, "", "", "", "").method(token), new_key()
        amount = Money(66019, currency("KRW"))
        result = stripe_gateway.charge(method, amount, key, "Invoice", {"account": "acme"})
        # the server may still tell of a charge of a test before
        sent = (stripe_gateway.news_of(*taken.get(timeout=20), datetime.now(UTC)) for _ in count())
        news = next(each for each in sent if each.key == key)
        assert (news.kind, news.key, news.metadata) == (kind, key, {"account": "acme"})
        assert (news.amount_minor, news.currency) == (66019, "KRW")
        assert news.charge_reference in (result.reference, stripe_server.intents(method)[0]["id"])
