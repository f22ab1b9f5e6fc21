"""What stops an account's payments, or will: information that is missing or not complete, a card that failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import payment_information_of
from meterbook.accounts.tables import Account, PaymentInformation
from meterbook.database import among
from meterbook.invoicing.debt import Debt
from meterbook.payments.gateway import ChargeStatus
from meterbook.payments.gateways.open import takes_fake_cards
from meterbook.payments.methods import needs_registration_number
from meterbook.payments.set_up_card import open_form_of
from meterbook.payments.tables import PaymentAttempt
from meterbook.settings import Settings

_FAILED = (ChargeStatus.declined.value, ChargeStatus.needs_action.value)


@dataclass(frozen=True, slots=True)
class MissingStep:
    """One thing to do so that nothing stops.

    information: register payment information. card-form: enter the card in the gateway's form that is open (`reference`
    names it). card-gateway: the card is at a gateway that is not set up any more. card-declined: the card was refused
    for an invoice (`reference`) that is unpaid. registration-number: the tax invoice needs one. overdue: pay what was
    due (`reference` is the oldest invoice).
    """

    what: Literal["information", "card-form", "card-gateway", "card-declined", "registration-number", "overdue"]
    reference: str | None = None


def missing_steps(
    session: Session, now: datetime, settings: Settings, account: Account, debt: Debt
) -> list[MissingStep]:
    """Return what an account has to do, the most urgent first; nothing when all is set."""
    information = payment_information_of(session, account.id)
    steps = []
    form = open_form_of(session, now, account.id)
    if form is not None:
        steps.append(MissingStep("card-form", form.reference))
    elif information is None:
        steps.append(MissingStep("information"))
    if information is not None:
        steps += _of_information(session, settings, information, debt)
    overdue = _overdue(debt)
    return steps if overdue is None else [*steps, MissingStep("overdue", overdue)]


def _of_information(
    session: Session, settings: Settings, information: PaymentInformation, debt: Debt
) -> list[MissingStep]:
    if information.method == "card":
        if not _is_open(information.gateway, settings):
            return [MissingStep("card-gateway")]
        declined = _declined(session, information, debt)
        return [] if declined is None else [MissingStep("card-declined", declined)]
    if needs_registration_number(information.method) and information.registration_number is None:
        return [MissingStep("registration-number")]
    return []


def _is_open(gateway: str | None, settings: Settings) -> bool:
    return takes_fake_cards(settings) if gateway == "fake" else settings.stripe_secret_key is not None


def _declined(session: Session, information: PaymentInformation, debt: Debt) -> str | None:
    """Return the unpaid invoice whose last attempt with this very card failed, None if there is none."""
    unpaid = {invoice.id: invoice for invoice, _ in debt.invoices}
    attempts = session.scalars(
        select(PaymentAttempt).where(among(PaymentAttempt.invoice_id, unpaid)).order_by(PaymentAttempt.id)
    )
    last = {attempt.invoice_id: attempt for attempt in attempts}
    failed = sorted(
        invoice_id
        for invoice_id, attempt in last.items()
        if attempt.status in _FAILED and attempt.method_reference == information.method_reference
    )
    return unpaid[failed[0]].number if failed else None


def _overdue(debt: Debt) -> str | None:
    late = (invoice for invoice, _ in debt.invoices if invoice.due_on and invoice.due_on == debt.overdue_since)
    return min(late, key=lambda invoice: invoice.id).number if debt.overdue_since else None
