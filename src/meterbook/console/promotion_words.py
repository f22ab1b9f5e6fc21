"""Words for promotions in a reader's language, in the sheets of customers and of the staff."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from meterbook.console.languages import translations
from meterbook.core.pricing import FreeUnit
from meterbook.core.promotion import PromotionKind


@lru_cache
def kind_words(language: str) -> Mapping[str, str]:
    """Return the words for what a promotion gives (`PromotionKind`)."""
    _ = translations(language).gettext
    return {
        "percent": _("Discount rate"),
        "amount": _("Amount off"),
        "fixed_price": _("Fixed price"),
        "free_quantity": _("Free quantity"),
        "credit": _("Promotional credit"),
    }


def value_unit(kind: str, free_unit: str, currency: str | None, language: str) -> str:
    """Return what a promotion's value counts: percent, a currency's money, hours or units."""
    if kind == PromotionKind.percent:
        return "%"
    if kind == PromotionKind.free_quantity:
        return "h" if free_unit == FreeUnit.unit_hours else translations(language).gettext("units")
    return currency or ""
