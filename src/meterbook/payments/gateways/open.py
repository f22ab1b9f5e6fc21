"""Open a gateway by its name, with what the settings and the data folder hold for it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from meterbook.database import Database
from meterbook.errors import Invalid
from meterbook.payments.gateway import CardGateway, Gateway
from meterbook.payments.gateways.bank_transfer import BankTransfer
from meterbook.payments.gateways.fake import FakeGateway
from meterbook.payments.gateways.stripe import StripeGateway
from meterbook.settings import Settings

CARD_GATEWAYS: Final = ("stripe", "fake")
GATEWAYS: Final = ("stripe", "bank_transfer", "send_invoice", "fake")
FAKE_SIGNING_FILE: Final = "fake-gateway.secret"


def takes_fake_cards(settings: Settings) -> bool:
    """Whether the fake gateway may be used: by its setting, else with the embedded database; never beside Stripe."""
    wanted = settings.database_url is None if settings.fake_gateway is None else settings.fake_gateway
    return wanted and settings.stripe_secret_key is None


def default_gateway(settings: Settings) -> str:
    """Return the gateway that takes cards when none is named."""
    return "stripe" if settings.stripe_secret_key is not None else "fake"


def open_gateway(name: str, settings: Settings, database: Database) -> Gateway:
    """Open a gateway.

    Raises `Invalid`: "unknown-gateway" naming those that there are, "gateway-not-set-up" naming what to set.
    """
    match name:
        case "stripe":
            if settings.stripe_secret_key is None:
                raise Invalid(
                    "Stripe is not set up: set METERBOOK_STRIPE_SECRET_KEY and METERBOOK_STRIPE_WEBHOOK_SECRET.",
                    "gateway-not-set-up",
                )
            return StripeGateway(settings.stripe_secret_key, settings.stripe_webhook_secret, settings.stripe_api_base)
        case "bank_transfer" | "send_invoice":
            return BankTransfer(name)
        case "fake":
            if not takes_fake_cards(settings):
                raise Invalid(
                    "The fake gateway moves no money and is off here: set METERBOOK_STRIPE_SECRET_KEY up for cards.",
                    "gateway-not-set-up",
                )
            return FakeGateway(database, fake_secret(settings.data_dir))
        case _:
            raise Invalid(f"There is no such gateway: use {', '.join(GATEWAYS)}.", "unknown-gateway", field="gateway")


def open_card_gateway(settings: Settings, database: Database) -> CardGateway:
    """Open the gateway that takes cards in a form of its own; raises `Invalid` "gateway-not-set-up"."""
    gateway = open_gateway(default_gateway(settings), settings, database)
    assert isinstance(gateway, StripeGateway | FakeGateway), "the default gateway takes cards"
    return gateway


def fake_secret(data_dir: Path) -> str:
    """Return the secret that signs the fake gateway's callbacks: the folder's own, made at random at its first use."""
    path = data_dir / FAKE_SIGNING_FILE
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        try:
            # Of two processes at once, the first one's stays, and it is there whole or not at all.
            os.link(half, path)
        except FileExistsError:
            pass
        finally:
            half.unlink()
    return path.read_text(encoding="ascii").strip()
