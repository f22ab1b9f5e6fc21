"""Two-factor authentication of the reader: turned on with an app, its recovery codes shown once, turned off."""

from __future__ import annotations

from typing import Annotated, Final

import segno
from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse, Response

from meterbook.accounts.two_factor import address_for_app, codes_left, renew_codes, secret_or_new, turn_off, turn_on
from meterbook.console.person.attempts import Attempts
from meterbook.console.person.person_page import OWN, OfPerson, PersonPage
from meterbook.console.person.problem import Problem, problem_of, status_of, too_many
from meterbook.console.person.sign_in import RETRY_AFTER
from meterbook.console.person.visitor import address_of_visitor
from meterbook.console.requests import TWO_FACTOR_PATH, posted
from meterbook.errors import Invalid, Refused

router = APIRouter(include_in_schema=False)

KEY: Final = TWO_FACTOR_PATH.removeprefix("/")


@router.get(TWO_FACTOR_PATH)
def show(at: OfPerson, done: str = "") -> Response:
    """Show how it stands: a new secret for an app, or how to turn it off."""
    return _page(at, secret_or_new(), done=done)


@router.post(TWO_FACTOR_PATH, dependencies=[Depends(posted, scope="function")])
def change(
    at: OfPerson,
    step: Annotated[str, Form()] = "",
    secret: Annotated[str, Form(max_length=64)] = "",
    code: Annotated[str, Form(max_length=200)] = "",
    present_password: Annotated[str, Form()] = "",
) -> Response:
    """Turn it on or off, or make new recovery codes; each asks for the password, and is told by mail."""
    user, address = at.user, address_of_visitor(at.request)
    attempts: Attempts = at.request.app.state.sign_in_attempts
    if not attempts.begin(at.now, address, user.email):
        return _page(at, secret_or_new(secret), 429, RETRY_AFTER, problem=too_many(step, at.language))
    codes: list[str] = []
    try:
        if step == "on":
            codes = turn_on(
                at.session,
                at.now,
                user=user,
                secret=secret,
                code=code,
                present=present_password,
                token=at.reader.token,
                language=at.language,
            )
        elif step == "codes":
            codes = renew_codes(at.session, at.now, user=user, present=present_password, language=at.language)
        elif step == "off":
            turn_off(at.session, at.now, user=user, present=present_password, language=at.language)
        else:
            raise Invalid("This form is incomplete: reload the page and send it again.", field="step")
    except (Invalid, Refused) as error:
        if error.details.get("field") == "present_password":
            attempts.failed(at.now, address)
        return _page(at, secret_or_new(secret), status_of(error), problem=problem_of(error, step, at.language))
    attempts.succeeded(address, user.email)
    if codes:
        return _page(at, secret, 201, codes=codes)
    return RedirectResponse(at.href(KEY, done="off"), 303)


def _page(
    at: PersonPage,
    secret: str,
    status: int = 200,
    headers: dict[str, str] | None = None,
    problem: Problem | None = None,
    codes: list[str] | None = None,
    done: str = "",
) -> Response:
    user, settings = at.user, at.request.app.state.settings
    is_on = user.totp_secret is not None
    return at.show(
        "two_factor.html",
        OWN,
        status,
        {"cache-control": "no-store"} | (headers or {}),
        user=user,
        is_on=is_on,
        is_wanted=settings.staff_two_factor and user.is_operator,
        since=at.zone.local(user.totp_since) if user.totp_since else None,
        codes=codes or [],
        codes_left=codes_left(at.session, user.id) if is_on else 0,
        secret=secret,
        code_picture=None if is_on else _picture(address_for_app(secret, user.email, settings.legal_entity_name)),
        problem=problem,
        done=done,
    )


def _picture(address: str) -> str:
    """Return a QR code as SVG, dark on light in either theme: apps read no other."""
    return segno.make(address, error="m").svg_inline(omitsize=True, light="#fff", svgclass=None, lineclass=None)
