"""The promotions that an account applied, as a sheet: what each gives, for what and how long, and what it saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from meterbook.console.languages import translations
from meterbook.console.my_usage.present_promotions import PromotionItem, PromotionsView
from meterbook.console.promotion_words import kind_words, value_unit
from meterbook.console.sheet import Cell, in_currency
from meterbook.core.money import plain


@lru_cache
def standing_words(language: str) -> Mapping[str, str]:
    """Return the words for how an applied code stands (`PromotionItem.standing`)."""
    _ = translations(language).gettext
    return {
        "upcoming": _("upcoming"),
        "active": _("active"),
        "ended": _("ended"),
        "used": _("used up"),
        "taken_back": _("taken back"),
    }


def promotion_columns(currency: str, language: str) -> list[str]:
    """Return the heads of the columns."""
    _ = translations(language).gettext
    return [
        _("Promotion code"),
        _("Name"),
        _("Kind"),
        _("Value"),
        _("Unit"),
        _("Terms"),
        _("Holds for"),
        _("From"),
        _("Until"),
        _("Status"),
        in_currency(_("This month"), currency),
        in_currency(_("Saved so far"), currency),
        in_currency(_("Left"), currency),
    ]


def promotion_rows(view: PromotionsView, language: str) -> Iterator[list[Cell]]:
    """Yield the applied codes, the newest first."""
    _ = translations(language).gettext
    kinds, standings = kind_words(language), standing_words(language)
    for item in view.items:
        yield [
            item.code,
            item.name,
            kinds[item.kind],
            item.amount or plain(item.rate),
            value_unit(item.kind, item.free_unit, view.currency, language),
            "; ".join(_terms(item, _)),
            _scope(item, _),
            item.first_on,
            item.last_on,
            standings[item.standing],
            item.this_month,
            item.saved,
            item.left,
        ]


def _terms(item: PromotionItem, _: Callable[[str], str]) -> Iterator[str]:
    if item.kind == "percent" and item.applies_to == "line":
        yield _("off each line")
    elif item.kind in ("percent", "amount") and item.applies_to == "invoice":
        yield _("off the invoice")
    if item.carries_over:
        yield _("what a month leaves over adds to the next")


def _scope(item: PromotionItem, _: Callable[[str], str]) -> str:
    if item.kind == "credit":
        return _("pays invoices")
    return ", ".join(item.products + item.projects) or _("all products and projects")
