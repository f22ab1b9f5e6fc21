"""Words for money: statuses, payment methods and causes in a reader's language, on pages and in sheets alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from meterbook.console.languages import translations


@dataclass(frozen=True, slots=True)
class MoneyWords:
    """The words of one language, each by the name that the field has below."""

    status: Mapping[str, str]
    method: Mapping[str, str]
    way: Mapping[str, str]
    reason: Mapping[str, str]
    attempt: Mapping[str, str]


@lru_cache
def status_words(language: str) -> Mapping[str, str]:
    """Return the words for where an invoice stands (`invoicing.queries.status_of`)."""
    _ = translations(language).gettext
    return {
        "issued": _("Issued"),
        "partially_paid": _("Partly paid"),
        "paid": _("Paid"),
        "overdue": _("Overdue"),
        "written_off": _("Written off"),
    }


@lru_cache
def method_words(language: str) -> Mapping[str, str]:
    """Return the words for how a payment came in."""
    _ = translations(language).gettext
    return {
        "card": _("Card"),
        "bank_transfer": _("Bank transfer"),
        "top_up": _("Paid ahead"),
    }


@lru_cache
def way_words(language: str) -> Mapping[str, str]:
    """Return the words for how an account pays (DOMAIN 9)."""
    _ = translations(language).gettext
    return {
        "card": _("Card"),
        "bank_transfer": _("Bank transfer (tax invoice)"),
        "send_invoice": _("Send invoice"),
    }


@lru_cache
def reason_words(language: str) -> Mapping[str, str]:
    """Return the words for why prepaid money or credit moved (`core.journal.Reason`, and "credit_used")."""
    _ = translations(language).gettext
    return {
        "payment": _("Overpaid"),
        "top_up": _("Paid ahead"),
        "settlement": _("Charge from balance"),
        "credit_used": _("Promotional credit used"),
        "refund": _("Refund"),
        "payment_return": _("Payment returned"),
        "credit_note": _("Credit note"),
        "credit_granted": _("Credit granted"),
        "credit_expired": _("Credit expired"),
        "credit_withdrawn": _("Credit taken back"),
    }


@lru_cache
def attempt_words(language: str) -> Mapping[str, str]:
    """Return the words for what became of a charge or a refund (`payments.gateway.ChargeStatus`)."""
    _ = translations(language).gettext
    return {
        "succeeded": _("done"),
        "declined": _("declined"),
        "needs_action": _("to be confirmed"),
        "pending": _("under way"),
    }


def money_words(language: str) -> MoneyWords:
    """Return all of these words."""
    return MoneyWords(
        status=status_words(language),
        method=method_words(language),
        way=way_words(language),
        reason=reason_words(language),
        attempt=attempt_words(language),
    )
