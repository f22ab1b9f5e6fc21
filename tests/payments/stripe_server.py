"""A local Stripe: localstripe, with what Stripe does and localstripe 1.15 does not.

Added: idempotency keys (answers kept and given again, 409 while the first is under way, 400 for other contents),
limits of refunds, `description` and `allowed_payment_method_types` (and the refusal of `payment_method_types`, which
Stripe has dropped), card tokens, lists of a customer's payment intents, the refusal of an off-session charge that needs
the cardholder, Checkout Sessions that set a card up, and, for the tests, answers that are lost on their way.
Run as `python -m tests.payments.stripe_server PORT`.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from localstripe.errors import UserError
from localstripe.resources import List, PaymentIntent, PaymentMethod, Refund, SetupIntent, StripeObject, store
from localstripe.server import api_create, api_retrieve, app

ALWAYS_AUTHENTICATES = "4000002760003184"
_TOKENS = {"tok_visa": "4242424242424242", "tok_chargeCustomerFail": "4000000000000341"}
_kept: dict[str, tuple[object, web.Response | None]] = {}
_play: dict[str, Any] = {"answers": 0, "form_origin": ""}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def idempotent(request: web.Request, handler: Handler) -> web.StreamResponse:
    key = request.headers.get("Idempotency-Key")
    if request.method != "POST" or key is None:
        return await handler(request)
    answer = await _once(request, key, handler)
    if _play["answers"] and request.path in ("/v1/payment_intents", "/v1/refunds"):
        _play["answers"] -= 1
        assert request.transport is not None
        request.transport.abort()
    return answer


async def _once(request: web.Request, key: str, handler: Handler) -> web.Response:
    asked = (request.path, await request.read())
    if key in _kept:
        first, kept = _kept[key]
        if first != asked:
            return _error(400, "Keys can only be used with the parameters they were first used with.")
        return _again(kept) if kept is not None else _error(409, "The key is being used.", "idempotency_key_in_use")
    _kept[key] = (asked, None)
    # Long enough for others to arrive meanwhile.
    await asyncio.sleep(0.05)
    answer = await handler(request)
    assert isinstance(answer, web.Response)
    if answer.status in (200, 402):
        _kept[key] = (asked, answer)
    else:
        del _kept[key]
    return answer


def _again(answer: web.Response) -> web.Response:
    return web.Response(body=answer.body, status=answer.status, content_type="application/json")


def _error(status: int, message: str, code: str | None = None) -> web.Response:
    problem = {"type": "idempotency_error", "message": message, "code": code}
    return web.json_response({"error": problem}, status=status)


async def lose_answers(request: web.Request) -> web.Response:
    _play["answers"] = int(request.query["count"])
    return web.Response()


async def forget_keys(request: web.Request) -> web.Response:
    del request
    _kept.clear()
    return web.Response()


def _with_methods(create: Any) -> Any:
    def checked(cls: Any, **data: Any) -> Any:
        if "payment_method_types" in data:
            raise UserError(400, "No longer supported.", {"code": "payment_method_types_no_longer_supported"})
        return create(cls, payment_method_types=data.pop("allowed_payment_method_types", None), **data)

    return checked


def _charged(create: Any) -> Any:
    def checked(cls: Any, description: str | None = None, **data: Any) -> Any:
        method = PaymentMethod._api_retrieve(data["payment_method"])
        if getattr(method, "_card_number", "") != ALWAYS_AUTHENTICATES:
            made = create(cls, **data)
            made.description = description
            return made
        made = PaymentIntent(**{name: value for name, value in data.items() if name not in ("confirm", "off_session")})
        made.payment_method = None
        made._off_session_error = {
            "code": "authentication_required",
            "message": "Your card was declined. This transaction requires authentication.",
        }
        raise UserError(402, contents={**made._off_session_error, "payment_intent": made._export()})

    return checked


def _listed(cls: Any, /, url: str, customer: str | None = None, limit: str | None = None, **others: Any) -> Any:
    del cls, others
    listed = List(url, limit=limit)
    made = [one for key, one in store.items() if key.startswith("payment_intent:")]
    listed._list = [one for one in reversed(made) if customer in (None, one.customer)]
    return listed


def _refunded(create: Any) -> Any:
    def checked(cls: Any, **data: Any) -> Any:
        if "payment_intent" in data:
            charge = PaymentIntent._api_retrieve(data["payment_intent"]).latest_charge
            if charge is None or int(data["amount"]) > charge.amount - charge.amount_refunded:
                raise UserError(400, "Refund amount is greater than unrefunded amount on charge.")
        return create(cls, **data)

    return checked


def _from_token(create: Any) -> Any:
    def checked(cls: Any, **data: Any) -> Any:
        token = (data.get("card") or {}).get("token")
        if token is not None:
            if token not in _TOKENS:
                raise UserError(400, "No such token.", {"code": "resource_missing"})
            data["card"] = {"number": _TOKENS[token], "exp_month": "12", "exp_year": "2040", "cvc": "123"}
        return create(cls, **data)

    return checked


def _error_of(property_: Any) -> property:
    return property(lambda intent: getattr(intent, "_off_session_error", None) or property_.fget(intent))


class CheckoutSession(StripeObject):  # type: ignore[misc]  # localstripe has no types
    """A form on Stripe's own page for one card of a customer."""

    object = "checkout.session"
    _id_prefix = "cs_test_"

    def __init__(
        self,
        mode: str,
        customer: str,
        allowed_payment_method_types: list[str],
        success_url: str,
        cancel_url: str,
        locale: str,
        metadata: dict[str, str],
        **others: Any,
    ) -> None:
        if others or mode != "setup" or "{CHECKOUT_SESSION_ID}" not in success_url:
            raise UserError(400, f"Unexpected {', '.join(others) or mode}")
        super().__init__()
        intent = SetupIntent(customer=customer, payment_method_types=allowed_payment_method_types)
        self.mode, self.customer, self.setup_intent = mode, customer, intent.id
        self.success_url, self.cancel_url, self.locale, self.metadata = success_url, cancel_url, locale, metadata
        self.status = "open"
        self.url: str | None = f"{_play['form_origin']}/c/pay/{self.id}"


async def fill_form(request: web.Request) -> web.Response:
    """Play the cardholder: enter a card, or leave with nothing."""
    session = CheckoutSession._api_retrieve(request.match_info["id"])
    number = request.query.get("card")
    session.url = None
    if number is None:
        session.status = "expired"
        return web.Response()
    card = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    method = PaymentMethod(type="card", card=card)
    PaymentMethod._api_attach(method.id, customer=session.customer)
    intent = SetupIntent._api_retrieve(session.setup_intent)
    # in the form its holder confirms a card whose bank asks for it
    intent.payment_method, intent.status, session.status = method.id, "succeeded", "complete"
    return web.json_response({"to": session.success_url.replace("{CHECKOUT_SESSION_ID}", session.id)})


async def lead_elsewhere(request: web.Request) -> web.Response:
    _play["form_origin"] = request.query["origin"]
    return web.Response()


def extend() -> None:
    """Put in what is missing."""
    # Its state would be written to a fixed file in the folder for temporary files.
    type(store).dump_to_disk = lambda _: None
    for cls, wrap in (
        (PaymentIntent, _charged),
        (PaymentIntent, _with_methods),
        (SetupIntent, _with_methods),
        (PaymentMethod, _from_token),
        (Refund, _refunded),
    ):
        cls._api_create = classmethod(wrap(cls._api_create.__func__))
    PaymentIntent._api_list_all = classmethod(_listed)
    PaymentIntent.last_payment_error = _error_of(PaymentIntent.last_payment_error)
    app.middlewares.insert(0, idempotent)
    app.router.add_post("/_config/lose_answers", lose_answers)
    app.router.add_post("/_config/forget_keys", forget_keys)
    app.router.add_post("/_config/forms/{id}", fill_form)
    app.router.add_post("/_config/lead_elsewhere", lead_elsewhere)
    app.router.add_post("/v1/checkout/sessions", api_create(CheckoutSession, ""))
    app.router.add_get("/v1/checkout/sessions/{id}", api_retrieve(CheckoutSession, ""))


def main(port: int) -> None:
    extend()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        _play["form_origin"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        web.run_app(app, sock=listener, access_log=None, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
