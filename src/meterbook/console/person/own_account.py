"""The reader's own account: name, language, theme, password, e-mail, and their open sign-ins."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse, Response

from meterbook.accounts.change_user import change_user
from meterbook.accounts.choose_password import change_password
from meterbook.accounts.manage_sign_ins import end_other_sign_ins, end_sign_in, is_of, open_sign_ins
from meterbook.accounts.own_email import ask_for_email
from meterbook.console.address import address_of
from meterbook.console.languages import LANGUAGES
from meterbook.console.pages import THEMES, remember
from meterbook.console.person.attempts import Attempts, LettersAsked
from meterbook.console.person.password import LETTERS_RETRY_AFTER
from meterbook.console.person.person_page import OWN, OfPerson, PersonPage
from meterbook.console.person.present_sign_ins import present_sign_ins
from meterbook.console.person.problem import Problem, problem_of, too_many, too_many_letters
from meterbook.console.person.sign_in import RETRY_AFTER
from meterbook.console.person.visitor import address_of_visitor
from meterbook.console.protection import SESSION_COOKIE, drop_cookie
from meterbook.console.requests import RowId, posted
from meterbook.errors import Invalid

router = APIRouter(include_in_schema=False)
Genuine: Final = Depends(posted, scope="function")


@router.get("/account")
def own_account(at: OfPerson, done: str = "") -> Response:
    """Show who the reader is to us, and where they are signed in; `done` says what a form did."""
    return _page(at, _typed(at), done=done)


@router.post("/account", dependencies=[Genuine])
def change(
    at: OfPerson,
    name: Annotated[str, Form()] = "",
    language: Annotated[str, Form()] = "",
    theme: Annotated[str, Form()] = "",
) -> Response:
    """Write the reader's name, language and theme, and have this browser remember both."""
    try:
        change_user(at.session, user=at.user, name=name, language=language, theme=theme)
    except Invalid as error:
        typed = {
            "name": name,
            "language": language if language in LANGUAGES else at.language,
            "theme": theme if theme in THEMES else THEMES[0],
        }
        return _page(at, typed, 422, problem=problem_of(error, "settings", at.language))
    response = RedirectResponse(_done(at, "settings"), 303)
    remember(at.request, response, "lang", language)
    remember(at.request, response, "theme", theme)
    return response


@router.post("/account/password", dependencies=[Genuine])
def new_password(
    at: OfPerson,
    present_password: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    """Write another password in place of the present one, and end every other sign-in of the reader."""
    user, address = at.user, address_of_visitor(at.request)
    attempts: Attempts = at.request.app.state.sign_in_attempts
    if not attempts.begin(at.now, address, user.email):
        return _page(at, _typed(at), 429, RETRY_AFTER, problem=too_many("password", at.language))
    try:
        change_password(
            at.session,
            at.now,
            user=user,
            present=present_password,
            password=password,
            token=at.reader.token,
            language=at.language,
        )
    except Invalid as error:
        if error.details.get("field") == "present_password":
            attempts.failed(at.now, address)
        return _page(at, _typed(at), 422, problem=problem_of(error, "password", at.language))
    attempts.succeeded(address, user.email)
    return RedirectResponse(_done(at, "password"), 303)


@router.post("/account/email", dependencies=[Genuine])
def new_email(
    at: OfPerson,
    email: Annotated[str, Form(max_length=400)] = "",
    present_password: Annotated[str, Form()] = "",
) -> Response:
    """Send a link to the e-mail that the reader wants to sign in with; the answer is the same if somebody has it."""
    user, address = at.user, address_of_visitor(at.request)
    attempts: Attempts = at.request.app.state.sign_in_attempts
    letters: LettersAsked = at.request.app.state.letters_asked
    if not attempts.begin(at.now, address, user.email):
        return _page(at, _typed(at), 429, RETRY_AFTER, problem=too_many("email", at.language), new_email=email)
    if not letters.may_ask(at.now, address, email):
        problem = too_many_letters("email", at.language)
        return _page(at, _typed(at), 429, LETTERS_RETRY_AFTER, problem=problem, new_email=email)
    try:
        ask_for_email(at.session, user=user, email=email, present=present_password, language=at.language)
    except Invalid as error:
        if error.details.get("field") == "present_password":
            attempts.failed(at.now, address)
        return _page(at, _typed(at), 422, problem=problem_of(error, "email", at.language), new_email=email)
    attempts.succeeded(address, user.email)
    return RedirectResponse(_done(at, "email"), 303)


@router.post("/account/sign-ins/{sign_in_id}/end", dependencies=[Genuine])
def end(at: OfPerson, sign_in_id: RowId) -> Response:
    """End one of the reader's sign-ins; this one too, which leads to the form to sign in."""
    ended = end_sign_in(at.session, at.now, user_id=at.user_id, sign_in_id=sign_in_id)
    if is_of(ended, at.reader.token):
        response = RedirectResponse("/sign-in", 303)
        drop_cookie(at.request, response, SESSION_COOKIE)
        return response
    return RedirectResponse(_done(at, "ended"), 303)


@router.post("/account/sign-ins/end-others", dependencies=[Genuine])
def end_others(at: OfPerson) -> Response:
    """End every sign-in of the reader but this one."""
    end_other_sign_ins(at.session, at.now, user_id=at.user_id, token=at.reader.token)
    return RedirectResponse(_done(at, "others-ended"), 303)


def _page(
    at: PersonPage,
    typed: dict[str, str],
    status: int = 200,
    headers: dict[str, str] | None = None,
    problem: Problem | None = None,
    done: str = "",
    new_email: str = "",
) -> Response:
    rows = present_sign_ins(open_sign_ins(at.session, at.now, at.user_id), at.reader.token, at.language, at.zone)
    return at.show(
        "account.html",
        OWN,
        status,
        headers,
        email=at.user.email,
        new_email=new_email,
        two_factor=at.user.totp_secret is not None,
        typed=typed,
        languages_known=LANGUAGES,
        sign_ins=rows,
        problem=problem,
        done=done,
    )


def _typed(at: PersonPage) -> dict[str, str]:
    user = at.user
    return {"name": user.name, "language": user.language or at.language, "theme": user.theme or THEMES[0]}


def _done(at: PersonPage, what: str) -> str:
    named = at.request.query_params.get("account")
    return address_of(f"/{OWN}", account=named, done=what)
