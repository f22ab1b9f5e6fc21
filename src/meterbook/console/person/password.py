"""A forgotten password: asking for a letter, and choosing a new one by the link in it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from meterbook.accounts.choose_password import ask_for_password, choose_password
from meterbook.accounts.one_time_link import Purpose, holder_of
from meterbook.console.languages import translations
from meterbook.console.pages import language_of
from meterbook.console.person.attempts import LettersAsked
from meterbook.console.person.link import LINK_HEADERS, link_over
from meterbook.console.person.problem import Problem, problem_of, too_many_letters
from meterbook.console.person.visitor import address_of_visitor, is_genuine, show_card
from meterbook.console.protection import SESSION_COOKIE, drop_cookie
from meterbook.console.requests import Books, Now
from meterbook.errors import Invalid, NotFound

router = APIRouter(include_in_schema=False)
FORGOTTEN: Final = "/forgotten-password"
LETTERS_RETRY_AFTER: Final = {"retry-after": "900"}


@router.get(FORGOTTEN)
def forgotten_password(request: Request, done: str = "") -> Response:
    """Ask for the e-mail, or say that a letter is on its way if there is somebody to get it."""
    return show_card(request, "forgotten_password.html", email="", message=None, done=done)


@router.post(FORGOTTEN)
def ask(
    request: Request,
    session: Books,
    now: Now,
    email: Annotated[str, Form()] = "",
    form_token: Annotated[str, Form()] = "",
) -> Response:
    """Queue a letter; the answer and the work are the same whether or not somebody has the e-mail."""
    words = translations(language_of(request))
    if not is_genuine(request, form_token):
        return _again(request, email, words.gettext("This form was out of date. Please send it again."), 403)
    asked: LettersAsked = request.app.state.letters_asked
    if not asked.may_ask(now, address_of_visitor(request), email):
        return _again(request, email, too_many_letters("letter", language_of(request)).message, 429)
    ask_for_password(session, email=email, language=language_of(request))
    return RedirectResponse(f"{FORGOTTEN}?done=sent", 303)


@router.get("/password/{token}")
def show_form(request: Request, session: Books, now: Now, token: str) -> Response:
    """Show the form to choose a new password; looking does not use the link up."""
    try:
        user = holder_of(session, now, token=token, purpose=Purpose.password)
    except NotFound:
        return link_over(request)
    return _form(request, token, user.email)


@router.post("/password/{token}")
def choose(
    request: Request,
    session: Books,
    now: Now,
    token: str,
    password: Annotated[str, Form()] = "",
    form_token: Annotated[str, Form()] = "",
) -> Response:
    """Write the new password, end every sign-in of the person, and lead to the form to sign in."""
    language = language_of(request)
    try:
        user = holder_of(session, now, token=token, purpose=Purpose.password)
        if not is_genuine(request, form_token):
            stale = translations(language).gettext("This form was out of date. Please send it again.")
            return _form(request, token, user.email, Problem("password", None, stale), 403)
        choose_password(session, now, token=token, password=password, language=language)
    except NotFound:
        return link_over(request)
    except Invalid as error:
        return _form(request, token, user.email, problem_of(error, "password", language), 422)
    response = RedirectResponse("/sign-in?done=password", 303)
    drop_cookie(request, response, SESSION_COOKIE)
    return response


def _form(request: Request, token: str, email: str, problem: Problem | None = None, status: int = 200) -> Response:
    return show_card(request, "choose_password.html", status, LINK_HEADERS, token=token, email=email, problem=problem)


def _again(request: Request, email: str, message: str, status: int) -> Response:
    headers = LETTERS_RETRY_AFTER if status == 429 else None
    return show_card(request, "forgotten_password.html", status, headers, email=email, message=message, done="")
