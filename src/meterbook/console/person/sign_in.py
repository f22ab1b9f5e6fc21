"""Signing in and out: the form, how often it may be tried, and the cookie that remembers it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from meterbook.accounts import sign_in as sign_ins
from meterbook.accounts import two_factor
from meterbook.accounts.prove import prove_session
from meterbook.accounts.tables import User
from meterbook.console.address import address_of, way_back
from meterbook.console.languages import translations
from meterbook.console.pages import language_of
from meterbook.console.person.attempts import Attempts
from meterbook.console.person.visitor import CODE_PATH, address_of_visitor, browser_of, go_in, is_genuine, show_card
from meterbook.console.protection import SESSION_COOKIE, check_post, drop_cookie, read_cookie
from meterbook.console.requests import Books, Now
from meterbook.errors import Denied

router = APIRouter(include_in_schema=False)

RETRY_AFTER: Final = {"retry-after": "300"}


@router.get("/sign-in")
def show_form(
    request: Request, session: Books, now: Now, wanted: Annotated[str, Query(alias="next")] = "", done: str = ""
) -> Response:
    """Show the form, or go on at once when the reader is signed in; `done` says what led here."""
    token = read_cookie(request, SESSION_COOKIE)
    if token is not None:
        try:
            prove_session(session, token, now)
        except Denied:
            pass
        else:
            return RedirectResponse(way_back(wanted), 303)
    return _form(request, wanted, done=done)


@router.post("/sign-in")
def sign_in(
    request: Request,
    session: Books,
    now: Now,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    form_token: Annotated[str, Form()] = "",
    wanted: Annotated[str, Form(alias="next")] = "",
) -> Response:
    """Sign in and go to the page that was asked for, or show the form again with what was wrong."""
    words = translations(language_of(request))
    if not is_genuine(request, form_token):
        return _form(request, wanted, email, words.gettext("This form was out of date. Please send it again."), 403)
    attempts: Attempts = request.app.state.sign_in_attempts
    address = address_of_visitor(request)
    if not attempts.begin(now, address, email):
        message = words.gettext("Too many attempts. Wait five minutes, then try again.")
        return _form(request, wanted, email, message, 429)
    hours: int = request.app.state.settings.session_hours
    try:
        made = sign_ins.sign_in(session, email, password, now, hours, browser_of(request))
    except Denied:
        attempts.failed(now, address)
        return _form(request, wanted, email, words.gettext("The email or the password is wrong."), 401)
    attempts.succeeded(address, email)
    return go_in(request, way_back(wanted), made)


@router.get(CODE_PATH)
def show_code(request: Request, session: Books, now: Now, wanted: Annotated[str, Query(alias="next")] = "") -> Response:
    """Ask for the code of the app of whoever has just given their password; nobody else is asked for one."""
    if _awaiting(request, session, now) is None:
        return RedirectResponse(address_of("/sign-in", next=wanted), 303)
    return _code_form(request, wanted)


@router.post(CODE_PATH)
def take_code(
    request: Request,
    session: Books,
    now: Now,
    code: Annotated[str, Form(max_length=200)] = "",
    form_token: Annotated[str, Form()] = "",
    wanted: Annotated[str, Form(alias="next")] = "",
) -> Response:
    """Sign in and go to the page that was asked for, or ask again with what was wrong."""
    words, awaiting = translations(language_of(request)), _awaiting(request, session, now)
    if awaiting is None:
        return RedirectResponse(address_of("/sign-in", next=wanted), 303)
    if not is_genuine(request, form_token):
        return _code_form(request, wanted, words.gettext("This form was out of date. Please send it again."), 403)
    user, token = awaiting
    attempts: Attempts = request.app.state.sign_in_attempts
    if not attempts.may_give_code(now, user.email):
        return _code_form(request, wanted, words.gettext("Too many wrong codes. Wait an hour, then try again."), 429)
    if not two_factor.take_code(session, now, user=user, code=code):
        message = words.gettext("This code is wrong or over. Take the one that the app shows now.")
        return _code_form(request, wanted, message, 401)
    attempts.gave_code(user.email)
    hours: int = request.app.state.settings.session_hours
    return go_in(request, way_back(wanted), sign_ins.end_awaiting(session, token, now, hours))


def _awaiting(request: Request, session: Books, now: Now) -> tuple[User, str] | None:
    """Return whose code is awaited, and the token of that sign-in; None where none is."""
    token = read_cookie(request, SESSION_COOKIE)
    if token is None:
        return None
    try:
        return sign_ins.awaiting_code(session, token, now), token
    except Denied:
        return None


def _code_form(request: Request, wanted: str, message: str | None = None, status: int = 200) -> Response:
    headers = {"retry-after": "3600"} if status == 429 else None
    return show_card(request, "code.html", status, headers, next=way_back(wanted), message=message)


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


def _form(
    request: Request, wanted: str, email: str = "", message: str | None = None, status: int = 200, done: str = ""
) -> Response:
    headers = RETRY_AFTER if status == 429 else None
    return show_card(
        request, "sign_in.html", status, headers, next=way_back(wanted), email=email, message=message, done=done
    )
