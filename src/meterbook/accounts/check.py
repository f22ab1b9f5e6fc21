"""Check what people write: codes, names, e-mails, percents; each refusal names its field and what is allowed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from meterbook.core.money import Rounding, UnknownCurrency
from meterbook.core.money import currency as known_currency
from meterbook.core.period import BillingZone, ZoneRefused, billing_zone, hour_floor
from meterbook.core.sentence import say
from meterbook.errors import Invalid

LANGUAGES: Final = ("en", "ko", "ja")
LONGEST_CODE: Final = 64
LONGEST_NAME: Final = 200
LONGEST_EMAIL: Final = 254
LONGEST_LABEL: Final = 200
MOST_LABELS: Final = 50
TAX_DECIMALS: Final = 4
# Not the whole of RFC 5322: what mail systems give to people, in one line, without quotes and spaces.
_EMAIL: Final = re.compile(r"[^\s@\"'<>(),;:\\\[\]]{1,64}@[^\s@.\"'<>(),;:\\\[\]]+(\.[^\s@.\"'<>(),;:\\\[\]]+)+")
_NAMES: Final = {
    "name": say("name"),
    "company": say("company"),
    "registration_number": say("registration number"),
    "recipient": say("recipient"),
    "label": say("label"),
    "reason": say("reason"),
}
_Choice = TypeVar("_Choice", bound=StrEnum)


def code(value: str) -> str:
    """Return a code: 1 to 64 of a-z, 0-9, dash, underscore and dot, beginning with a letter or digit."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", value):
        raise _wrong(
            "code",
            say(
                "The code %(value)s is not allowed: 1 to %(most)s lower-case letters, digits, dashes, "
                "underscores and dots, beginning with a letter or a digit.",
                value=shown(value),
                most=LONGEST_CODE,
            ),
        )
    return value


def name(value: str, field: str = "name", longest: int = LONGEST_NAME) -> str:
    """Return a name without the space around it, composed (NFC): 1 to 200 characters, none that controls or hides."""
    value = unicodedata.normalize("NFC", value).strip()
    if not 0 < len(value) <= longest:
        raise _wrong(
            field, say("The %(field)s has to have 1 to %(most)s characters.", field=_NAMES[field], most=longest)
        )
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in value):
        raise _wrong(field, say("The %(field)s may not have line breaks or control characters.", field=_NAMES[field]))
    return value


def email(value: str, field: str = "email") -> str:
    """Return an e-mail address in lower case, as it is compared and stored."""
    value = address(value)
    if len(value) > LONGEST_EMAIL or not value.isprintable() or not _EMAIL.fullmatch(value) or ".." in value:
        raise _wrong(field, say("%(value)s is not an e-mail address such as ann@example.com.", value=shown(value)))
    return value


def address(value: str) -> str:
    """Return an e-mail address as it is looked up; whatever is asked for, so it is checked no further."""
    return unicodedata.normalize("NFC", value).strip().lower()


def comparable(value: str) -> str:
    """Return a text that PostgreSQL can compare: with a null byte or half a character, it equals nothing stored."""
    return value if value.isprintable() else ""


def labels(value: Mapping[str, str]) -> dict[str, str]:
    """Return a project's labels: names of 1 to 64 characters with texts of up to 200, at most 50."""
    if len(value) > MOST_LABELS:
        raise _wrong("labels", say("A project has at most %(most)s labels.", most=MOST_LABELS))
    checked = {name(key, "label", LONGEST_CODE): _label_text(text) for key, text in value.items()}
    if len(checked) < len(value):
        raise _wrong("labels", "Two labels have the same name.")
    return checked


def language(value: str) -> str:
    """Return a language of the product: en, ko or ja."""
    if value not in LANGUAGES:
        raise _wrong(
            "language",
            say(
                "The language %(value)s is unknown: use %(choices)s.", value=shown(value), choices=", ".join(LANGUAGES)
            ),
        )
    return value


def currency(value: str) -> str:
    """Return an ISO 4217 code."""
    try:
        return known_currency(value).code
    except UnknownCurrency:
        raise Invalid(
            say("%(value)s is not an ISO 4217 currency code such as USD, KRW or JPY.", value=shown(value)),
            "unknown-currency",
            field="currency",
        ) from None


def rounding(value: str | None) -> str | None:
    """Return a way of rounding, None for the currency's own."""
    return None if value is None else choice(Rounding, value, "rounding").value


def time_zone(value: str, dst_zones: bool) -> str:
    """Return a billing zone's name; zones that change their clocks need `dst_zones` (DOMAIN 2)."""
    try:
        return billing_zone(value[:LONGEST_CODE], dst_zones).name
    except ZoneRefused as refused:
        raise Invalid(say("%(what)s.", what=refused.args[0]), "wrong-time-zone", field="time_zone") from None


def tax_percent(value: Decimal) -> Decimal:
    """Return a tax rate in percent: 0 to 100 with at most 4 decimals."""
    if not value.is_finite() or not 0 <= value <= 100 or value != round(value, TAX_DECIMALS):
        raise _wrong(
            "tax_percent", say("The tax percent has to be 0 to 100 with at most %(most)s decimals.", most=TAX_DECIMALS)
        )
    return round(value, TAX_DECIMALS)


def trial_until(value: datetime | None, zone: BillingZone) -> datetime | None:
    """Return the end of a trial: the start of a billing hour, so that no hour is half free."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise _wrong("trial_until", "The end of the trial needs a zone, as in 2026-06-20T10:00:00+09:00.")
    if hour_floor(value, zone) != value:
        raise _wrong("trial_until", say("The trial has to end at the start of an hour in %(zone)s.", zone=zone.name))
    return value


def choice(of: type[_Choice], value: str, field: str) -> _Choice:
    """Return the member of an enumeration that `value` names."""
    try:
        return of(value)
    except ValueError:
        raise _wrong(
            field,
            say(
                "The %(field)s %(value)s is unknown: use %(choices)s.",
                field=field,
                value=shown(value),
                choices=", ".join(of),
            ),
        ) from None


def shown(value: str) -> str:
    """Return what a caller wrote, quoted and cut, fit for a message and a log line."""
    return ascii(value) if len(value) <= LONGEST_CODE else ascii(value[:LONGEST_CODE]) + "..."


def _label_text(text: str) -> str:
    return name(text, "label", LONGEST_LABEL) if text.strip() else ""


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(message, f"wrong-{field.replace('_', '-')}", field=field)
