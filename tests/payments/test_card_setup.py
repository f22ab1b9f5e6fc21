"""Cards entered in the gateway's own form: at the fake gateway and at a local Stripe, below the doors."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from pydantic import SecretStr

from meterbook.accounts.add_account import add_account
from meterbook.accounts.queries import payment_information_of
from meterbook.accounts.tables import Account, PaymentInformation
from meterbook.core.money import Money, currency
from meterbook.database import Database
from meterbook.errors import Busy, Invalid, NotFound, Refused
from meterbook.payments.gateway import CardForm, CardGateway, ChargeStatus
from meterbook.payments.gateways.fake import FakeGateway
from meterbook.payments.gateways.open import open_card_gateway
from meterbook.payments.gateways.stripe import StripeGateway
from meterbook.payments.register import checked, looked_over, register
from meterbook.payments.set_up_card import SetupOutcome, begin, end, end_left_forms, open_form_of
from meterbook.settings import Settings

from .conftest import SECRET_KEY, StripeServer, new_key

NOW = datetime(2026, 7, 25, 9, 0, tzinfo=UTC)
BACK = "https://billing.example.com/payment-information/card?account=acme"
_numbers = count(1)


@dataclass(frozen=True)
class Counter:
    """A gateway, and how a cardholder enters a good card into its form."""

    gateway: CardGateway
    enter: Callable[[str, str], None]
    label: str


@pytest.fixture(params=["fake", "stripe"])
def counter(request: pytest.FixtureRequest, stripe_server: StripeServer) -> Counter:
    if request.param == "fake":
        fake: FakeGateway = request.getfixturevalue("fake_gateway")
        return Counter(
            fake, lambda account, form: fake.choose_card(account, form, "fake_succeeds"), "fake card that succeeds"
        )
    return Counter(
        request.getfixturevalue("stripe_gateway"),
        lambda _, form: stripe_server.fill_form(form),
        "visa ending 4242",
    )


@pytest.fixture
def account(migrated: Database) -> Account:
    with migrated.transaction() as session:
        return add_account(
            session, NOW, code=f"card-{next(_numbers)}.seoul", currency="USD", billing_email="a@card.example"
        )


def opened(database: Database, counter: Counter, account: Account, key: str | None = None, **more: str) -> CardForm:
    fields = {"method": "card", "company": "Card & Co", "recipient": None, "email": None, "registration_number": None}
    information = checked(account, cc=["cc@card.example"], language="ko", **(fields | more))  # type: ignore[arg-type]  # texts all
    return begin(
        database.transaction,
        counter.gateway,
        NOW,
        account=account,
        information=information,
        return_url=BACK,
        language="ko",
        key=key or new_key(),
    )


def ended(database: Database, counter: Counter, account: Account, form: CardForm) -> SetupOutcome:
    return end(database.transaction, counter.gateway, NOW, account_id=account.id, reference=form.reference)


def registered(database: Database, account: Account) -> PaymentInformation | None:
    with database.transaction() as session:
        return payment_information_of(session, account.id)


def test_a_card_is_registered_once_its_holder_has_entered_it(
    migrated: Database, counter: Counter, account: Account
) -> None:
    form = opened(migrated, counter, account)
    assert ended(migrated, counter, account, form) is SetupOutcome.open
    assert registered(migrated, account) is None
    counter.enter(account.code, form.reference)
    assert ended(migrated, counter, account, form) is SetupOutcome.registered
    kept = registered(migrated, account)
    assert kept is not None
    assert (kept.method, kept.gateway, kept.method_label) == ("card", counter.gateway.name, counter.label)
    assert (kept.company, kept.recipient, kept.email, kept.cc) == (
        "Card & Co",
        "Card & Co",
        "a@card.example",
        ["cc@card.example"],
    )
    charged = counter.gateway.charge(
        kept.method_reference or "", Money(3600, currency("USD")), new_key(), "Invoice", {"account": account.code}
    )
    assert charged.status is ChargeStatus.succeeded


def by_invoice(database: Database, account: Account) -> None:
    with database.transaction() as session:
        fields = {"company": None, "registration_number": None, "recipient": None, "email": None, "language": None}
        information = checked(account, method="send_invoice", cc=[], **fields)
        register(session, NOW, account=account, information=information, gateway=None, card=None)


def test_coming_back_again_changes_nothing(migrated: Database, counter: Counter, account: Account) -> None:
    form = opened(migrated, counter, account)
    counter.enter(account.code, form.reference)
    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(lambda _: ended(migrated, counter, account, form), range(4)))
    assert sorted(outcomes) == [SetupOutcome.past] * 3 + [SetupOutcome.registered]
    by_invoice(migrated, account)
    assert ended(migrated, counter, account, form) is SetupOutcome.past
    kept = registered(migrated, account)
    assert kept is not None
    assert (kept.method, kept.method_reference) == ("send_invoice", None)


def test_what_was_registered_meanwhile_is_not_replaced(migrated: Database, counter: Counter, account: Account) -> None:
    form = opened(migrated, counter, account)
    with migrated.transaction() as session:
        assert open_form_of(session, NOW, account.id) is not None
        assert open_form_of(session, NOW + timedelta(hours=25), account.id) is None
    by_invoice(migrated, account)
    with migrated.transaction() as session:
        assert open_form_of(session, NOW, account.id) is None
    counter.enter(account.code, form.reference)
    assert ended(migrated, counter, account, form) is SetupOutcome.past
    kept = registered(migrated, account)
    assert kept is not None
    assert kept.method == "send_invoice"


def swept(database: Database, gateway: CardGateway, **later: int) -> None:
    end_left_forms(database.transaction, gateway, NOW + timedelta(**later))


def test_a_card_whose_holder_does_not_come_back_is_registered(
    migrated: Database, counter: Counter, account: Account
) -> None:
    form = opened(migrated, counter, account)
    swept(migrated, counter.gateway, hours=1)
    assert registered(migrated, account) is None
    counter.enter(account.code, form.reference)
    swept(migrated, counter.gateway, hours=25)
    kept = registered(migrated, account)
    assert kept is not None
    assert (kept.method_label, kept.updated_at) == (counter.label, NOW + timedelta(hours=25))
    assert ended(migrated, counter, account, form) is SetupOutcome.past
    swept(migrated, counter.gateway, hours=26)
    again = registered(migrated, account)
    assert again is not None
    assert again.updated_at == kept.updated_at


def test_the_form_that_was_opened_last_is_the_one_that_counts(
    migrated: Database, counter: Counter, account: Account
) -> None:
    first, last = (opened(migrated, counter, account) for _ in range(2))
    counter.enter(account.code, first.reference)
    swept(migrated, counter.gateway, hours=1)
    assert registered(migrated, account) is None
    with migrated.transaction() as session:
        form = open_form_of(session, NOW, account.id)
        assert form is not None
        assert form.reference == last.reference


def test_forms_are_asked_for_again_when_the_gateway_is_back(
    migrated: Database, stripe_gateway: StripeGateway, stripe_server: StripeServer, account: Account
) -> None:
    counter = Counter(stripe_gateway, lambda _, form: stripe_server.fill_form(form), "visa ending 4242")
    form = opened(migrated, counter, account)
    counter.enter(account.code, form.reference)
    away = StripeGateway(SecretStr(SECRET_KEY), None, "http://127.0.0.1:1")
    swept(migrated, away, hours=1)
    assert registered(migrated, account) is None
    swept(migrated, stripe_gateway, hours=2)
    assert registered(migrated, account) is not None


def test_one_key_opens_one_form(migrated: Database, counter: Counter, account: Account) -> None:
    key = new_key()
    first, again = (opened(migrated, counter, account, key) for _ in range(2))
    assert first == again
    assert opened(migrated, counter, account) != first


def test_a_form_belongs_to_one_account(migrated: Database, counter: Counter, account: Account) -> None:
    with migrated.transaction() as session:
        other = add_account(session, NOW, code=f"card-{next(_numbers)}", currency="USD", billing_email="b@card.example")
    form = opened(migrated, counter, account)
    counter.enter(account.code, form.reference)
    with pytest.raises(NotFound):
        ended(migrated, counter, other, form)
    # and the gateway itself knows whose it is
    with pytest.raises(Refused) as refused:
        counter.gateway.end_setup(other.code, form.reference)
    assert refused.value.slug == "card-setup-over"
    for reference in ("", "cs_test_none", "x" * 300, "cs\x00"):
        with pytest.raises(NotFound):
            end(migrated.transaction, counter.gateway, NOW, account_id=account.id, reference=reference)
    with pytest.raises(Refused):
        counter.gateway.end_setup(account.code, "cs_test_none")


def test_a_form_that_stripe_has_closed_is_over(
    migrated: Database, stripe_gateway: StripeGateway, stripe_server: StripeServer, account: Account
) -> None:
    counter = Counter(stripe_gateway, lambda _, form: stripe_server.fill_form(form), "")
    form = opened(migrated, counter, account)
    stripe_server.fill_form(form.reference, card=None)
    assert ended(migrated, counter, account, form) is SetupOutcome.over
    with migrated.transaction() as session:
        assert open_form_of(session, NOW, account.id) is None


def test_stripe_is_told_of_nothing_but_the_account_and_the_way_back(
    migrated: Database, stripe_gateway: StripeGateway, stripe_server: StripeServer, account: Account
) -> None:
    form = opened(migrated, Counter(stripe_gateway, lambda *_: None, ""), account)
    told = stripe_server.ask("GET", f"/v1/checkout/sessions/{form.reference}")
    assert told["metadata"] == {"account": account.code}
    assert told["success_url"] == f"{BACK}&session={{CHECKOUT_SESSION_ID}}"
    assert (told["cancel_url"], told["locale"], told["mode"]) == (BACK, "ko", "setup")
    assert form.url == f"{stripe_server.address}/c/pay/{form.reference}"


def test_nobody_is_led_to_another_place_for_a_card(
    migrated: Database, stripe_gateway: StripeGateway, stripe_server: StripeServer, account: Account
) -> None:
    counter = Counter(stripe_gateway, lambda *_: None, "")
    try:
        for origin in ("https://checkout.stripe.com.example", "http://checkout.stripe.com", "javascript:alert(1)//"):
            stripe_server.lead_elsewhere(origin)
            with pytest.raises(Busy):
                opened(migrated, counter, account)
        stripe_server.lead_elsewhere("https://checkout.stripe.com")
        assert opened(migrated, counter, account).url.startswith("https://checkout.stripe.com/c/pay/cs_test_")
    finally:
        stripe_server.lead_elsewhere(stripe_server.address)


def test_the_fake_form_takes_its_own_cards_alone_and_keeps_the_first(fake_gateway: FakeGateway) -> None:
    form = fake_gateway.begin_setup("acme", "a@card.example", BACK, "en", new_key())
    assert form.url == f"/payment-information/test-card?account=acme&session={form.reference}"
    for token in ("", "tok_visa", "4242424242424242"):
        with pytest.raises(Refused) as refused:
            fake_gateway.choose_card("acme", form.reference, token)
        assert refused.value.slug == "card-refused"
    with pytest.raises(Refused):
        fake_gateway.choose_card("other", form.reference, "fake_succeeds")
    fake_gateway.choose_card("acme", form.reference, "fake_declines")
    fake_gateway.choose_card("acme", form.reference, "fake_succeeds")
    first, again = (fake_gateway.end_setup("acme", form.reference) for _ in range(2))
    assert first == again
    assert first is not None
    assert first.label == "fake card that declines"


def test_cards_need_a_gateway(migrated: Database, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert isinstance(open_card_gateway(settings, migrated), FakeGateway)
    assert isinstance(
        open_card_gateway(Settings(data_dir=tmp_path, stripe_secret_key="sk_test_x"), migrated),  # type: ignore[arg-type]  # settings read texts
        StripeGateway,
    )
    with pytest.raises(Invalid) as wrong:
        open_card_gateway(Settings(data_dir=tmp_path, fake_gateway=False), migrated)
    assert wrong.value.slug == "gateway-not-set-up"


def test_a_form_tells_of_everything_that_is_wrong_at_once(account: Account) -> None:
    information, faults = looked_over(
        account,
        method="cheque",
        company="x" * 201,
        registration_number="1" * 51,
        recipient="a\nb",
        email="nowhere",
        cc=["ok@card.example", "not an address"],
        language="fr",
    )
    assert information is None
    assert set(faults) == {"method", "company", "registration_number", "recipient", "email", "cc", "language"}
    assert all(fault.details["field"] == field for field, fault in faults.items())
