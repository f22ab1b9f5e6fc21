"""Set a card up in the gateway's own form: open it, and register the card that was entered.

The gateway is asked between two transactions: when the cardholder comes back, and each hour for those who do not. A
form belongs to one account and registers one card, once, however often it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from meterbook.accounts.queries import locked
from meterbook.accounts.tables import Account
from meterbook.database import Transactions
from meterbook.errors import Busy, NotFound, Refused
from meterbook.payments.gateway import CardForm, CardGateway
from meterbook.payments.register import Information, register
from meterbook.payments.tables import CardSetup

LONGEST_REFERENCE: Final = 255
OPEN_FOR: Final = timedelta(hours=24)  # what Stripe gives a form
# How long a form is asked for: a card entered in its last minute is found too.
_ASKED_FOR: Final = OPEN_FOR + timedelta(hours=2)


class SetupOutcome(StrEnum):
    """What a visit to a form's end found.

    registered: the card is, now. open: it was not entered yet. past: its card was registered before, or other payment
    information since. over: the gateway closed it without a card.
    """

    registered = "registered"
    open = "open"
    past = "past"
    over = "over"


def begin(
    transactions: Transactions,
    gateway: CardGateway,
    now: datetime,
    *,
    account: Account,
    information: Information,
    return_url: str,
    language: str,
    key: str,
) -> CardForm:
    """Open a form for an account's card, and keep the information that is registered with it.

    One key opens one form. Raises `Busy` when the gateway is away.
    """
    form = gateway.begin_setup(account.code, information.email, return_url, language, f"setup/{account.code}/{key}")
    row = {
        "account_id": account.id,
        "gateway": gateway.name,
        "reference": form.reference,
        "url": form.url,
        "information": asdict(information),
        "begun_at": now,
    }
    with transactions() as session:
        session.execute(insert(CardSetup).values(row).on_conflict_do_nothing())
    return form


def end(
    transactions: Transactions, gateway: CardGateway, now: datetime, *, account_id: int, reference: str
) -> SetupOutcome:
    """Register the card that was entered into an account's form, if it was.

    Raises `NotFound` ("unknown-card-form") for a form of another account or none, `Busy` when the gateway is away.
    """
    with transactions() as session:
        account = session.get_one(Account, account_id)
        form = form_of(session, account_id, reference)
        if form.ended_at is not None:
            return SetupOutcome.past
    try:
        card = gateway.end_setup(account.code, reference)
    except Busy:  # a refusal too, but of the moment: the form stays open
        raise
    except Refused:
        with transactions() as session:
            form_of(session, account_id, reference).ended_at = now
        return SetupOutcome.over
    if card is None:
        return SetupOutcome.open
    with transactions() as session:
        (account,) = locked(session, [account_id])
        form = form_of(session, account_id, reference)
        if form.ended_at is not None:
            return SetupOutcome.past
        information = _thawed(form.information)
        register(session, now, account=account, information=information, gateway=gateway.name, card=card)
    return SetupOutcome.registered


def end_left_forms(transactions: Transactions, gateway: CardGateway, now: datetime) -> None:
    """Register the cards of holders who entered them and did not come back: of each account's last open form.

    When the gateway is away, or does not answer for one, the next time will do.
    """
    with transactions() as session:
        last = (
            select(CardSetup)
            .ext(distinct_on(CardSetup.account_id))
            .where(CardSetup.ended_at.is_(None), CardSetup.begun_at > now - _ASKED_FOR)
            .order_by(CardSetup.account_id, CardSetup.id.desc())
        )
        forms = [(form.account_id, form.reference) for form in session.scalars(last) if form.gateway == gateway.name]
    for account_id, reference in forms:
        with suppress(Busy):
            end(transactions, gateway, now, account_id=account_id, reference=reference)


def form_of(session: Session, account_id: int, reference: str) -> CardSetup:
    """Return an account's form by its reference; raises `NotFound` ("unknown-card-form")."""
    known = len(reference) <= LONGEST_REFERENCE and reference.isprintable()
    query = select(CardSetup).where(CardSetup.account_id == account_id, CardSetup.reference == reference)
    form = session.scalars(query).one_or_none() if known else None
    if form is None:
        raise NotFound("There is no such form for a card.", "unknown-card-form")
    return form


def open_form_of(session: Session, now: datetime, account_id: int) -> CardSetup | None:
    """Return the form that an account opened last and has not ended, None without one."""
    query = select(CardSetup).where(
        CardSetup.account_id == account_id, CardSetup.ended_at.is_(None), CardSetup.begun_at > now - OPEN_FOR
    )
    return session.scalars(query.order_by(CardSetup.id.desc()).limit(1)).first()


def _thawed(written: Mapping[str, Any]) -> Information:
    return Information(**{**written, "cc": tuple(written["cc"])})
