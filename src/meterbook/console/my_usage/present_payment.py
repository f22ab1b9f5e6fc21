"""Presenting payment information: the form with what is registered or was typed, what is missing, and its words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from meterbook.accounts.tables import Account, PaymentInformation
from meterbook.console.formats import formats
from meterbook.console.languages import translations
from meterbook.core.money import Money
from meterbook.errors import MeterbookError
from meterbook.payments.gateways.fake import TOKENS
from meterbook.payments.missing_steps import MissingStep
from meterbook.payments.next_payment import NextPayment

_CARD_LABEL: Final = re.compile(r"(?P<brand>.+) ending (?P<digits>\d{4})")
_BETWEEN_ADDRESSES: Final = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True)
class InformationForm:
    """The form's fields as they stand in it; `cc` has one address a line. `new_card` asks for another card."""

    method: str
    company: str
    registration_number: str
    recipient: str
    email: str
    cc: str
    language: str
    new_card: bool = False

    @property
    def copies(self) -> list[str]:
        """The addresses of `cc`, parted by commas, semicolons or line ends."""
        return [address for address in _BETWEEN_ADDRESSES.split(self.cc) if address]


@dataclass(frozen=True, slots=True)
class Registered:
    """What is registered, as its cards show it; `method` is its key, `method_name` its words."""

    method: str
    method_name: str
    company: str
    registration_number: str | None
    recipient: str
    email: str
    cc: tuple[str, ...]
    language: str


@dataclass(frozen=True, slots=True)
class InformationView:
    """Both cards of payment information: the form while it is written, else what is registered."""

    currency: str
    methods: tuple[str, ...]
    registered: Registered | None
    form: InformationForm | None
    faults: Mapping[str, str]
    steps: Sequence[MissingStep]
    next_on: date | None
    next_amount: Money | None
    card: str | None
    key: str


def form_of(information: PaymentInformation | None, account: Account, methods: Sequence[str]) -> InformationForm:
    """Return the form with what is registered, else with what the account says of itself."""
    if information is None:
        email = account.billing_email or ""
        return InformationForm(methods[0], account.name, "", account.name, email, "", account.language)
    return InformationForm(
        method=information.method,
        company=information.company,
        registration_number=information.registration_number or "",
        recipient=information.recipient,
        email=information.email,
        cc="\n".join(information.cc),
        language=information.language,
    )


def view_of(
    language: str,
    account: Account,
    information: PaymentInformation | None,
    methods: tuple[str, ...],
    steps: Sequence[MissingStep],
    payment: NextPayment,
    form: InformationForm | None,
    faults: Mapping[str, str],
    key: str,
) -> InformationView:
    """Present payment information; a method that is registered is offered too, be it usual or not."""
    offered = methods if information is None or information.method in methods else (*methods, information.method)
    has_card = information is not None and information.method_reference is not None
    # a card at a gateway that is gone has to be entered anew
    is_usable = has_card and all(step.what != "card-gateway" for step in steps)
    return InformationView(
        currency=account.currency,
        methods=offered,
        registered=None if information is None else _registered(information, language),
        form=form,
        faults=faults,
        steps=steps,
        next_on=payment.on,
        next_amount=payment.amount,
        card=method_name(information, language) if information is not None and is_usable else None,
        key=key,
    )


def method_name(information: PaymentInformation, language: str) -> str:
    """Name a registered method: of a card, what its holder recognizes it by."""
    _ = translations(language).gettext
    names = {
        "card": _("Card"),
        "bank_transfer": _("Bank transfer (tax invoice)"),
        "send_invoice": _("Send invoice"),
    }
    if information.method == "card" and information.method_label is not None:
        return card_name(information.method_label, language)
    return names[information.method]


def card_name(label: str, language: str) -> str:
    """Write a gateway's label of a card in a language; one that is not known is shown as it is."""
    _ = translations(language).gettext
    found = _CARD_LABEL.fullmatch(label)
    if found:
        words = {"brand": found["brand"].title(), "digits": found["digits"]}
        return _("%(brand)s ending in %(digits)s") % words
    tests = dict(zip(TOKENS.values(), test_cards(language).values(), strict=True))
    return tests.get(label, label)


def test_cards(language: str) -> dict[str, str]:
    """Return the fake gateway's cards by token, named in a language and in the order of its TOKENS."""
    _ = translations(language).gettext
    names = {
        "fake_succeeds": _("Test card that is charged"),
        "fake_declines": _("Test card that is declined"),
        "fake_declines_once": _("Test card that is declined once, then charged"),
        "fake_needs_action": _("Test card that waits for its holder to confirm"),
        "fake_times_out_then_succeeds": _("Test card whose first answer gets lost"),
    }
    return {token: names[token] for token in TOKENS}


def fault_text(error: MeterbookError, language: str) -> str:
    """Write what is wrong with a field, or why nothing was saved, in a language; what is not known as it is."""
    _ = translations(language).gettext
    known = {
        "wrong-method": _("Choose one of these ways to pay."),
        "wrong-company": _("Enter the name of the company: 200 characters at most, in one line."),
        "wrong-registration-number": _("A registration number has 50 characters at most."),
        "registration-number-missing": _("A tax invoice needs your registration number."),
        "wrong-recipient": _("Enter a name: 200 characters at most, in one line."),
        "wrong-email": _("Enter an email address such as ann@example.com."),
        "wrong-cc": _("Enter email addresses such as ann@example.com, 10 at most."),
        "wrong-language": _("Choose one of these languages."),
        "card-refused": _("The card was refused. Use another one."),
        "gateway-not-set-up": _("Cards cannot be registered at the moment. Choose another way to pay."),
        "gateway-unavailable": _(
            "Our payment partner does not answer at the moment. Nothing was changed: try again shortly."
        ),
        "idempotency-key-reused": _("This form was sent before with something else in it. Please send it again."),
    }
    return known.get(error.slug) or formats(language).said(error.message)


def refusal_text(error: MeterbookError, language: str, currency: str, day: date | None) -> str:
    """Write why a promotion code was not applied; `day` is on the account's clocks, of the refusals that have one."""
    _ = translations(language).gettext
    written = formats(language).date(day) if day else ""
    known = {
        "promotion-unknown": _("There is no such promotion code. Check how it is written."),
        "promotion-not-yet-valid": _("This code is not valid before %(day)s.") % {"day": written},
        "promotion-expired": _("This code was valid through %(day)s.") % {"day": written},
        "promotion-already-used": _("This code is applied already."),
        "promotion-used-up": _("This code has been used up: it was applied as often as it may be."),
        "promotion-wrong-currency": _("This code is for %(other)s, and your account is billed in %(own)s.")
        % {"other": error.details.get("currency"), "own": currency},
        "promotion-not-applicable": _("This code is for none of your projects."),
        "promotion-not-combinable": _("This code cannot be combined with %(code)s, which is applied.")
        % {"code": error.details.get("registered")},
        "payment-information-missing": _("Register payment information first: then you can apply a promotion code."),
        "too-many-guesses": _("Too many codes that do not exist were tried. Wait ten minutes, then try again."),
        "promotion-code-missing": _("Enter a promotion code."),
    }
    return known.get(error.slug) or formats(language).said(error.message)


def _registered(information: PaymentInformation, language: str) -> Registered:
    return Registered(
        method=information.method,
        method_name=method_name(information, language),
        company=information.company,
        registration_number=information.registration_number,
        recipient=information.recipient,
        email=information.email,
        cc=tuple(information.cc),
        language=information.language,
    )
