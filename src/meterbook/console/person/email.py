"""The page behind the link in a letter by which somebody signs in with another e-mail."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from meterbook.accounts.one_time_link import new_email_of
from meterbook.accounts.own_email import take_email
from meterbook.console.languages import translations
from meterbook.console.pages import language_of
from meterbook.console.person.link import LINK_HEADERS, link_over
from meterbook.console.person.visitor import is_genuine, show_card
from meterbook.console.requests import Books, Now
from meterbook.errors import NotFound, Refused

router = APIRouter(include_in_schema=False)


@router.get("/email/{token}")
def show_form(request: Request, session: Books, now: Now, token: str) -> Response:
    """Ask whether it shall be; looking does not use the link up."""
    try:
        email = new_email_of(session, now, token=token)
    except NotFound:
        return link_over(request)
    return _form(request, token, email)


@router.post("/email/{token}")
def take(request: Request, session: Books, now: Now, token: str, form_token: Annotated[str, Form()] = "") -> Response:
    """Change the e-mail; who is signed in stays so."""
    language = language_of(request)
    try:
        email = new_email_of(session, now, token=token)
        if not is_genuine(request, form_token):
            stale = translations(language).gettext("This form was out of date. Please send it again.")
            return _form(request, token, email, stale, 403)
        take_email(session, now, token=token, language=language)
    except (NotFound, Refused):
        return link_over(request)
    return RedirectResponse("/account?done=email-taken", 303)


def _form(request: Request, token: str, email: str, message: str | None = None, status: int = 200) -> Response:
    return show_card(request, "email.html", status, LINK_HEADERS, token=token, email=email, message=message)
