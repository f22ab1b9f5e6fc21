"""Month closes: where each account's month stands, drafting, looking at drafts, and issuing what was looked at."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Annotated, Final, get_args

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse, Response

from meterbook.accounts.queries import account_ids_of, zone_of
from meterbook.console.address import address_of
from meterbook.console.operator.close_sheet import close_sheet
from meterbook.console.operator.fields import Asked, Fields, Sent
from meterbook.console.operator.operator_page import HOME, UTC, AsOperator, OperatorPage, Problems, status_of
from meterbook.console.operator.present_close import ClosePage, present_row, present_run
from meterbook.console.requests import Posted
from meterbook.console.sheet import ROWS_MAX
from meterbook.core.period import BillingMonth
from meterbook.core.sentence import say
from meterbook.errors import Invalid, MeterbookError, NotFound, Refused
from meterbook.idempotency import Answer, once
from meterbook.invoicing.attention import month_sums
from meterbook.invoicing.close_run import begin_close, is_still, last_run
from meterbook.invoicing.month_accounts import (
    PAGE,
    State,
    drafts_seen,
    letters_without_address,
    month_accounts,
    month_counts,
)
from meterbook.invoicing.queries import draft_of, invoices_of_month

router = APIRouter(include_in_schema=False)

HERE = "closes"
PATH = f"{HOME}/closes"
_STATES: Final[dict[str, State]] = {each: each for each in get_args(State)}
GROUPS_A_PAGE = 50  # projects of a draft
MOST_CHOSEN = PAGE  # accounts that are confirmed by name, as many as a page shows


@router.get("/closes")
def show_closes(
    at: AsOperator,
    month: str = "",
    state: str = "",
    q: str = "",
    after: str = "",
    form: Annotated[str, Query(alias="format")] = "",
) -> Response:
    """Show a month: its sums, what is being done, and its accounts; with format=csv, all of them as a sheet."""
    chosen = at.month(month)
    if form == "csv":
        found = month_accounts(at.session, at.usage, chosen, at.now, state=_state(state), search=q, limit=ROWS_MAX)
        return close_sheet(at, chosen, [present_row(each) for each in found])
    return _page(at, chosen, state, q, after)


@router.post("/closes/draft")
def post_draft(at: AsOperator, _posted: Posted, sent: Sent) -> Response:
    """Draft a month for all accounts, or for those that were chosen; drafts that there are, are made anew."""
    month, codes = at.month(sent.text("month", 20)), sent.all("account")
    ids = account_ids_of(at.session, codes) if codes else None
    return _begun(
        at,
        month,
        sent,
        lambda: begin_close(at.session, at.now, month=month, account_ids=ids, confirm=False, by=at.by).id,
    )


@router.get("/closes/confirm")
def show_confirm(at: AsOperator, asked: Asked) -> Response:
    """Show what would be issued: of the accounts that were chosen, or of all whose draft waits."""
    month = at.month(asked.text("month", 20))
    return _confirm(at, month, _chosen(asked))


@router.post("/closes/confirm")
def post_confirm(at: AsOperator, _posted: Posted, sent: Sent) -> Response:
    """Issue the drafts that were looked at; when one of them changed meanwhile, none is."""
    month, codes = at.month(sent.text("month", 20)), _chosen(sent)

    def begin() -> int:
        ids, seen = drafts_seen(at.session, month, codes)
        if seen != sent.text("seen", 100):
            raise Refused("The drafts changed meanwhile: review their sums now, and confirm again.")
        return begin_close(at.session, at.now, month=month, account_ids=ids, confirm=True, by=at.by).id

    return _begun(at, month, sent, begin, codes)


@router.get("/closes/{month}/{code}")
def show_draft(at: AsOperator, month: str, code: str, first: int = 1) -> Response:
    """Show an account's draft as it would be issued; what is issued is shown on its own page."""
    chosen, account = at.month(month), at.account(code)
    invoice = invoices_of_month(at.session, [account.id], chosen).get(account.id)
    if invoice is None:
        raise NotFound("There is no draft of this month.")
    if invoice.number is not None:
        return RedirectResponse(f"/invoices/{invoice.number}", 303)
    draft = draft_of(invoice, account.code)
    groups = draft.groups("project")
    start = max(0, first - 1)
    path = f"{PATH}/{chosen}/{account.code}"
    return at.show(
        "draft.html",
        HERE,
        account=account,
        month=chosen,
        draft=draft,
        groups=groups[start : start + GROUPS_A_PAGE],
        first=address_of(path) if start else None,
        next=address_of(path, first=start + GROUPS_A_PAGE + 1) if len(groups) > start + GROUPS_A_PAGE else None,
        zone=zone_of(account),
        drafted_at=zone_of(account).local(invoice.drafted_at),
        back=address_of(PATH, month=chosen),
        confirm=address_of(f"{PATH}/confirm", month=chosen, account=account.code),
        unbilled=f"{path}/unbilled",
    )


def _begun(
    at: OperatorPage, month: BillingMonth, sent: Fields, begin: Callable[[], int], codes: Sequence[str] | None = None
) -> Response:
    """Queue a run, once for the form's key, and lead to its month; a refusal is shown where it was asked for."""
    key, request = sent.text("key", 100), repr((at.request.url.path, sorted(sent.typed()))).encode()
    if not key:
        raise Invalid("This form is incomplete: go back, reload the page and send it again.", field="key")
    to = address_of(PATH, month=month, done="close-begun")

    def answer() -> Answer:
        begin()
        return Answer(303, to.encode())

    try:
        at.attempt(lambda: once(at.session, at.now, f"console:{at.by}", key, request, answer))
    except Problems as problem:
        if sent.text("seen", 100):
            return _confirm(at, month, codes, problem)
        return _page(at, month, problem=problem)
    return RedirectResponse(to, 303)


def _state(text: str) -> State:
    found = _STATES.get(text)
    if found is None:
        raise Invalid("There is no such state.", field="state")
    return found


def _chosen(fields: Fields) -> tuple[str, ...] | None:
    codes = fields.all("account")
    if len(codes) > MOST_CHOSEN:
        raise Invalid(say("Choose %(most)s accounts at most, or all.", most=MOST_CHOSEN), field="account")
    return codes or None


def _confirm(
    at: OperatorPage, month: BillingMonth, codes: Sequence[str] | None, problem: MeterbookError | None = None
) -> Response:
    ids, seen = drafts_seen(at.session, month, codes)
    return at.show(
        "confirm_close.html",
        HERE,
        200 if problem is None else status_of(problem),
        month=month,
        codes=codes or (),
        count=len(ids),
        sums=month_sums(at.session, month, issued=False, account_ids=ids),
        without_address=letters_without_address(at.session, ids),
        seen=seen,
        key=secrets.token_urlsafe(16),
        problem=problem,
        back=address_of(PATH, month=month),
    )


def _page(
    at: OperatorPage,
    month: BillingMonth,
    state: str = "",
    q: str = "",
    after: str = "",
    problem: MeterbookError | None = None,
) -> Response:
    chosen = _state(state)
    rows = month_accounts(at.session, at.usage, month, at.now, state=chosen, search=q, after=after, limit=PAGE + 1)
    running = BillingMonth.of(at.now, UTC)
    run = last_run(at.session, month)
    page = ClosePage(
        month=month,
        previous=month.previous(),
        next=month.next() if month < running else None,
        running=month >= running,
        state=chosen,
        q=q,
        counts=month_counts(at.session, month),
        drafted=month_sums(at.session, month, issued=False),
        issued=month_sums(at.session, month, issued=True),
        run=None if run is None else present_run(run, is_still(run, at.now)),
        rows=tuple(present_row(row) for row in rows[:PAGE]),
        csv_href=address_of(PATH, month=month, state=state, q=q, format="csv"),
        next_href=address_of(PATH, month=month, state=state, q=q, after=rows[PAGE - 1].account.code)
        if len(rows) > PAGE
        else None,
        first_href=address_of(PATH, month=month, state=state, q=q) if after else None,
    )
    return at.show(
        "closes.html",
        HERE,
        200 if problem is None else status_of(problem),
        page=page,
        path=PATH,
        states={each: address_of(PATH, month=month, q=q, state=each) for each in _STATES},
        months={each: address_of(PATH, month=each, state=state) for each in (page.previous, page.next) if each},
        key=secrets.token_urlsafe(16),
        problem=problem,
    )
