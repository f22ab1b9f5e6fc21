"""What gateways promise: one key has one effect, and what cannot be known raises; at the fake and at a local Stripe."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from meterbook.core.money import Money, currency
from meterbook.database import Database
from meterbook.errors import Busy, Denied, Invalid, Refused
from meterbook.payments.gateway import ChargeResult, ChargeStatus, check_token
from meterbook.payments.gateways.bank_transfer import BankTransfer
from meterbook.payments.gateways.open import GATEWAYS, default_gateway, open_gateway
from meterbook.payments.gateways.stripe import StripeGateway
from meterbook.settings import Settings

from .conftest import (
    DECLINED,
    SECRET_KEY,
    SUCCEEDED,
    Shop,
    StripeServer,
    charge,
    new_key,
    stored,
    usd,
)

NOW = datetime(2026, 7, 25, 9, 0, tzinfo=UTC)
CARD_NUMBERS = [
    "4242424242424242",
    "4242 4242 4242 4242",
    "4242-4242-4242-4242",
    "378282246310005",
    "4222222222222",
    "6011000990139424884",
    "tok_4242424242424242",
    "4242.4242.4242.4242 12 40 123",
    "4242424242424242 12/40",
    "\uff14\uff12\uff14\uff12" * 4,
]


def patiently(call: Callable[[], ChargeResult]) -> ChargeResult:
    """Call again while the outcome is unknown, as the jobs do."""
    for _ in range(5):
        try:
            return call()
        except Busy:
            continue
    return call()


def test_a_card_is_attached_and_charged(shop: Shop) -> None:
    method = shop.gateway.attach("acme", "ann@example.com", shop.good, new_key())
    assert method.label == shop.label
    result = charge(shop.gateway, method.reference, usd(14640), new_key())
    assert (result.status, result.message, result.action_url) == (SUCCEEDED, "", None)
    assert result.reference


def test_attaching_again_with_the_same_key_is_the_same_card(shop: Shop) -> None:
    key = new_key()
    first, again = (shop.gateway.attach("acme", "ann@example.com", shop.good, key) for _ in range(2))
    assert first == again
    assert shop.gateway.attach("acme", "ann@example.com", shop.good, new_key()).reference != first.reference


def test_a_card_that_the_gateway_refuses_is_refused(shop: Shop) -> None:
    with pytest.raises(Refused) as refused:
        shop.method(shop.refused)
    assert refused.value.slug == "card-refused"


def test_a_declined_charge_stays_declined_under_its_key(shop: Shop) -> None:
    method, key = shop.method(shop.declining), new_key()
    results = [charge(shop.gateway, method, usd(3600), key) for _ in range(2)]
    assert [(result.status, "declined" in result.message) for result in results] == [(DECLINED, True)] * 2
    assert charge(shop.gateway, method, usd(3600), new_key()).status is DECLINED


def test_a_repeated_key_has_one_effect(shop: Shop) -> None:
    method, key = shop.method(shop.good), new_key()
    first, again = (charge(shop.gateway, method, usd(3600), key) for _ in range(2))
    assert first == again
    assert charge(shop.gateway, method, usd(3600), new_key()).reference != first.reference


def test_a_key_that_comes_back_with_another_amount_is_refused(shop: Shop) -> None:
    method, key = shop.method(shop.good), new_key()
    taken = charge(shop.gateway, method, usd(3600), key)
    for other in (usd(3601), Money(3600, currency("KRW"))):
        with pytest.raises(Refused) as refused:
            charge(shop.gateway, method, other, key)
        assert refused.value.slug == "idempotency-key-reused"
    with pytest.raises(Refused) as refused:
        shop.gateway.refund(taken.reference or "", usd(3600), key)
    assert refused.value.slug == "idempotency-key-reused"


def test_eight_charges_with_one_key_at_once_are_one(
    shop: Shop, stripe_server: StripeServer, migrated: Database
) -> None:
    method, key = shop.method(shop.good), new_key()
    with ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(patiently, lambda: charge(shop.gateway, method, usd(3600), key)) for _ in range(8)]
        results = {call.result() for call in calls}
    (result,) = results
    assert result.status is SUCCEEDED
    made = stripe_server.intents(method) if isinstance(shop.gateway, StripeGateway) else stored(migrated, key)
    assert len(made) == 1
    left = shop.gateway.refund(result.reference or "", usd(3601), new_key())
    assert left.status is DECLINED


def test_a_charge_is_refunded_in_parts_and_no_further(shop: Shop) -> None:
    taken = charge(shop.gateway, shop.method(shop.good), usd(3600), new_key()).reference or ""
    key = new_key()
    part, again = (shop.gateway.refund(taken, usd(1000), key) for _ in range(2))
    assert part.status is SUCCEEDED
    assert part == again
    over = shop.gateway.refund(taken, usd(2601), new_key())
    assert (over.status, "refund" in over.message.lower()) == (DECLINED, True)
    rest = shop.gateway.refund(taken, usd(2600), new_key())
    assert rest.status is SUCCEEDED
    assert rest.reference != part.reference
    assert shop.gateway.refund(taken, usd(1), new_key()).status is DECLINED


def test_refunds_of_one_charge_at_once_stay_within_it(shop: Shop) -> None:
    taken = charge(shop.gateway, shop.method(shop.good), usd(1000), new_key()).reference or ""
    keys = [new_key() for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda key: patiently(lambda: shop.gateway.refund(taken, usd(300), key)), keys))
    assert sorted(result.status for result in results) == [DECLINED] * 5 + [SUCCEEDED] * 3


def test_a_charge_or_a_card_that_is_unknown_is_declined(shop: Shop) -> None:
    assert charge(shop.gateway, "nobody/nothing", usd(100), new_key()).status is DECLINED
    assert shop.gateway.refund("pi_nothing", usd(100), new_key()).status is DECLINED


def test_won_are_charged_as_won(shop: Shop, stripe_server: StripeServer) -> None:
    method, key = shop.method(shop.good), new_key()
    assert charge(shop.gateway, method, Money(66019, currency("KRW")), key).status is SUCCEEDED
    if isinstance(shop.gateway, StripeGateway):
        (intent,) = stripe_server.intents(method)
        assert (intent["amount"], intent["currency"]) == (66019, "krw")


@pytest.mark.parametrize("number", CARD_NUMBERS)
def test_what_looks_like_a_card_number_is_refused_and_not_repeated(
    number: str, shop: Shop, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    for gateway in (shop.gateway, BankTransfer()):
        with pytest.raises(Invalid, match="gateway's own form") as invalid:
            gateway.attach("acme", "ann@example.com", number, new_key())
        error = invalid.value
        assert error.slug == "card-number-refused"
        told = f"{error} {error.details} {error.__cause__}" + caplog.text + "".join(capfd.readouterr())
        assert number not in told
        assert "4242" not in told


@pytest.mark.parametrize("token", ["pm_1QxyzAbc123", "tok_visa", "fake_succeeds", "4242424242424241", "~" * 255])
def test_tokens_are_taken_as_they_are(token: str) -> None:
    assert check_token(token) == token


@pytest.mark.parametrize("token", ["", "two words", "pm_\n", "pm_\x00", "pm_é", "x" * 256])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(Invalid) as invalid:
        check_token(token)
    assert invalid.value.slug == "wrong-token"
    assert not token or token not in invalid.value.message


@pytest.mark.parametrize("name", ["bank_transfer", "send_invoice"])
def test_bank_transfers_wait_for_the_operator(name: Any) -> None:
    gateway = BankTransfer(name)
    method = gateway.attach("acme", "ann@example.com", "", new_key())
    assert (gateway.name, method.reference) == (name, f"{name}/acme")
    asked = gateway.charge(method.reference, usd(14640), new_key(), "INV-2026-000001", {})
    assert (asked.status, asked.reference) == (ChargeStatus.pending, None)
    assert "USD 146.40" in asked.message
    assert "INV-2026-000001" in asked.message
    back = gateway.refund("INV-2026-000001", usd(14640), new_key())
    assert (back.status, "USD 146.40" in back.message) == (ChargeStatus.pending, True)
    with pytest.raises(Denied):
        gateway.news_of(b"{}", {}, NOW)


def test_gateways_are_opened_by_name(migrated: Database, tmp_path: Path) -> None:
    plain = Settings(data_dir=tmp_path / "data")
    off = Settings(data_dir=tmp_path, fake_gateway=False)
    elsewhere = Settings(data_dir=tmp_path, database_url=SecretStr("postgresql://billing@localhost/billing"))
    stripe = Settings(data_dir=tmp_path, stripe_secret_key=SecretStr(SECRET_KEY), fake_gateway=True)
    fake = Settings(data_dir=tmp_path / "data", fake_gateway=True)
    opened = {name: open_gateway(name, stripe if name == "stripe" else fake, migrated) for name in GATEWAYS}
    assert {name: gateway.name for name, gateway in opened.items()} == {name: name for name in GATEWAYS}
    for name, settings, slug, told in (
        ("paypal", plain, "unknown-gateway", "stripe, bank_transfer"),
        ("stripe", plain, "gateway-not-set-up", "METERBOOK_STRIPE_SECRET_KEY"),
        ("fake", off, "gateway-not-set-up", "is off here"),
        ("fake", elsewhere, "gateway-not-set-up", "is off here"),
        ("fake", stripe, "gateway-not-set-up", "is off here"),
    ):
        with pytest.raises(Invalid, match=told) as invalid:
            open_gateway(name, settings, migrated)
        assert invalid.value.slug == slug
    assert [default_gateway(settings) for settings in (stripe, fake)] == ["stripe", "fake"]
