"""Everybody who signs in: the staff and all others, what each belongs to, and their rights given, taken and ended.

Beside the staff, the keys that may do everything.
"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import Response

from meterbook.accounts.create_key import revoke_key
from meterbook.accounts.manage_users import change_email, change_staff, end_sign_ins, invite_colleague, remove_user
from meterbook.accounts.queries import key_by_prefix
from meterbook.accounts.read_users import (
    belongings_of,
    find_users,
    membership_counts,
    open_sign_in_count,
    operator_keys,
    user_of,
)
from meterbook.accounts.tables import User
from meterbook.accounts.two_factor import turn_off_for
from meterbook.console.address import address_of
from meterbook.console.operator.fields import Fields, Form, Sent, fields_of
from meterbook.console.operator.operator_page import HOME, AsOperator, OperatorPage, Problems, led_to, status_of
from meterbook.console.requests import Posted, RowId
from meterbook.core.roles import Scope
from meterbook.errors import Invalid, NotFound

router = APIRouter(include_in_schema=False)

HERE = "people"
PATH = f"{HOME}/people"
PAGE = 100
Who = Literal["staff", "all"]


@router.get("/people")
def show_users(at: AsOperator, q: str = "", who: str = "staff", after: str = "") -> Response:
    """List the staff, or everybody who signs in, with the form that invites a colleague."""
    return _list(at, Form(), q=q, who="all" if who == "all" else "staff", after=after)


@router.post("/people")
def post_colleague(at: AsOperator, _posted: Posted, sent: Sent) -> Response:
    """Invite a colleague: they are of the staff at once, and a letter tells them."""
    try:
        at.attempt(
            lambda: invite_colleague(
                at.session, at.now, by=at.reader.access, email=sent.text("email", 400), language=at.language
            )
        )
    except Problems as problem:
        return _list(at, Form(sent, problem), status=status_of(problem))
    return led_to(PATH, "colleague-invited")


@router.get("/people/{user}")
def show_user(at: AsOperator, user: RowId) -> Response:
    """Show who somebody is and what they belong to."""
    return _page(at, user_of(at.session, user), Form())


@router.post("/people/{user}")
def post_step(at: AsOperator, _posted: Posted, sent: Sent, user: RowId) -> Response:
    """Do what a button of somebody's page names; they are removed once the box beside it is ticked."""
    row, step = user_of(at.session, user), sent.text("step", 20)
    try:
        at.attempt(lambda: _done(at, row, step, sent))
    except Problems as problem:
        return _page(at, row, Form(sent, problem), status_of(problem))
    return led_to(PATH if step == "remove" else f"{PATH}/{user}", f"user-{step}")


@router.post("/keys/{prefix}")
def post_key_end(at: AsOperator, _posted: Posted, prefix: str) -> Response:
    """End a key that may do everything."""
    key = key_by_prefix(at.session, prefix)
    if key.scope != Scope.operator:
        raise NotFound("There is no such key.", "unknown-key")
    revoke_key(at.session, at.now, key=key)
    at.request.app.state.proofs.forget()
    return led_to(PATH, "key-ended")


def _done(at: OperatorPage, user: User, step: str, sent: Fields) -> None:
    by = at.reader.access
    if step in ("staff", "no-staff"):
        change_staff(at.session, by=by, user=user, is_operator=step == "staff")
    elif step == "invite":
        invite_colleague(at.session, at.now, by=by, email=user.email, language=at.language)
    elif step == "email":
        change_email(at.session, user=user, email=sent.text("email", 400))
    elif step == "no-two-factor":
        turn_off_for(at.session, at.now, by=by, user=user, language=at.language)
    elif step == "sign-out":
        end_sign_ins(at.session, at.now, user=user)
    elif step == "remove":
        if not sent.flag("confirm"):
            raise Invalid("Tick the box if they shall be removed.", "not-confirmed", field="confirm")
        remove_user(at.session, by=by, user=user)
    else:
        raise Invalid("This form is incomplete: reload the page and send it again.", field="step")


def _list(
    at: OperatorPage, form: Form, *, q: str = "", who: Who = "staff", after: str = "", status: int = 200
) -> Response:
    found = find_users(at.session, find=q, staff=who == "staff", after=after or None, limit=PAGE + 1)
    rows = found[:PAGE]
    kept = {"q": q, "who": "all" if who == "all" else ""}
    return at.show(
        "users.html",
        HERE,
        status,
        form=form,
        q=q,
        who=who,
        rows=rows,
        accounts=membership_counts(at.session, [row.id for row in rows]),
        keys=operator_keys(at.session) if who == "staff" else [],
        next=address_of(PATH, **kept, after=rows[-1].email) if len(found) > PAGE else None,
        first=address_of(PATH, **kept) if after else None,
    )


def _page(at: OperatorPage, user: User, form: Form, status: int = 200) -> Response:
    return at.show(
        "user.html",
        HERE,
        status,
        user=user,
        form=form,
        email=form if form.value("step") == "email" else Form(fields_of([("email", user.email)])),
        is_self=user.id == at.reader.access.user_id,
        belongings=belongings_of(at.session, user.id),
        open_sign_ins=open_sign_in_count(at.session, at.now, user.id),
    )
