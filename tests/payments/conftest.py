"""Both gateways that keep cards, as shops with the same counters: the fake one, and Stripe's at a local server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from meterbook.core.money import Money, currency
from meterbook.database import Database
from meterbook.payments.gateway import ChargeResult, ChargeStatus, Gateway
from meterbook.payments.gateways.fake import FakeGateway
from meterbook.payments.gateways.fake_tables import FakeGatewayCharge
from meterbook.payments.gateways.stripe import StripeGateway

REPOSITORY = Path(__file__).resolve().parents[2]
SECRET_KEY = "sk_test_meterbook"
WEBHOOK_SECRET = "whsec_meterbook"
FAKE_SECRET = "a secret of the fake gateway"
SUCCEEDED, DECLINED = ChargeStatus.succeeded, ChargeStatus.declined
_keys = count(1)


def new_key() -> str:
    """Return a key that no other test has used."""
    return f"INV-2026-{next(_keys):06}/1"


def usd(minor: int) -> Money:
    return Money(minor, currency("USD"))


def charge(
    gateway: Gateway, method: str, amount: Money, key: str, metadata: Mapping[str, str] | None = None
) -> ChargeResult:
    return gateway.charge(method, amount, key, f"Invoice {key}", metadata or {})


def stored(database: Database, key: str) -> list[FakeGatewayCharge]:
    with database.transaction() as session:
        return list(session.scalars(select(FakeGatewayCharge).where(FakeGatewayCharge.key == key)))


@dataclass
class StripeServer:
    """A local Stripe in a process of its own."""

    port: int = 0
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, at the same port as before if it has run."""
        command = [sys.executable, "-m", "tests.payments.stripe_server", str(self.port)]
        self._process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Speak to it without the gateway."""
        answer = httpx.request(
            method, self.address + path, headers={"Authorization": f"Bearer {SECRET_KEY}"}, trust_env=False, **more
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def intents(self, method_reference: str) -> list[dict[str, Any]]:
        """Return the payment intents of a method's customer."""
        customer = method_reference.partition("/")[0]
        return list(self.ask("GET", f"/v1/payment_intents?customer={customer}")["data"])

    def card(self, number: str) -> str:
        """Return the reference of a card that its holder has set up in person."""
        card = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"}
        method = self.ask("POST", "/v1/payment_methods", json={"type": "card", "card": card})["id"]
        return f"{self.ask('POST', '/v1/customers', json={'email': 'ann@example.com'})['id']}/{method}"

    def fill_form(self, reference: str, card: str | None = "4242424242424242") -> None:
        """Enter a card into a form as its holder; without one the form is over."""
        self.ask("POST", f"/_config/forms/{reference}", params={} if card is None else {"card": card})

    def lead_elsewhere(self, origin: str) -> None:
        """Answer with addresses of another place for the forms that are opened from now on."""
        self.ask("POST", f"/_config/lead_elsewhere?origin={origin}")

    def lose_answers(self, number: int) -> None:
        """Let the next answers to charges and refunds get lost, after they were carried out."""
        self.ask("POST", f"/_config/lose_answers?count={number}")

    def forget_keys(self) -> None:
        """Forget all idempotency keys, as Stripe does after a day."""
        self.ask("POST", "/_config/forget_keys")


@dataclass(frozen=True)
class Shop:
    """A gateway with tokens that behave alike at each of them."""

    gateway: Gateway
    good: str
    label: str
    declining: str
    refused: str

    def method(self, token: str) -> str:
        """Attach a card and return its reference."""
        return self.gateway.attach("acme", "ann@example.com", token, new_key()).reference


@pytest.fixture(scope="session")
def stripe_server() -> Iterator[StripeServer]:
    server = StripeServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def stripe_gateway(stripe_server: StripeServer) -> StripeGateway:
    return StripeGateway(SecretStr(SECRET_KEY), SecretStr(WEBHOOK_SECRET), stripe_server.address)


@pytest.fixture
def fake_gateway(migrated: Database) -> FakeGateway:
    return FakeGateway(migrated, FAKE_SECRET)


@pytest.fixture(params=["fake", "stripe"])
def shop(request: pytest.FixtureRequest) -> Shop:
    if request.param == "fake":
        gateway = request.getfixturevalue("fake_gateway")
        return Shop(gateway, "fake_succeeds", "fake card that succeeds", "fake_declines", "fake_unheard_of")
    gateway = request.getfixturevalue("stripe_gateway")
    declined = "pm_card_visa_chargeDeclined"
    return Shop(gateway, "pm_card_visa", "visa ending 4242", "pm_card_chargeCustomerFail", declined)
