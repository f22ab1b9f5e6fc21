"""Which ways to pay an account is offered: by its currency, and by the gateways that are set up."""

from __future__ import annotations

from typing import Final

from meterbook.payments.gateways.open import takes_fake_cards
from meterbook.settings import Settings

# Who is billed in won expects a tax invoice for each transfer; elsewhere the invoice itself is the paper.
TAX_INVOICE_CURRENCIES: Final = frozenset({"KRW"})


def takes_cards(settings: Settings) -> bool:
    """Whether some gateway takes cards: Stripe, or the fake one where it may be used."""
    return settings.stripe_secret_key is not None or takes_fake_cards(settings)


def methods_for(currency: str, settings: Settings) -> tuple[str, ...]:
    """Return the methods that an account of a currency is offered, the usual one first.

    A card where a gateway takes cards; a bank transfer with a tax invoice for won, the invoice alone for every other
    currency. The operator, and a program with a key of the account, may register any method.
    """
    by_bank = "bank_transfer" if currency in TAX_INVOICE_CURRENCIES else "send_invoice"
    return ("card", by_bank) if takes_cards(settings) else (by_bank,)


def needs_registration_number(method: str) -> bool:
    """Whether the paper of a method cannot be written without the payer's registration number: a tax invoice."""
    return method == "bank_transfer"
