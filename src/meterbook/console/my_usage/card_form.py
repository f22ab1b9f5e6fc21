"""The way to the gateway's own form for a card and back; at the fake gateway, the form itself."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Query
from fastapi.responses import RedirectResponse, Response

from meterbook.accounts.queries import payment_information_of
from meterbook.console.apart import Apart, BilledApart, PostedApart
from meterbook.console.my_usage.payment_information import FORM_PAGE, PAGE
from meterbook.console.my_usage.present_payment import fault_text, test_cards
from meterbook.errors import Busy, NotFound, Refused
from meterbook.payments.gateways.fake import FORM_PATH, FakeGateway
from meterbook.payments.gateways.open import open_card_gateway, open_gateway, takes_fake_cards
from meterbook.payments.set_up_card import LONGEST_REFERENCE, SetupOutcome, end, form_of

router = APIRouter(include_in_schema=False)

_Reference = Annotated[str, Query(max_length=LONGEST_REFERENCE)]
_DONE: Final = {SetupOutcome.registered: "card", SetupOutcome.over: "card-over", SetupOutcome.past: ""}


@router.get(FORM_PAGE)
def card_form(apart: BilledApart, session: _Reference = "") -> Response:
    """Lead to the gateway's form while it is open; once its card was entered, register it and go back."""
    if not session:
        return RedirectResponse(apart.href(PAGE, edit=1), 303)
    with apart.page() as at:
        url = form_of(at.session, at.account.id, session).url
    try:
        gateway = open_card_gateway(apart.settings, apart.database)
        outcome = end(apart.transactions, gateway, apart.now, account_id=apart.account.id, reference=session)
    except Busy as busy:
        return _lead(apart, url, 503, fault_text(busy, apart.reader.language))
    if outcome is SetupOutcome.open:
        # a form that is a page of ours needs no page that leads to it
        return RedirectResponse(url, 303) if url.startswith(PAGE) else _lead(apart, url)
    return RedirectResponse(apart.href(PAGE, done=_DONE[outcome]), 303)


@router.get(FORM_PATH)
def show_test_cards(apart: BilledApart, session: _Reference = "") -> Response:
    """Show the fake gateway's form, which is no page where that gateway is off."""
    _fake(apart)
    with apart.page() as at:
        form_of(at.session, at.account.id, session)
    return _test_form(apart, session)


@router.post(FORM_PATH)
def choose_test_card(
    apart: PostedApart,
    session: Annotated[str, Form(max_length=LONGEST_REFERENCE)] = "",
    token: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Choose a test card as its holder would, and go back to where a gateway leads."""
    gateway = _fake(apart)
    with apart.page() as at:
        form_of(at.session, at.account.id, session)
    try:
        gateway.choose_card(apart.account.code, session, token)
    except Refused as refused:
        return _test_form(apart, session, 409, fault_text(refused, apart.reader.language))
    return RedirectResponse(apart.href(FORM_PAGE, session=session), 303)


def _fake(apart: Apart) -> FakeGateway:
    if not takes_fake_cards(apart.settings):
        raise NotFound("There is no such page.")
    gateway = open_gateway("fake", apart.settings, apart.database)
    assert isinstance(gateway, FakeGateway), "it is the one of this name"
    return gateway


def _lead(apart: Apart, url: str, status: int = 200, problem: str = "") -> Response:
    with apart.page() as at:
        return at.show(
            "card_form.html",
            "payment-information",
            status,
            url=url,
            host=urlsplit(url).netloc,
            problem=problem,
            back=apart.href(PAGE, edit=1),
        )


def _test_form(apart: Apart, reference: str, status: int = 200, problem: str = "") -> Response:
    with apart.page() as at:
        information = payment_information_of(at.session, at.account.id)
        return at.show(
            "test_card.html",
            "payment-information",
            status,
            reference=reference,
            cards=test_cards(at.language),
            action=apart.href(FORM_PATH),
            problem=problem,
            back=apart.href(PAGE, edit=None if information else 1),
        )
