"""Payment by bank: the customer transfers, the operator records it; nothing here speaks to a bank.

Two methods differ in what the customer gets: a tax invoice (`bank_transfer`), or the invoice alone (`send_invoice`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from meterbook.core.money import Money
from meterbook.errors import Denied
from meterbook.payments.gateway import ChargeResult, ChargeStatus, GatewayNews, Method, refuse_card_number

BankMethod = Literal["bank_transfer", "send_invoice"]
_LABELS: Final[dict[str, str]] = {"bank_transfer": "bank transfer", "send_invoice": "invoice by mail"}


class BankTransfer:
    """A way to pay in which people move the money. It keeps nothing, so that every repeat is the same."""

    def __init__(self, name: BankMethod = "bank_transfer") -> None:
        self._name: BankMethod = name

    @property
    def name(self) -> str:
        """`bank_transfer` or `send_invoice`."""
        return self._name

    def attach(self, account_code: str, email: str, token: str, key: str) -> Method:
        """Return the account's way to pay; no token is needed, and one that is a card number is refused."""
        del email, key
        refuse_card_number(token)
        return Method(f"{self._name}/{account_code}", _LABELS[self._name])

    def charge(
        self, method_reference: str, amount: Money, key: str, description: str, metadata: Mapping[str, str]
    ) -> ChargeResult:
        """Answer `pending` with the instruction: the money counts once the operator has recorded it."""
        del method_reference, key, metadata
        return ChargeResult(
            ChargeStatus.pending,
            None,
            f"Please transfer {amount.currency.code} {amount} and name {description}; "
            "the payment counts once it is recorded.",
        )

    def refund(self, charge_reference: str, amount: Money, key: str) -> ChargeResult:
        """Answer `pending`: the operator transfers the money back and then records the refund as done."""
        del key
        return ChargeResult(
            ChargeStatus.pending,
            None,
            f"Transfer {amount.currency.code} {amount} back to the payer of {charge_reference}, "
            "then record the refund.",
        )

    def news_of(self, body: bytes, headers: Mapping[str, str], now: datetime) -> GatewayNews:
        """Refuse: no bank calls here, so whoever does is a stranger."""
        del body, headers, now
        raise Denied("Bank transfers have no callbacks: record the payment instead.", "wrong-signature")
