"""What a payment gateway is: the protocol, its answers, and what may be handed to one.

No card number reaches Meterbook: people give it to the gateway, and Meterbook gets a token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from meterbook.core.money import Money
from meterbook.errors import Invalid, Refused

TOKEN_LENGTH_MAX: Final = 255
KEY_LENGTH_MAX: Final = 255
NEWS_BYTES_MAX: Final = 1 << 20
MESSAGE_LENGTH_MAX: Final = 500
# ISO/IEC 7812: how many digits a card number has.
_CARD_DIGITS_MIN: Final = 13
_CARD_DIGITS_MAX: Final = 19
# Digits as people group them: 4242 4242 4242 4242, 4242-4242-...
_GROUPS: Final = re.compile(r"\d+(?:[ .\-_]\d+)*")


class ChargeStatus(StrEnum):
    """What became of a charge or a refund.

    succeeded: the money moved. declined: it did not and will not under this key. needs_action: the cardholder has to
    confirm first. pending: it is under way, and news or the operator will tell.
    """

    succeeded = "succeeded"
    declined = "declined"
    needs_action = "needs_action"
    pending = "pending"


class NewsKind(StrEnum):
    """What a gateway's callback tells; `ignored` is what Meterbook has no use for.

    charge_disputed: the money of a charge was taken back for its holder. dispute_won: it came again.
    """

    charge_succeeded = "charge_succeeded"
    charge_failed = "charge_failed"
    refund_succeeded = "refund_succeeded"
    refund_failed = "refund_failed"
    charge_disputed = "charge_disputed"
    dispute_won = "dispute_won"
    ignored = "ignored"


@dataclass(frozen=True, slots=True)
class Method:
    """A stored way to pay: the gateway's reference, and what people recognize it by ("visa ending 4242")."""

    reference: str
    label: str


@dataclass(frozen=True, slots=True)
class ChargeResult:
    """The answer to a charge or a refund.

    `reference` is the gateway's own (of the charge, or of the refund); None when it has none. `message` is for people.
    `action_url` is where the cardholder confirms, if the gateway has such a page.
    """

    status: ChargeStatus
    reference: str | None
    message: str = ""
    action_url: str | None = None


@dataclass(frozen=True, slots=True)
class GatewayNews:
    """A gateway's callback, its signature proven. `id` is the same whenever it is sent again.

    `key` and `metadata` are those that the charge was made with (of a refund: its own key, no metadata); None and
    empty for money that was moved without Meterbook, and of a dispute. `amount_minor` is in minor units of `currency`
    (ISO 4217).
    """

    id: str
    kind: NewsKind
    at: datetime
    charge_reference: str | None = None
    refund_reference: str | None = None
    dispute_reference: str | None = None
    key: str | None = None
    metadata: Mapping[str, str] | None = None
    amount_minor: int | None = None
    currency: str | None = None
    message: str = ""


class Gateway(Protocol):
    """A way to be paid. Every call may be repeated with its key and has one effect.

    A gateway that is away, or from which no answer came, raises `Busy` "gateway-unavailable": the outcome is unknown,
    and the same call with the same key has to be made again. A key that comes back with another amount or method is
    `Refused` "idempotency-key-reused".
    """

    @property
    def name(self) -> str:
        """Its name in payment information and in addresses."""
        ...

    def attach(self, account_code: str, email: str, token: str, key: str) -> Method:
        """Have the gateway check what a token stands for and keep it for charges without the customer.

        Raises `Refused` "card-refused" with its reason, `Invalid` for a token that is none (`check_token`).
        """
        ...

    def charge(
        self, method_reference: str, amount: Money, key: str, description: str, metadata: Mapping[str, str]
    ) -> ChargeResult:
        """Charge an amount above zero to an attached method. `metadata` comes back with the news of this charge."""
        ...

    def refund(self, charge_reference: str, amount: Money, key: str) -> ChargeResult:
        """Give back part or all of a charge; more than is left of it is declined."""
        ...

    def news_of(self, body: bytes, headers: Mapping[str, str], now: datetime) -> GatewayNews:
        """Read a callback and prove that the gateway sent it.

        Raises `Denied` "wrong-signature" for a missing or wrong signature, "old-signature" when it is over five
        minutes off `now`, `Invalid` "broken-body" when what is signed cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class CardForm:
    """A gateway's own form for one card: its reference there, and where the cardholder's browser is led to.

    `url` is the gateway's over https; of the fake gateway, a path of the console.
    """

    reference: str
    url: str


class CardGateway(Gateway, Protocol):
    """A gateway that keeps cards, entered by their holders in a form of its own."""

    def begin_setup(self, account_code: str, email: str, return_url: str, language: str, key: str) -> CardForm:
        """Open a form for a card of an account, in one of Meterbook's languages.

        It leads the browser back to `return_url` (absolute, with a query), with the form's reference as `session` once
        the card is kept. Raises `Busy` as every call does.
        """
        ...

    def end_setup(self, account_code: str, reference: str) -> Method | None:
        """Return the card that was entered into a form, always the same one; None while the form is open.

        Raises `Refused` "card-setup-over" for a form that is closed without a card, of another account, or unknown.
        """
        ...


def setup_over() -> Refused:
    """Return the refusal of a form that no card comes from any more."""
    return Refused("This form for a card is not open any more: begin again.", "card-setup-over")


def check_token(token: str) -> str:
    """Return a gateway's token: 1 to 255 printable ASCII characters without spaces, and no card number.

    Raises `Invalid` "card-number-refused" or "wrong-token"; no message repeats what was given.
    """
    refuse_card_number(token)
    if not 0 < len(token) <= TOKEN_LENGTH_MAX or not all("!" <= sign <= "~" for sign in token):
        raise Invalid(
            f"The token has to have 1 to {TOKEN_LENGTH_MAX} printable ASCII characters without spaces: "
            "send the one that the gateway's card form gave.",
            "wrong-token",
            field="token",
        )
    return token


def refuse_card_number(text: str) -> None:
    """Raise `Invalid` "card-number-refused" when a text holds 13 to 19 digits that make a card number (Luhn)."""
    if any(_luhn(digits) for run in _GROUPS.findall(text) for digits in _neighbours(re.findall(r"\d+", run))):
        raise Invalid(
            "This looks like a card number, and Meterbook takes none: enter the card in the gateway's own form "
            "and send the token that it gives.",
            "card-number-refused",
            field="token",
        )


def _neighbours(groups: list[str]) -> Iterator[str]:
    """Yield what neighbouring groups make together, as long as card numbers are: a date may stand beside one."""
    for first in range(len(groups)):
        digits = ""
        for group in groups[first:]:
            digits += group
            if len(digits) > _CARD_DIGITS_MAX:
                break
            if len(digits) >= _CARD_DIGITS_MIN:
                yield digits


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0
