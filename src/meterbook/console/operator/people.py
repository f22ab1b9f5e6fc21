"""People and keys of an account: who may see what, and which programs may act for it."""

from __future__ import annotations

from secrets import token_urlsafe

from fastapi import APIRouter
from fastapi.responses import Response

from meterbook.accounts.invite import invite
from meterbook.accounts.manage_keys import end_key, make_key
from meterbook.accounts.manage_members import change_managed_member, remove_managed_member
from meterbook.accounts.queries import project_by_code, zone_of
from meterbook.accounts.read_people import managed_keys, managed_members
from meterbook.accounts.tables import Account, Project
from meterbook.console.address import address_of
from meterbook.console.operator.fields import Fields, Form, Sent
from meterbook.console.operator.operator_page import HOME, AsOperator, OperatorPage, Problems, led_to, status_of
from meterbook.console.requests import Posted, RowId, RowOrNone
from meterbook.core.roles import Role, Scope
from meterbook.errors import Invalid

router = APIRouter(include_in_schema=False)

HERE = "accounts"
PAGE = 100


@router.get("/accounts/{code}/people")
def show_people(at: AsOperator, code: str, q: str = "", after: RowOrNone = 0) -> Response:
    """List who belongs to an account, with the form that invites somebody."""
    return _people(at, at.account(code), Form(), q=q, after=after)


@router.post("/accounts/{code}/people")
def post_person(at: AsOperator, _posted: Posted, sent: Sent, code: str) -> Response:
    """Invite somebody: they belong to it at once, and a letter tells them."""
    account = at.account(code)
    try:
        at.attempt(
            lambda: invite(
                at.session,
                at.now,
                by=at.reader.access,
                account=account,
                project=_project(at, account, sent),
                email=sent.text("email", 400),
                role=sent.text("role", 20),
                billing=sent.flag("billing"),
            )
        )
    except Problems as problem:
        return _people(at, account, Form(sent, problem), status=status_of(problem))
    return led_to(f"{HOME}/accounts/{account.code}/people", "invited")


@router.post("/accounts/{code}/people/{member}")
def post_member(at: AsOperator, _posted: Posted, sent: Sent, code: str, member: RowId) -> Response:
    """Change what somebody may do, or take them out."""
    account, by = at.account(code), at.reader.access
    remove = sent.text("step", 20) == "remove"

    def act() -> None:
        if remove:
            remove_managed_member(at.session, by=by, account=account, membership_id=member, confirmed=True)
            return
        change_managed_member(
            at.session,
            by=by,
            account=account,
            membership_id=member,
            role=sent.text("role", 20),
            billing=sent.flag("billing"),
            confirmed=True,
        )

    try:
        at.attempt(act)
    except Problems as problem:
        return _people(at, account, Form(Fields(), problem), status=status_of(problem))
    return led_to(f"{HOME}/accounts/{account.code}/people", "member-removed" if remove else "member-changed")


@router.get("/accounts/{code}/keys")
def show_keys(at: AsOperator, code: str, before: RowOrNone = 0) -> Response:
    """List an account's keys, with the form of a new one."""
    return _keys(at, at.account(code), Form(), before=before)


@router.post("/accounts/{code}/keys")
def post_key(at: AsOperator, _posted: Posted, sent: Sent, code: str) -> Response:
    """Make a key and show it, this once; the same form again makes none."""
    account = at.account(code)
    try:
        made = at.attempt(
            lambda: make_key(
                at.session,
                at.now,
                by=at.reader.access,
                account=account,
                project=_project(at, account, sent),
                scope=sent.text("scope", 20),
                name=sent.text("name", 400),
                expires_at=sent.moment("expires_at", zone_of(account)),
                form=_form_key(sent),
            )
        )
    except Problems as problem:
        return _keys(at, account, Form(sent, problem), status=status_of(problem))
    if made is None:
        return led_to(f"{HOME}/accounts/{account.code}/keys", "key-made-before")
    return _keys(at, account, Form(), secret=made.secret, status=201)


@router.post("/accounts/{code}/keys/{prefix}")
def post_key_end(at: AsOperator, _posted: Posted, code: str, prefix: str) -> Response:
    """End a key."""
    account = at.account(code)
    end_key(at.session, at.now, by=at.reader.access, account=account, prefix=prefix)
    at.request.app.state.proofs.forget()
    return led_to(f"{HOME}/accounts/{account.code}/keys", "key-ended")


def _project(at: OperatorPage, account: Account, sent: Fields) -> Project | None:
    code = sent.text("project", 100)
    if not code:
        return None
    row = project_by_code(at.session, code, at.reader.access, need="member")
    if row.account_id != account.id:
        raise Invalid("This is no project of this account.", field="project")
    return row


def _form_key(sent: Fields) -> str:
    key = sent.text("key", 100)
    if not key:
        raise Invalid("This form is incomplete: reload the page and send it again.", field="key")
    return key


def _people(
    at: OperatorPage, account: Account, form: Form, *, q: str = "", after: int = 0, status: int = 200
) -> Response:
    rows = managed_members(at.session, at.reader.access, account.id, find=q, after=after, limit=PAGE + 1)
    path = f"{HOME}/accounts/{account.code}/people"
    return at.show(
        "people.html",
        HERE,
        status,
        account=account,
        tab="people",
        form=form,
        q=q,
        roles=list(Role),
        rows=rows[:PAGE],
        next=address_of(path, q=q, after=rows[PAGE - 1].membership.id) if len(rows) > PAGE else None,
        first=address_of(path, q=q) if after else None,
    )


def _keys(
    at: OperatorPage, account: Account, form: Form, *, before: int = 0, secret: str = "", status: int = 200
) -> Response:
    rows = managed_keys(at.session, at.reader.access, account.id, before=before or None, limit=PAGE + 1)
    zone, path = zone_of(account), f"{HOME}/accounts/{account.code}/keys"
    return at.show(
        "keys.html",
        HERE,
        status,
        account=account,
        tab="keys",
        zone=zone,
        form=form,
        key=token_urlsafe(16),
        secret=secret,
        scopes=[scope for scope in Scope if scope is not Scope.operator],
        rows=[
            (key, project, zone.local(key.created_at).date(), zone.local(key.expires_at) if key.expires_at else None)
            for key, project in rows[:PAGE]
        ],
        next=address_of(path, before=rows[PAGE - 1][0].id) if len(rows) > PAGE else None,
        first=path if before else None,
    )
