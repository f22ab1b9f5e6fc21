"""People of an account, as its own administrators manage them: listed, invited, changed, taken out."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, Query
from fastapi.responses import RedirectResponse, Response

from meterbook.accounts.access import NONE
from meterbook.accounts.invite import invite, send_invitation
from meterbook.accounts.manage_members import change_managed_member, remove_managed_member
from meterbook.accounts.read_people import administered_project, managed_member, managed_members
from meterbook.console.address import address_of
from meterbook.console.languages import translations
from meterbook.console.person.attempts import LettersAsked
from meterbook.console.person.own_account import Genuine
from meterbook.console.person.person_page import OWN, PEOPLE, ManagedPage, OfManaged
from meterbook.console.person.places import Places, places_of
from meterbook.console.person.present_people import MemberRow, present_member
from meterbook.console.person.problem import Problem, problem_of, status_of
from meterbook.console.requests import RowId, RowOrNone
from meterbook.core.roles import Role
from meterbook.errors import Invalid, NotFound, Refused

router = APIRouter(include_in_schema=False)
PEOPLE_ON_A_PAGE: Final = 100
WHOLE_ACCOUNT: Final = "*"
Typed = dict[str, str | bool]


@router.get("/account/people")
def people(
    at: OfManaged,
    find: Annotated[str, Query(max_length=200)] = "",
    after: RowOrNone = 0,
    edit: RowOrNone = 0,
    done: str = "",
) -> Response:
    """List the members that the reader manages; `edit` opens the form to change one, else there is one to invite."""
    return _page(at, find=find, after=after, edit=edit, done=done)


@router.post("/account/people", dependencies=[Genuine])
def invite_somebody(
    at: OfManaged,
    email: Annotated[str, Form()] = "",
    place: Annotated[str, Form()] = "",
    role: Annotated[str, Form()] = "",
    billing: Annotated[bool, Form()] = False,
) -> Response:
    """Make somebody a member and send them a letter."""
    typed: Typed = {"email": email, "place": place, "role": role, "billing": billing}
    if _has_too_many(at):
        return _too_many(at, typed)
    try:
        invite(
            at.session,
            at.now,
            by=at.reader.access,
            account=at.of,
            project=None
            if place == WHOLE_ACCOUNT
            else administered_project(at.session, at.reader.access, at.of.id, place),
            email=email,
            role=role,
            billing=billing,
        )
    except (Invalid, NotFound, Refused) as error:
        return _page(at, typed, status_of(error), problem=problem_of(error, "invite", at.language))
    return RedirectResponse(at.href(PEOPLE, done="invited"), 303)


@router.post("/account/people/{membership_id}", dependencies=[Genuine])
def change(
    at: OfManaged,
    membership_id: RowId,
    role: Annotated[str, Form()] = "",
    billing: Annotated[bool, Form()] = False,
    confirm: Annotated[bool, Form()] = False,
) -> Response:
    """Change a member's role and billing permission."""
    try:
        changed = change_managed_member(
            at.session,
            by=at.reader.access,
            account=at.of,
            membership_id=membership_id,
            role=role,
            billing=billing,
            confirmed=confirm,
        )
    except (Invalid, Refused) as error:
        typed: Typed = {"role": role, "billing": billing}
        problem = problem_of(error, "member", at.language)
        return _page(at, typed, status_of(error), edit=membership_id, problem=problem)
    return _led_on(at, changed.user.id, "changed")


@router.post("/account/people/{membership_id}/remove", dependencies=[Genuine])
def remove(at: OfManaged, membership_id: RowId, confirm: Annotated[bool, Form()] = False) -> Response:
    """End a membership: from the next request on the person no longer sees what it gave."""
    try:
        removed = remove_managed_member(
            at.session, by=at.reader.access, account=at.of, membership_id=membership_id, confirmed=confirm
        )
    except Refused as error:
        problem = problem_of(error, "remove", at.language)
        return _page(at, status=status_of(error), edit=membership_id, problem=problem)
    return _led_on(at, removed.user.id, "removed")


@router.post("/account/people/{membership_id}/invite", dependencies=[Genuine])
def invite_again(at: OfManaged, membership_id: RowId) -> Response:
    """Send a member who has no password yet another invitation; the link of the one before ends."""
    found = managed_member(at.session, at.reader.access, at.of.id, membership_id)
    if _has_too_many(at):
        return _too_many(at)
    send_invitation(at.session, by=at.reader.access, member=found.membership)
    return RedirectResponse(at.href(PEOPLE, done="invited"), 303)


def _page(
    at: ManagedPage,
    typed: Typed | None = None,
    status: int = 200,
    find: str = "",
    after: int = 0,
    edit: int = 0,
    problem: Problem | None = None,
    done: str = "",
) -> Response:
    access, account = at.reader.access, at.of
    found = managed_members(at.session, access, account.id, find=find, after=after, limit=PEOPLE_ON_A_PAGE + 1)
    shown = found[:PEOPLE_ON_A_PAGE]
    more = shown[-1].membership.id if len(found) > PEOPLE_ON_A_PAGE else None
    edited = present_member(managed_member(at.session, access, account.id, edit), at) if edit else None
    places = places_of(at)
    return at.show(
        "people.html",
        PEOPLE,
        status,
        rows=[present_member(each, at) for each in shown],
        more=None if more is None else at.href(PEOPLE, find=find, after=more),
        find=find,
        edited=edited,
        places=places,
        roles=[role.value for role in Role],
        gives_billing=edited.gives_billing if edited else _gives_billing(at),
        typed=typed or _untyped(edited, places),
        problem=problem,
        done=done,
    )


def _gives_billing(at: ManagedPage) -> bool:
    """Whether the reader holds a billing permission in the account that they could give."""
    return at.reader.access.billing_projects(at.of.id) != NONE


def _untyped(edited: MemberRow | None, places: Places) -> Typed:
    if edited is not None:
        return {"role": edited.role, "billing": edited.billing}
    return {"email": "", "place": WHOLE_ACCOUNT if places.whole_account else "", "role": "viewer", "billing": False}


def _has_too_many(at: ManagedPage) -> bool:
    asked: LettersAsked = at.request.app.state.letters_asked
    return not asked.may_invite(at.now, at.reader.access.subject)


def _too_many(at: ManagedPage, typed: Typed | None = None) -> Response:
    message = translations(at.language).gettext("Too many invitations were sent. Wait an hour, then try again.")
    return _page(at, typed, 429, problem=Problem("invite", None, message))


def _led_on(at: ManagedPage, user_id: int, done: str) -> Response:
    """Lead back to the list; whoever changed what they may do themselves may not see it any more."""
    to = at.href(PEOPLE, done=done) if user_id != at.user_id else address_of(f"/{OWN}", done="own-changed")
    return RedirectResponse(to, 303)
