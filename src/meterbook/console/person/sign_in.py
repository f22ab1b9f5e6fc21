"""Signing in and out: the form, how often it may be tried, and the cookie that remembers it."""

from __future__ import annotations

import ipaddress
import secrets
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from meterbook.accounts import sign_in as sign_ins
from meterbook.accounts.prove import prove_session
from meterbook.console.address import way_back
from meterbook.console.languages import translations
from meterbook.console.pages import language_of, render
from meterbook.console.protection import (
    FORM_COOKIE,
    SESSION_COOKIE,
    check_post,
    drop_cookie,
    form_token,
    read_cookie,
    set_cookie,
)
from meterbook.console.requests import Books, Now
from meterbook.errors import Denied

router = APIRouter(include_in_schema=False)

# Attempts that failed: for one person from one address, and from one address for everybody.
_OF_A_PERSON: Final = parse("10 per 5 minutes")
_OF_AN_ADDRESS: Final = parse("60 per 5 minutes")
_RETRY_AFTER: Final = {"retry-after": "300"}
_IPV6_SUBSCRIBER: Final = 64  # bits of an IPv6 address that one subscriber cannot change


class Attempts:
    """How often signing in failed lately, in this process."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def begin(self, address: str, email: str) -> bool:
        """Count an attempt of a person, before the password is looked at; whether it may go ahead."""
        network = _network(address)
        return self._limiter.test(_OF_AN_ADDRESS, network) and self._limiter.hit(
            _OF_A_PERSON, network, _one_person(email)
        )

    def failed(self, address: str) -> None:
        """Count a failure against the address it came from."""
        self._limiter.hit(_OF_AN_ADDRESS, _network(address))

    def succeeded(self, address: str, email: str) -> None:
        """Forget the person's failures: whoever knows the password is not guessing it."""
        self._limiter.clear(_OF_A_PERSON, _network(address), _one_person(email))


@router.get("/sign-in")
def show_form(request: Request, session: Books, now: Now, next: str = "") -> Response:  # noqa: A002 - a field's name
    """Show the form, or go on at once when the reader is signed in."""
    token = read_cookie(request, SESSION_COOKIE)
    if token is not None:
        try:
            prove_session(session, token, now)
        except Denied:
            pass
        else:
            return RedirectResponse(way_back(next), 303)
    return _form(request, next)


@router.post("/sign-in")
def sign_in(
    request: Request,
    session: Books,
    now: Now,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    form_token: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "",  # noqa: A002 - a field's name
) -> Response:
    """Sign in and go to the page that was asked for, or show the form again with what was wrong."""
    words = translations(language_of(request))
    try:
        check_post(request, read_cookie(request, FORM_COOKIE), form_token)
    except Denied:
        return _form(request, next, email, words.gettext("This form was out of date. Please send it again."), 403)
    attempts: Attempts = request.app.state.sign_in_attempts
    address = request.client.host if request.client else ""
    if not attempts.begin(address, email):
        message = words.gettext("Too many attempts. Wait five minutes, then try again.")
        return _form(request, next, email, message, 429)
    hours: int = request.app.state.settings.session_hours
    try:
        token = sign_ins.sign_in(session, email, password, now, hours)
    except Denied:
        attempts.failed(address)
        return _form(request, next, email, words.gettext("The email or the password is wrong."), 401)
    attempts.succeeded(address, email)
    response = RedirectResponse(way_back(next), 303)
    set_cookie(request, response, SESSION_COOKIE, token, hours * 3600)
    drop_cookie(request, response, FORM_COOKIE)
    return response


@router.post("/sign-out")
def sign_out(request: Request, session: Books, now: Now, form_token: Annotated[str, Form()] = "") -> Response:
    """End the sign-in and show the form."""
    token = read_cookie(request, SESSION_COOKIE)
    response = RedirectResponse("/sign-in", 303)
    if token is not None:
        check_post(request, token, form_token)
        sign_ins.sign_out(session, token, now)
        drop_cookie(request, response, SESSION_COOKIE)
    return response


def _form(request: Request, wanted: str, email: str = "", message: str | None = None, status: int = 200) -> Response:
    secret = read_cookie(request, FORM_COOKIE) or secrets.token_urlsafe(32)
    response = render(
        request,
        "person/sign_in.html",
        language_of(request),
        status,
        _RETRY_AFTER if status == 429 else None,
        form_token=form_token(secret),
        next=way_back(wanted),
        email=email,
        message=message,
    )
    set_cookie(request, response, FORM_COOKIE, secret)
    return response


def _one_person(email: str) -> str:
    return email.strip().lower()[:254]


def _network(address: str) -> str:
    """Return what stands for a visitor: the IPv4 address, or the IPv6 network that one subscriber has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, _IPV6_SUBSCRIBER), strict=False))
