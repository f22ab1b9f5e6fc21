"""What gateways promise: one key has one effect, and what cannot be known raises; at the fake and at a local Stripe."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from meterbook.core.money import Money, currency
from meterbook.database import Database
from meterbook.errors import Busy, Denied, Invalid, NotFound, Refused
from meterbook.payments.gateway import ChargeResult, ChargeStatus, Gateway, NewsKind, check_token
from meterbook.payments.gateways.bank_transfer import BankTransfer
from meterbook.payments.gateways.fake import TOKENS, FakeGateway
from meterbook.payments.gateways.fake_tables import FakeGatewayCharge
from meterbook.payments.gateways.open import FAKE_SECRET_FILE, GATEWAYS, default_gateway, fake_secret, open_gateway
from meterbook.payments.gateways.stripe import StripeGateway
from meterbook.payments.gateways.stripe_amounts import minor_units, stripe_units
from meterbook.settings import Settings

from .conftest import FAKE_SECRET, SECRET_KEY, WEBHOOK_SECRET, Shop, StripeServer, new_key

NOW = datetime(2026, 7, 25, 9, 0, tzinfo=UTC)
SUCCEEDED, DECLINED = ChargeStatus.succeeded, ChargeStatus.declined
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


def usd(minor: int) -> Money:
    return Money(minor, currency("USD"))


def charge(
    gateway: Gateway, method: str, amount: Money, key: str, metadata: Mapping[str, str] | None = None
) -> ChargeResult:
    return gateway.charge(method, amount, key, f"Invoice {key}", metadata or {})


def patiently(call: Callable[[], ChargeResult]) -> ChargeResult:
    """Call again while the outcome is unknown, as the jobs do."""
    for _ in range(5):
        try:
            return call()
        except Busy:
            continue
    return call()


def stored(database: Database, key: str) -> list[FakeGatewayCharge]:
    with database.transaction() as session:
        return list(session.scalars(select(FakeGatewayCharge).where(FakeGatewayCharge.key == key)))


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


# The fake gateway's own.


def test_the_fake_card_that_declines_once_then_succeeds(fake_gateway: FakeGateway) -> None:
    shop = Shop(fake_gateway, "", "", "", "")
    method, key = shop.method("fake_declines_once"), new_key()
    assert charge(fake_gateway, method, usd(100), key).status is DECLINED
    assert charge(fake_gateway, method, usd(100), new_key()).status is SUCCEEDED
    assert charge(fake_gateway, method, usd(100), key).status is DECLINED


def test_the_fake_card_that_times_out_has_taken_the_money_once(fake_gateway: FakeGateway, migrated: Database) -> None:
    method, key = Shop(fake_gateway, "", "", "", "").method("fake_times_out_then_succeeds"), new_key()
    with pytest.raises(Busy) as busy:
        charge(fake_gateway, method, usd(100), key)
    assert busy.value.slug == "gateway-unavailable"
    assert [row.status for row in stored(migrated, key)] == ["succeeded"]
    assert charge(fake_gateway, method, usd(100), key).status is SUCCEEDED
    assert len(stored(migrated, key)) == 1


def test_the_fake_card_that_needs_action_waits_for_its_holder(fake_gateway: FakeGateway) -> None:
    method, key = Shop(fake_gateway, "", "", "", "").method("fake_needs_action"), new_key()
    asked = charge(fake_gateway, method, usd(100), key, {"invoice": "INV-2026-000001"})
    assert (asked.status, bool(asked.action_url)) == (ChargeStatus.needs_action, True)
    reference = asked.reference or ""
    assert fake_gateway.refund(reference, usd(100), new_key()).status is DECLINED
    body = fake_gateway.confirm(reference, NOW)
    news = fake_gateway.news_of(body, fake_gateway.signed(body, NOW), NOW)
    assert (news.kind, news.charge_reference, news.key, news.at) == (NewsKind.charge_succeeded, reference, key, NOW)
    assert (news.metadata, news.amount_minor, news.currency) == ({"invoice": "INV-2026-000001"}, 100, "USD")
    assert charge(fake_gateway, method, usd(100), key).status is SUCCEEDED
    assert fake_gateway.refund(reference, usd(100), new_key()).status is SUCCEEDED
    with pytest.raises(NotFound):
        fake_gateway.confirm(reference, NOW)


def test_the_fake_gateway_remembers_without_its_caller(fake_gateway: FakeGateway, migrated: Database) -> None:
    method, key = Shop(fake_gateway, "", "", "", "").method("fake_succeeds"), new_key()
    with migrated.transaction() as session:
        first = charge(fake_gateway, method, usd(100), key)
        session.rollback()
    elsewhere = Database(migrated.engine.url)
    assert charge(FakeGateway(elsewhere, FAKE_SECRET), method, usd(100), key) == first
    elsewhere.dispose()


def test_every_token_of_the_fake_gateway_is_documented() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "payments.md").read_text(encoding="utf-8")
    assert [token for token in TOKENS if f"| `{token}` |" not in page] == []


# Stripe's own.


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


# No card numbers.


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


# Bank transfers, and opening by name.


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


def test_the_fake_gateway_has_one_secret_in_a_data_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with ThreadPoolExecutor(8) as threads:
        (secret,) = {call.result() for call in [threads.submit(fake_secret, folder) for _ in range(8)]}
    assert len(secret) == 64
    assert [path.name for path in folder.iterdir()] == [FAKE_SECRET_FILE]
    assert (folder / FAKE_SECRET_FILE).stat().st_mode & 0o777 == 0o600
    assert fake_secret(tmp_path / "other") != secret
