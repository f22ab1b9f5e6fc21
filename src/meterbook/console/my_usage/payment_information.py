"""Payment information and promotions: how the account pays, who gets its invoices, and which codes it applied."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query
from fastapi.responses import RedirectResponse, Response

from meterbook.accounts.queries import payment_information_of
from meterbook.accounts.tables import PaymentInformation, SeenProject
from meterbook.catalog.queries import current_catalog
from meterbook.console.account_page import AccountPage, OfBilledAccount
from meterbook.console.apart import Apart, PostedApart
from meterbook.console.my_usage.present_payment import (
    InformationForm,
    InformationView,
    fault_text,
    form_of,
    refusal_text,
    view_of,
)
from meterbook.console.my_usage.present_promotions import PromotionsView, last_day, promotions_view
from meterbook.console.my_usage.promotions_sheet import promotion_columns, promotion_rows, standing_words
from meterbook.console.requests import Posted
from meterbook.console.sheet import sheet
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.promotion import PromotionKind
from meterbook.errors import Busy, Invalid, MeterbookError, NotFound, Refused
from meterbook.idempotency import Answer, once
from meterbook.invoicing.applied import AppliedPromotion, applied_promotions
from meterbook.invoicing.debt import debt_of
from meterbook.invoicing.draft import Payer
from meterbook.invoicing.show import show_month
from meterbook.payments.apply_code import apply_code
from meterbook.payments.gateways.open import open_card_gateway
from meterbook.payments.methods import methods_for, needs_registration_number
from meterbook.payments.missing_steps import missing_steps
from meterbook.payments.next_payment import next_payment
from meterbook.payments.register import Information, looked_over, register
from meterbook.payments.set_up_card import begin
from meterbook.promotions.queries import LONGEST_CODE
from meterbook.settings import Settings

router = APIRouter(include_in_schema=False)

PAGE: Final = "/payment-information"
FORM_PAGE: Final = f"{PAGE}/card"
PROMOTIONS_SHEET: Final = f"{PAGE}/promotions.csv"
_NOTHING: Final = " "  # of a field that may not be left out here, though the account has a value for it
_DONE: Final = ("saved", "card", "card-over", "applied")
_LONG: Final = 4_000
_Text = Annotated[str, Form(max_length=_LONG)]


@router.get(PAGE)
def payment_information(
    at: OfBilledAccount,
    edit: bool = False,
    done: str = "",
    code: Annotated[str, Query(max_length=LONGEST_CODE)] = "",
) -> Response:
    """Show what is set, what is missing, and the applied codes; `edit` opens the form."""
    return _show(at, edit=edit, done=done if done in _DONE else "", new_code=code if done == "applied" else "")


@router.get(PROMOTIONS_SHEET)
def promotions_sheet(at: OfBilledAccount) -> Response:
    """Return the applied codes, with what they saved, as a sheet."""
    view = _promotions(at, at.projects())
    columns = promotion_columns(view.currency, at.language)
    return sheet(f"promotions-{at.account.code}.csv", columns, promotion_rows(view, at.language))


@router.post(PAGE)
def save(
    apart: PostedApart,
    method: _Text = "",
    company: _Text = "",
    registration_number: _Text = "",
    recipient: _Text = "",
    email: _Text = "",
    cc: _Text = "",
    language: _Text = "",
    new_card: Annotated[bool, Form()] = False,
    key: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Register what was written; a card is entered in the gateway's own form first."""
    form = InformationForm(method, company, registration_number, recipient, email, cc, language, new_card)
    with apart.page() as at:
        known = payment_information_of(at.session, at.account.id)
        information, faults = _checked(at, form, known)
        if information is None:
            return _show(at, 422, form=form, faults=faults)
        if information.method != "card" or not _needs_card(at, form, known):
            register(at.session, at.now, account=at.account, information=information, gateway=None, card=None)
            return RedirectResponse(at.href(PAGE, done="saved"), 303)
    try:
        return RedirectResponse(_card_form(apart, information, key or secrets.token_hex(16)), 303)
    except MeterbookError as error:
        with apart.page() as at:
            faults = {"method": fault_text(error, at.language)}
            return _show(at, 429 if isinstance(error, Busy) else 409, form=form, faults=faults)


@router.post(f"{PAGE}/promotions")
def apply(
    at: OfBilledAccount,
    posted: Posted,
    code: Annotated[str, Form(max_length=_LONG)] = "",
    key: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Apply a promotion code, once for one form, and show it; or say beside the field why not."""

    def act() -> Answer:
        guesses = at.request.app.state.guesses
        applied = apply_code(at.session, at.now, guesses, account=at.account, code=code, by=posted.access.subject)
        return Answer(303, at.href(PAGE, done="applied", code=applied.promotion.code).encode())

    try:
        if not code.strip():
            raise Invalid("Give a promotion code.", "promotion-code-missing", field="code")
        # what was begun for a code that is refused is taken back, and the page is still shown
        with at.session.begin_nested():
            asked = f"{at.account.code}\n{code}".encode()
            answer = once(at.session, at.now, posted.access.subject, f"console:{key}" if key else None, asked, act)
    except (Invalid, NotFound, Refused) as error:
        refusal = refusal_text(error, at.language, at.account.currency, _day_of(error, at))
        return _show(at, _status(error), typed=code, refusal=refusal)
    return RedirectResponse(f"{answer.body.decode()}#promotions", 303)


def _checked(
    at: AccountPage, form: InformationForm, known: PaymentInformation | None
) -> tuple[Information | None, Mapping[str, str]]:
    """Return what was written if it is right, else what is wrong by field, in the reader's words."""
    information, found = looked_over(
        at.account,
        method=form.method,
        company=form.company or _NOTHING,
        registration_number=form.registration_number,
        recipient=form.recipient or _NOTHING,
        email=form.email or _NOTHING,
        cc=form.copies,
        language=form.language or _NOTHING,
    )
    faults = dict(found)
    offered = methods_for(at.account.currency, _settings(at))
    if form.method not in offered and (known is None or form.method != known.method):
        faults["method"] = Invalid("This method is not offered.", "wrong-method", field="method")
    if needs_registration_number(form.method) and not form.registration_number.strip():
        faults["registration_number"] = Invalid("Give the number.", "registration-number-missing")
    texts = {field: fault_text(fault, at.language) for field, fault in faults.items()}
    return (None if texts else information), texts


def _needs_card(at: AccountPage, form: InformationForm, known: PaymentInformation | None) -> bool:
    debt = debt_of(at.session, at.account, at.now)
    steps = missing_steps(at.session, at.now, _settings(at), at.account, debt)
    has_card = known is not None and known.method_reference is not None
    return form.new_card or not has_card or any(step.what == "card-gateway" for step in steps)


def _card_form(apart: Apart, information: Information, key: str) -> str:
    """Open the gateway's form for a card, and return the page of ours that leads there."""
    form = begin(
        apart.transactions,
        open_card_gateway(apart.settings, apart.database),
        apart.now,
        account=apart.account,
        information=information,
        return_url=apart.absolute(FORM_PAGE),
        language=apart.reader.language,
        key=key,
    )
    return form.url if form.url.startswith(PAGE) else apart.href(FORM_PAGE, session=form.reference)


def _show(
    at: AccountPage,
    status: int = 200,
    *,
    edit: bool = False,
    done: str = "",
    new_code: str = "",
    form: InformationForm | None = None,
    faults: Mapping[str, str] | None = None,
    typed: str = "",
    refusal: str = "",
) -> Response:
    information = payment_information_of(at.session, at.account.id)
    projects = at.projects()
    promotions = _promotions(at, projects, information is not None, typed, refusal, new_code)
    if form is None and (edit or information is None):
        form = form_of(information, at.account, methods_for(at.account.currency, _settings(at)))
    view = _information(at, information, form, faults or {})
    return at.show(
        "payment_information.html",
        "payment-information",
        status,
        page=view,
        promotions=promotions,
        standings=standing_words(at.language),
        promotions_csv=at.href(PROMOTIONS_SHEET),
        done=done,
        project_count=len(projects),
        edit_href=at.href(PAGE, edit=1),
        shown_href=at.href(PAGE),
    )


def _information(
    at: AccountPage, information: PaymentInformation | None, form: InformationForm | None, faults: Mapping[str, str]
) -> InformationView:
    settings, debt = _settings(at), debt_of(at.session, at.account, at.now)
    return view_of(
        at.language,
        at.account,
        information,
        methods_for(at.account.currency, settings),
        missing_steps(at.session, at.now, settings, at.account, debt),
        next_payment(at.session, at.now, settings, at.account, debt),
        form,
        faults,
        secrets.token_hex(16),
    )


def _promotions(
    at: AccountPage,
    projects: list[SeenProject],
    is_open: bool = True,
    typed: str = "",
    refusal: str = "",
    new_code: str = "",
) -> PromotionsView:
    applied = applied_promotions(at.session, at.account, at.now)
    return promotions_view(
        applied,
        _preview(at, projects, applied),
        current_catalog(at.session),
        at.language,
        at.currency,
        at.zone,
        is_open=is_open,
        typed=typed,
        refusal=refusal,
        new_code=new_code,
        key=secrets.token_hex(16),
    )


def _preview(at: AccountPage, projects: list[SeenProject], applied: list[AppliedPromotion]) -> InvoiceDraft | None:
    """Return the running month's draft, if a promotion may take something off it."""
    if all(each.promotion.kind == PromotionKind.credit or each.standing == "upcoming" for each in applied):
        return None
    usage, month = at.request.app.state.usage, at.this_month()
    return show_month(at.session, usage, Payer(at.account, projects, whole=True), month, at.now).draft


def _settings(at: AccountPage) -> Settings:
    settings: Settings = at.request.app.state.settings
    return settings


def _status(error: MeterbookError) -> int:
    if isinstance(error, Busy):
        return 429
    return 409 if isinstance(error, Refused) else 422


def _day_of(error: MeterbookError, at: AccountPage) -> date | None:
    """Return the day that a refusal names, on the account's clocks: the first of validity, or the last."""
    if "valid_from" in error.details:
        return at.zone.local(datetime.fromisoformat(str(error.details["valid_from"]))).date()
    if "expired_at" in error.details:
        return last_day(datetime.fromisoformat(str(error.details["expired_at"])), at.zone)
    return None
