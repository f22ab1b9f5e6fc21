"""Keys of an account, as its own administrators manage them: listed, made (the secret is shown once), revoked."""

from __future__ import annotations

import secrets
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Path
from fastapi.responses import RedirectResponse, Response

from meterbook.accounts.create_key import NewKey
from meterbook.accounts.manage_keys import end_key, make_key
from meterbook.accounts.read_people import administered_project, managed_keys
from meterbook.console.person.own_account import Genuine
from meterbook.console.person.person_page import KEYS, ManagedPage, OfManaged
from meterbook.console.person.places import places_of
from meterbook.console.person.present_keys import present_keys
from meterbook.console.person.problem import Problem, problem_of, status_of
from meterbook.console.requests import RowOrNone
from meterbook.core.roles import Scope
from meterbook.errors import Invalid, NotFound, Refused

router = APIRouter(include_in_schema=False)
KEYS_ON_A_PAGE = 100
Prefix = Annotated[str, Path(max_length=40)]


@router.get("/account/keys")
def keys(at: OfManaged, before: RowOrNone = 0, done: str = "") -> Response:
    """List the keys that the reader manages, those made `before` a key, with the form to make another."""
    return _page(at, before=before, done=done)


@router.post("/account/keys", dependencies=[Genuine])
def make(
    at: OfManaged,
    scope: Annotated[str, Form()] = "",
    project: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
    expires_on: Annotated[str, Form()] = "",
    form: Annotated[str, Form()] = "",
) -> Response:
    """Make a key and show its secret this once; the same form again makes no other."""
    typed = {"scope": scope, "project": project, "name": name, "expires_on": expires_on}
    try:
        made = make_key(
            at.session,
            at.now,
            by=at.reader.access,
            account=at.of,
            project=administered_project(at.session, at.reader.access, at.of.id, project) if project else None,
            scope=scope,
            name=name,
            expires_at=_end_of(expires_on, at),
            form=form or None,
        )
    except (Invalid, NotFound, Refused) as error:
        return _page(at, typed, status_of(error), problem=problem_of(error, "key", at.language))
    if made is None:
        return RedirectResponse(at.href(KEYS, done="made-before"), 303)
    return _page(at, made=made)


@router.post("/account/keys/{prefix}/revoke", dependencies=[Genuine])
def revoke(at: OfManaged, prefix: Prefix) -> Response:
    """End a key; it proves nothing from now on."""
    end_key(at.session, at.now, by=at.reader.access, account=at.of, prefix=prefix)
    at.request.app.state.proofs.forget()
    return RedirectResponse(at.href(KEYS, done="revoked"), 303)


def _page(
    at: ManagedPage,
    typed: dict[str, str] | None = None,
    status: int = 200,
    before: int = 0,
    problem: Problem | None = None,
    made: NewKey | None = None,
    done: str = "",
) -> Response:
    access, account = at.reader.access, at.of
    found = managed_keys(at.session, access, account.id, before=before or None, limit=KEYS_ON_A_PAGE + 1)
    shown = found[:KEYS_ON_A_PAGE]
    more = shown[-1][0].id if len(found) > KEYS_ON_A_PAGE else None
    return at.show(
        "keys.html",
        KEYS,
        status,
        rows=present_keys(shown, at.now, at.language, at.zone),
        older=None if more is None else at.href(KEYS, before=more),
        places=places_of(at),
        may_read=access.may_make_key(Scope.account, account.id, None),
        typed=typed or {"scope": "events", "project": "", "name": "", "expires_on": ""},
        form=secrets.token_urlsafe(16),
        made=made,
        problem=problem,
        done=done,
    )


def _end_of(day: str, at: ManagedPage) -> datetime | None:
    """Return the end of a day on the account's clocks, None for no day. Raises `Invalid`."""
    if not day:
        return None
    try:
        after = date.fromisoformat(day) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise Invalid("A day is written like 2027-01-31.", "wrong-expires-at", field="expires_at") from None
    return datetime(after.year, after.month, after.day, tzinfo=at.zone.tzinfo)
