"""An invitation: the page on which an invited person chooses a name and a password, and comes in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from meterbook.accounts.invite import accept_invitation
from meterbook.accounts.one_time_link import Purpose, holder_of
from meterbook.accounts.sign_in import begin_sign_in
from meterbook.accounts.tables import User
from meterbook.console.languages import translations
from meterbook.console.pages import language_of
from meterbook.console.person.link import LINK_HEADERS, link_over
from meterbook.console.person.problem import Problem, problem_of
from meterbook.console.person.visitor import browser_of, go_in, is_genuine, show_card
from meterbook.console.requests import Books, Now
from meterbook.errors import Invalid, NotFound

router = APIRouter(include_in_schema=False)


@router.get("/invitation/{token}")
def show_form(request: Request, session: Books, now: Now, token: str) -> Response:
    """Show the form; looking does not use the link up."""
    try:
        user = holder_of(session, now, token=token, purpose=Purpose.invitation)
    except NotFound:
        return link_over(request)
    return _form(request, token, user, "")


@router.post("/invitation/{token}")
def accept(
    request: Request,
    session: Books,
    now: Now,
    token: str,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    form_token: Annotated[str, Form()] = "",
) -> Response:
    """Write the name and the password, sign in, and lead to the first page."""
    language = language_of(request)
    try:
        user = holder_of(session, now, token=token, purpose=Purpose.invitation)
        if not is_genuine(request, form_token):
            stale = translations(language).gettext("This form was out of date. Please send it again.")
            return _form(request, token, user, name, Problem("invitation", None, stale), 403)
        accept_invitation(session, now, token=token, name=name, password=password)
    except NotFound:
        return link_over(request)
    except Invalid as error:
        return _form(request, token, user, name, problem_of(error, "invitation", language), 422)
    hours: int = request.app.state.settings.session_hours
    return go_in(request, "/", begin_sign_in(session, now, user=user, hours=hours, browser=browser_of(request)))


def _form(
    request: Request, token: str, user: User, name: str, problem: Problem | None = None, status: int = 200
) -> Response:
    return show_card(
        request,
        "invitation.html",
        status,
        LINK_HEADERS,
        token=token,
        email=user.email,
        name=name,
        problem=problem,
    )
