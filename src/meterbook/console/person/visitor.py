"""Visitors who are not signed in: the cards with forms they are shown, and the proof that a post comes from one."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from meterbook.accounts.sign_in import CODE_MINUTES, NewSignIn
from meterbook.console.address import address_of
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
from meterbook.errors import Denied

CODE_PATH: Final = "/sign-in/code"


def show_card(
    request: Request, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: object
) -> Response:
    """Return a card of templates/person whose forms are bound to a cookie of this visitor."""
    secret = read_cookie(request, FORM_COOKIE) or secrets.token_urlsafe(32)
    response = render(
        request,
        f"person/{template}",
        language_of(request),
        status,
        headers,
        form_token=form_token(secret),
        **values,
    )
    set_cookie(request, response, FORM_COOKIE, secret)
    return response


def is_genuine(request: Request, token: str) -> bool:
    """Whether a post came from a card that was shown to this visitor."""
    try:
        check_post(request, read_cookie(request, FORM_COOKIE), token)
    except Denied:
        return False
    return True


def address_of_visitor(request: Request) -> str:
    """Return the network address a request came from."""
    return request.client.host if request.client else ""


def browser_of(request: Request) -> str:
    """Return what the visitor's browser calls itself."""
    return request.headers.get("user-agent", "")


def go_in(request: Request, to: str, made: NewSignIn) -> Response:
    """Lead a visitor who has just signed in to a page, or first to where the code of their app is asked for.

    The browser remembers the sign-in.
    """
    hours: int = request.app.state.settings.session_hours
    response = RedirectResponse(address_of(CODE_PATH, next=to) if made.awaits_code else to, 303)
    set_cookie(request, response, SESSION_COOKIE, made.token, CODE_MINUTES * 60 if made.awaits_code else hours * 3600)
    if not made.awaits_code:
        drop_cookie(request, response, FORM_COOKIE)
    return response
