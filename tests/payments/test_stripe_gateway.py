"""Stripe's own: lost answers, forgotten keys, holders who have to confirm, its units of money."""

from __future__ import annotations

import logging

import pytest
from pydantic import SecretStr

from meterbook.core.money import Money, currency
from meterbook.errors import Busy, Invalid, Refused
from meterbook.payments.gateway import ChargeStatus
from meterbook.payments.gateways.stripe import StripeGateway
from meterbook.payments.gateways.stripe_amounts import minor_units, stripe_units

from .conftest import (
    DECLINED,
    SECRET_KEY,
    SUCCEEDED,
    WEBHOOK_SECRET,
    Shop,
    StripeServer,
    charge,
    new_key,
    usd,
)


def test_a_charge_at_stripe_names_its_invoice(stripe_gateway: StripeGateway, stripe_server: StripeServer) -> None:
    method, key = Shop(stripe_gateway, "", "", "", "").method("tok_visa"), new_key()
    charge(stripe_gateway, method, usd(14640), key, {"account": "acme", "invoice": "INV-2026-000001"})
    (intent,) = stripe_server.intents(method)
    assert intent["metadata"] == {"account": "acme", "invoice": "INV-2026-000001", "meterbook_key": key}
    customer = stripe_server.ask("GET", f"/v1/customers/{method.partition('/')[0]}")
    assert (customer["email"], customer["metadata"]) == ("ann@example.com", {"account": "acme"})


def test_a_charge_that_needs_the_cardholder_says_so(stripe_gateway: StripeGateway, stripe_server: StripeServer) -> None:
    # The first is refused off-session by Stripe, the second answers with an open confirmation.
    for number, message in (("4000002760003184", "requires authentication"), ("4000000000003220", "")):
        method, key = stripe_server.card(number), new_key()
        results = [charge(stripe_gateway, method, usd(100), key) for _ in range(2)]
        assert [result.status for result in results] == [ChargeStatus.needs_action] * 2
        assert results[0] == results[1]
        assert message in results[0].message
        assert len(stripe_server.intents(method)) == 1


def test_a_card_whose_bank_wants_its_holder_first_is_refused(
    stripe_gateway: StripeGateway, stripe_server: StripeServer
) -> None:
    method = stripe_server.card("4000002500003155").partition("/")[2]
    with pytest.raises(Refused, match="wants the holder to confirm"):
        stripe_gateway.attach("acme", "ann@example.com", method, new_key())


def test_a_token_of_another_kind_is_no_token_of_stripe(stripe_gateway: StripeGateway) -> None:
    with pytest.raises(Invalid) as invalid:
        stripe_gateway.attach("acme", "ann@example.com", "fake_succeeds", new_key())
    assert invalid.value.slug == "wrong-token"


@pytest.mark.parametrize("forgotten", [False, True])
def test_an_answer_that_is_lost_is_had_with_the_same_key(
    stripe_gateway: StripeGateway, stripe_server: StripeServer, forgotten: bool
) -> None:
    method, key, back = Shop(stripe_gateway, "", "", "", "").method("pm_card_visa"), new_key(), new_key()
    # The first try and its two repeats.
    stripe_server.lose_answers(3)
    with pytest.raises(Busy) as busy:
        charge(stripe_gateway, method, usd(100), key)
    assert busy.value.slug == "gateway-unavailable"
    if forgotten:
        stripe_server.forget_keys()
    result = charge(stripe_gateway, method, usd(100), key)
    assert result.status is SUCCEEDED
    assert len(stripe_server.intents(method)) == 1
    stripe_server.lose_answers(3)
    with pytest.raises(Busy):
        stripe_gateway.refund(result.reference or "", usd(60), back)
    if forgotten:
        stripe_server.forget_keys()
    assert stripe_gateway.refund(result.reference or "", usd(60), back).status is SUCCEEDED
    assert stripe_gateway.refund(result.reference or "", usd(41), new_key()).status is DECLINED


def test_a_key_that_stripe_has_forgotten_is_still_refused_for_another_amount(
    stripe_gateway: StripeGateway, stripe_server: StripeServer
) -> None:
    method, key = Shop(stripe_gateway, "", "", "", "").method("pm_card_visa"), new_key()
    charge(stripe_gateway, method, usd(100), key)
    stripe_server.forget_keys()
    with pytest.raises(Refused) as refused:
        charge(stripe_gateway, method, usd(101), key)
    assert refused.value.slug == "idempotency-key-reused"


def test_a_gateway_that_is_away_is_busy_and_then_the_same_key_succeeds(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    server = StripeServer()
    server.start()
    server.stop()
    gateway = StripeGateway(SecretStr(SECRET_KEY), SecretStr(WEBHOOK_SECRET), server.address)
    key = new_key()
    with pytest.raises(Busy) as busy:
        gateway.attach("acme", "ann@example.com", "pm_card_visa", key)
    assert busy.value.slug == "gateway-unavailable"
    server.start()
    try:
        method = gateway.attach("acme", "ann@example.com", "pm_card_visa", key).reference
        assert charge(gateway, method, usd(100), new_key()).status is SUCCEEDED
    finally:
        server.stop()
    told = caplog.text + "".join(capfd.readouterr()) + str(busy.value) + repr(gateway)
    assert SECRET_KEY not in told
    assert "pm_card_visa" not in told


def test_a_secret_key_that_stripe_does_not_take_says_what_to_set(stripe_server: StripeServer) -> None:
    gateway = StripeGateway(SecretStr("wrong key"), None, stripe_server.address)
    with pytest.raises(Busy, match="METERBOOK_STRIPE_SECRET_KEY") as busy:
        charge(gateway, "cus_x/pm_x", usd(100), new_key())
    assert "wrong key" not in busy.value.message


@pytest.mark.parametrize(
    ("code", "minor", "units"),
    [
        ("USD", 14640, 14640),
        ("KRW", 66019, 66019),
        ("JPY", 349, 349),
        # Two decimals at Stripe that are always zero.
        ("ISK", 5, 500),
        ("UGX", 5, 500),
        # None at Stripe, two in ISO 4217.
        ("MGA", 500, 5),
        ("MGA", 520, None),
        # Three, of which the last is zero.
        ("KWD", 5120, 5120),
        ("KWD", 5124, None),
    ],
)
def test_amounts_in_the_units_of_stripe(code: str, minor: int, units: int | None) -> None:
    assert stripe_units(Money(minor, currency(code))) == units
    if units is not None:
        assert minor_units(units, code) == minor


def test_an_amount_that_stripe_cannot_charge_is_declined(stripe_gateway: StripeGateway) -> None:
    result = charge(stripe_gateway, "cus_x/pm_x", Money(5124, currency("KWD")), new_key())
    assert (result.status, "KWD 5.124" in result.message) == (DECLINED, True)
    assert stripe_gateway.refund("pi_x", Money(5124, currency("KWD")), new_key()).status is DECLINED
