"""Register how an account pays and where its invoices go; cards are tokens of a gateway, never numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.queries import payment_information_of
from meterbook.accounts.tables import Account, PaymentInformation
from meterbook.core.sentence import say
from meterbook.errors import Invalid
from meterbook.payments.gateway import Method
from meterbook.payments.tables import CardSetup

METHODS: Final = ("card", "bank_transfer", "send_invoice")
MOST_CC: Final = 10
LONGEST_NUMBER: Final = 50


@dataclass(frozen=True, slots=True)
class Information:
    """What a customer wrote into the form, checked."""

    method: str
    company: str
    registration_number: str | None
    recipient: str
    email: str
    cc: tuple[str, ...]
    language: str


def checked(
    account: Account,
    *,
    method: str,
    company: str | None,
    registration_number: str | None,
    recipient: str | None,
    email: str | None,
    cc: Sequence[str],
    language: str | None,
) -> Information:
    """Return checked payment information; company and recipient are the account's name unless given.

    Raises `Invalid` naming the first field that is wrong.
    """
    information, faults = looked_over(
        account,
        method=method,
        company=company,
        registration_number=registration_number,
        recipient=recipient,
        email=email,
        cc=cc,
        language=language,
    )
    if information is None:
        raise next(iter(faults.values()))
    return information


def looked_over(
    account: Account,
    *,
    method: str,
    company: str | None,
    registration_number: str | None,
    recipient: str | None,
    email: str | None,
    cc: Sequence[str],
    language: str | None,
) -> tuple[Information | None, Mapping[str, Invalid]]:
    """Return checked payment information, or None with what is wrong by field: a form tells of all at once."""
    number = (registration_number or "").strip() or None
    checks: dict[str, Callable[[], Any]] = {
        "method": lambda: _method(method),
        "company": lambda: check.name(company or account.name, "company"),
        "registration_number": lambda: (
            None if number is None else check.name(number, "registration_number", LONGEST_NUMBER)
        ),
        "recipient": lambda: check.name(recipient or company or account.name, "recipient"),
        "email": lambda: _email(email or account.billing_email),
        "cc": lambda: _copies(cc),
        "language": lambda: check.language(language or account.language),
    }
    values: dict[str, Any] = {}
    faults: dict[str, Invalid] = {}
    for field, looked_at in checks.items():
        try:
            values[field] = looked_at()
        except Invalid as fault:
            faults[field] = fault
    return (None if faults else Information(**values)), faults


def _method(method: str) -> str:
    if method not in METHODS:
        raise Invalid(
            say("The method is one of %(choices)s.", choices=", ".join(METHODS)), "wrong-method", field="method"
        )
    return method


def _email(address: str | None) -> str:
    if address is None:
        raise Invalid("Give the e-mail address that invoices go to.", "wrong-email", field="email")
    return check.email(address)


def _copies(cc: Sequence[str]) -> tuple[str, ...]:
    if len(cc) > MOST_CC:
        raise Invalid(say("Invoices are copied to %(most)s addresses at most.", most=MOST_CC), "wrong-cc", field="cc")
    return tuple(check.email(each, "cc") for each in cc)


def register(
    session: Session,
    now: datetime,
    *,
    account: Account,
    information: Information,
    gateway: str | None,
    card: Method | None,
) -> PaymentInformation:
    """Write an account's payment information and return it; forms for a card that are open come to an end with it.

    `card` is what the gateway keeps for a new card; a card that is registered stays without one. Raises `Invalid`
    ("card-missing") when there is neither.
    """
    known = payment_information_of(session, account.id)
    values = {
        "method": information.method,
        "gateway": None,
        "method_reference": None,
        "method_label": None,
        "company": information.company,
        "registration_number": information.registration_number,
        "recipient": information.recipient,
        "email": information.email,
        "cc": list(information.cc),
        "language": information.language,
        "updated_at": now,
    }
    if information.method == "card":
        if card is not None:
            values |= {"gateway": gateway, "method_reference": card.reference, "method_label": card.label}
        elif known is not None and known.method_reference is not None:
            values |= {
                "gateway": known.gateway,
                "method_reference": known.method_reference,
                "method_label": known.method_label,
            }
        else:
            raise Invalid("Give the token of a card from the gateway's form.", "card-missing", field="token")
    session.execute(
        insert(PaymentInformation)
        .values(account_id=account.id, **values)
        .on_conflict_do_update(index_elements=["account_id"], set_=values)
    )
    # what is registered now is not replaced by an older wish
    opened = update(CardSetup).where(CardSetup.account_id == account.id, CardSetup.ended_at.is_(None))
    session.execute(opened.values(ended_at=now))
    return session.get_one(PaymentInformation, account.id, populate_existing=True)
