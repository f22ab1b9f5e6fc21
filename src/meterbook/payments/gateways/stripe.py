"""Cards through Stripe, by its official SDK: setup intents, payment intents without the customer, signed callbacks.

A method's reference is "cus_.../pm_...", a charge's is the payment intent's. The SDK is slow, so it is imported at its
first use. Stripe forgets idempotency keys after a day: each is also kept in the metadata of what it made, and looked
for there before anything is made again.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from meterbook.core.money import Money
from meterbook.errors import Busy, Invalid, Refused
from meterbook.payments.gateway import (
    KEY_LENGTH_MAX,
    MESSAGE_LENGTH_MAX,
    CardForm,
    ChargeResult,
    ChargeStatus,
    GatewayNews,
    Method,
    check_token,
    setup_over,
)
from meterbook.payments.gateways.stripe_amounts import stripe_units
from meterbook.payments.gateways.stripe_news import AUTHENTICATION_REQUIRED, KEY_FIELD, read_event
from meterbook.payments.signature import header_of, prove_signature

if TYPE_CHECKING:
    import stripe

SIGNATURE_HEADER: Final = "Stripe-Signature"
CHECKOUT_HOST: Final = "checkout.stripe.com"
ACCOUNT_FIELD: Final = "account"  # of metadata
CONNECT_SECONDS: Final = 10
ANSWER_SECONDS: Final = 40
# The SDK's own, with the same key: after a lost connection, a conflict, a server's error.
REPEATS: Final = 2
# How far back a key is looked for among one customer's charges, or one charge's refunds; Stripe's largest page.
EARLIER_MAX: Final = 100
_RETRY_AFTER_SECONDS: Final = 60
_STATUSES: Final = {
    "succeeded": ChargeStatus.succeeded,
    "processing": ChargeStatus.pending,
    "pending": ChargeStatus.pending,
    "requires_action": ChargeStatus.needs_action,
}
# A payment intent that was made and not tried yet: the repeat goes on with it.
_NOT_TRIED: Final = frozenset({"requires_confirmation", "requires_payment_method"})
_Answer = TypeVar("_Answer")
_log = structlog.get_logger(__name__)


class _Made(Protocol):
    """What a key made at Stripe: a payment intent or a refund."""

    @property
    def amount(self) -> int: ...
    @property
    def currency(self) -> str: ...
    @property
    def metadata(self) -> object: ...


_Kept = TypeVar("_Kept", bound=_Made)


class _NotDone(Exception):
    """Stripe's refusal: nothing was done. `code` and `reference` (of a payment intent) where it gives them."""

    def __init__(self, message: str, code: str | None, reference: str | None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reference = reference


class StripeGateway:
    """Cards at one Stripe account. `api_base` replaces Stripe's own address, for tests."""

    name: Final = "stripe"

    def __init__(self, secret_key: SecretStr, webhook_secret: SecretStr | None, api_base: str | None = None) -> None:
        self._secret_key = secret_key
        self._webhook_secret = webhook_secret
        self._api_base = api_base

    def attach(self, account_code: str, email: str, token: str, key: str) -> Method:
        """Set up a payment method (pm_...) or a card token (tok_...) for charges without the customer.

        Each call with a new key makes a Stripe customer of its own, which carries the account's code as metadata. A
        card whose bank wants its holder to confirm it first is refused.
        """
        check_token(token)
        if not token.startswith(("pm_", "tok_")):
            raise Invalid("A token of Stripe's card form begins with pm_ or tok_.", "wrong-token", field="token")
        try:
            return self._attach(account_code, email, token, key)
        except _NotDone as refusal:
            raise Refused(f"The card was refused: {refusal.message}", "card-refused") from None

    def begin_setup(self, account_code: str, email: str, return_url: str, language: str, key: str) -> CardForm:
        """Open a Checkout Session that sets a card up, for a new Stripe customer that bears the account's code."""
        try:
            customer = self._customer(account_code, email, key)
            session = self._ask(
                lambda c: c.v1.checkout.sessions.create(
                    {
                        "mode": "setup",
                        "customer": customer,
                        "allowed_payment_method_types": ["card"],
                        "metadata": {ACCOUNT_FIELD: account_code},
                        "success_url": f"{return_url}&session={{CHECKOUT_SESSION_ID}}",
                        "cancel_url": return_url,
                        "locale": language,
                    },
                    {"idempotency_key": _part(key, "session")},
                )
            )
        except _NotDone as refusal:
            raise Refused(f"Stripe opens no form for a card: {refusal.message}", "card-refused") from None
        return CardForm(session.id, self._own_address(session.url or ""))

    def end_setup(self, account_code: str, reference: str) -> Method | None:
        """Return the card of a Checkout Session that is complete; it then belongs to the session's customer."""
        try:
            session = self._ask(
                lambda c: c.v1.checkout.sessions.retrieve(reference, {"expand": ["setup_intent.payment_method"]})
            )
        except _NotDone:
            raise setup_over() from None
        if getattr(session.metadata, ACCOUNT_FIELD, None) != account_code or session.mode != "setup":
            raise setup_over()
        if session.status == "expired":
            raise setup_over()
        setup = session.setup_intent
        if session.status != "complete" or setup is None or isinstance(setup, str) or setup.status != "succeeded":
            return None
        customer, method = session.customer, setup.payment_method
        assert isinstance(customer, str), "the session was opened for its customer"
        assert method is not None, "a setup that succeeded has its card"
        assert not isinstance(method, str), "the card was asked for whole"
        return Method(f"{customer}/{method.id}", _label(method))

    def charge(
        self, method_reference: str, amount: Money, key: str, description: str, metadata: Mapping[str, str]
    ) -> ChargeResult:
        """Charge a card off-session; an amount that Stripe cannot charge to the last unit is declined."""
        assert 0 < len(key) <= KEY_LENGTH_MAX, "keys are made by Meterbook"
        assert amount.minor > 0, "only money above zero moves"
        customer, _, method = method_reference.partition("/")
        units = stripe_units(amount)
        if units is None:
            return ChargeResult(ChargeStatus.declined, None, _not_chargeable(amount))
        try:
            listed = self._ask(lambda c: c.v1.payment_intents.list({"customer": customer, "limit": EARLIER_MAX}))
            earlier = _made_with(key, units, amount, listed.data)
            if earlier is not None and (earlier.status not in _NOT_TRIED or earlier.last_payment_error is not None):
                return _charged(earlier)
            intent = self._ask(
                lambda c: c.v1.payment_intents.create(
                    {
                        "amount": units,
                        "currency": amount.currency.code.lower(),
                        "customer": customer,
                        "payment_method": method,
                        "allowed_payment_method_types": ["card"],
                        "off_session": True,
                        "confirm": True,
                        "description": description,
                        "metadata": {**metadata, KEY_FIELD: key},
                    },
                    {"idempotency_key": key},
                )
            )
        except _NotDone as refusal:
            return ChargeResult(_refusal_status(refusal.code), refusal.reference, refusal.message)
        return _charged(intent)

    def refund(self, charge_reference: str, amount: Money, key: str) -> ChargeResult:
        """Give back part or all of a payment intent."""
        assert 0 < len(key) <= KEY_LENGTH_MAX, "keys are made by Meterbook"
        assert amount.minor > 0, "only money above zero moves"
        units = stripe_units(amount)
        if units is None:
            return ChargeResult(ChargeStatus.declined, None, _not_chargeable(amount))
        of = charge_reference
        try:
            listed = self._ask(lambda c: c.v1.refunds.list({"payment_intent": of, "limit": EARLIER_MAX}))
            refund = _made_with(key, units, amount, listed.data) or self._ask(
                lambda c: c.v1.refunds.create(
                    {"payment_intent": of, "amount": units, "metadata": {KEY_FIELD: key}}, {"idempotency_key": key}
                )
            )
        except _NotDone as refusal:
            return ChargeResult(ChargeStatus.declined, None, refusal.message)
        status = _STATUSES.get(refund.status or "", ChargeStatus.declined)
        # A refund that waits for the payer's bank details is under way as far as the books go.
        status = ChargeStatus.pending if status is ChargeStatus.needs_action else status
        return ChargeResult(status, refund.id, getattr(refund, "failure_reason", None) or "")

    def news_of(self, body: bytes, headers: Mapping[str, str], now: datetime) -> GatewayNews:
        """Read an event that Stripe signed with the webhook's secret."""
        if self._webhook_secret is None:
            raise Invalid(
                "Stripe's callbacks cannot be proven: set METERBOOK_STRIPE_WEBHOOK_SECRET to the secret of the "
                "webhook (whsec_...).",
                "gateway-not-set-up",
            )
        prove_signature(body, header_of(headers, SIGNATURE_HEADER), self._webhook_secret.get_secret_value(), now)
        return read_event(body)

    def _attach(self, account_code: str, email: str, token: str, key: str) -> Method:
        if token.startswith("tok_"):
            token = self._ask(
                lambda c: c.v1.payment_methods.create(
                    {"type": "card", "card": {"token": token}}, {"idempotency_key": _part(key, "method")}
                )
            ).id
        customer = self._customer(account_code, email, key)
        setup = self._ask(
            lambda c: c.v1.setup_intents.create(
                {"customer": customer, "usage": "off_session", "allowed_payment_method_types": ["card"]},
                {"idempotency_key": _part(key, "setup")},
            )
        ).id
        confirmed = self._ask(
            lambda c: c.v1.setup_intents.confirm(
                setup, {"payment_method": token}, {"idempotency_key": _part(key, "confirm")}
            )
        )
        if confirmed.status != "succeeded":
            raise _NotDone("its bank wants the holder to confirm it first. Use another card.", confirmed.status, None)
        method = confirmed.payment_method
        reference = method if isinstance(method, str) else method.id if method is not None else token
        kept = self._ask(lambda c: c.v1.payment_methods.retrieve(reference))
        return Method(f"{customer}/{reference}", _label(kept))

    def _customer(self, account_code: str, email: str, key: str) -> str:
        return self._ask(
            lambda c: c.v1.customers.create(
                {"email": email, "metadata": {ACCOUNT_FIELD: account_code}}, {"idempotency_key": _part(key, "customer")}
            )
        ).id

    def _own_address(self, url: str) -> str:
        """Return the address of a form if it is Stripe's: nobody is led anywhere else to enter a card."""
        place = urlsplit(url)
        tests = urlsplit(self._api_base or "")
        if (place.scheme, place.netloc) not in {("https", CHECKOUT_HOST), (tests.scheme, tests.netloc)} - {("", "")}:
            _log.warning("stripe answered with an address of another place", host=place.netloc)
            raise _unavailable(denied=False)
        return url

    def _ask(self, call: Callable[[stripe.StripeClient], _Answer]) -> _Answer:
        """Make one call; raises `_NotDone` for a refusal, `Busy` when it cannot be known what was done."""
        client = _client(self._secret_key.get_secret_value(), self._api_base)
        import stripe

        try:
            return call(client)
        except (stripe.CardError, stripe.InvalidRequestError) as error:
            intent = getattr(error.error, "payment_intent", None)
            message = (error.user_message or "no reason was given")[:MESSAGE_LENGTH_MAX]
            raise _NotDone(message, error.code, getattr(intent, "id", None)) from None
        except stripe.StripeError as error:
            if isinstance(error, stripe.IdempotencyError) and error.http_status != 409:
                raise _key_reused() from None
            # Its text may hold a part of the key, or what was sent.
            _log.warning(
                "stripe cannot be asked", error=type(error).__name__, status=error.http_status, request=error.request_id
            )
            raise _unavailable(denied=isinstance(error, stripe.AuthenticationError | stripe.PermissionError)) from None


@functools.lru_cache(maxsize=4)
def _client(secret_key: str, api_base: str | None) -> stripe.StripeClient:
    """Return the client of an account; it is made once, as it holds the connections."""
    import stripe

    # It would tell Stripe about this machine, and write a file into the user's home.
    stripe.enable_telemetry = False
    # Its lines at lower levels hold what was sent and answered.
    logging.getLogger("stripe").setLevel(logging.WARNING)
    return stripe.StripeClient(
        secret_key,
        base_addresses={} if api_base is None else {"api": api_base.rstrip("/")},
        http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, ANSWER_SECONDS)),
        max_network_retries=REPEATS,
    )


def _label(method: stripe.PaymentMethod) -> str:
    card = getattr(method, "card", None)
    return "card" if card is None else f"{card.brand} ending {card.last4}"


def _made_with(key: str, units: int, amount: Money, listed: Iterable[_Kept]) -> _Kept | None:
    """Return what this key has made already; `Refused` when that was for another amount."""
    made = next((one for one in listed if getattr(one.metadata, KEY_FIELD, None) == key), None)
    if made is not None and (made.amount, made.currency) != (units, amount.currency.code.lower()):
        raise _key_reused()
    return made


def _charged(intent: stripe.PaymentIntent) -> ChargeResult:
    problem = intent.last_payment_error
    status = _STATUSES.get(intent.status) or _refusal_status(problem.code if problem is not None else None)
    # Fields that do not apply are left out of the SDK's objects.
    redirect = getattr(intent.next_action, "redirect_to_url", None)
    message = "" if status is ChargeStatus.succeeded or problem is None else problem.message or ""
    return ChargeResult(status, intent.id, message[:MESSAGE_LENGTH_MAX], getattr(redirect, "url", None))


def _refusal_status(code: str | None) -> ChargeStatus:
    return ChargeStatus.needs_action if code == AUTHENTICATION_REQUIRED else ChargeStatus.declined


def _part(key: str, step: str) -> str:
    """Return the key of one of several calls made under one key."""
    return f"{hashlib.sha256(key.encode()).hexdigest()}-{step}"


def _not_chargeable(amount: Money) -> str:
    return f"Stripe cannot move {amount.currency.code} {amount} to the last unit: pay it another way."


def _key_reused() -> Refused:
    return Refused("This key was used for another charge or refund: use a new one.", "idempotency-key-reused")


def _unavailable(*, denied: bool) -> Busy:
    if denied:
        what = "Stripe does not accept METERBOOK_STRIPE_SECRET_KEY: set a valid key; until then nothing is charged."
    else:
        what = "Stripe did not answer: try again with the same key, which has one effect."
    return Busy(what, "gateway-unavailable", retry_after=_RETRY_AFTER_SECONDS)
