"""Formats of the console: those of the reader's language, with the few words they need from its catalog."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from meterbook import formats as written
from meterbook.console.languages import translations
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.core.sentence import Sentence

NOTHING: Final = written.NOTHING


class Formats(written.Formats):
    """The formatting filters of one language; templates know them by their method's name."""

    def __init__(self, language: str) -> None:
        _ = translations(language).gettext
        self._hours = _("%(hours)s h")
        # what many catalogs count in; other units are written as the catalog has them
        self._units = {
            "container": _("container"),
            "core": _("core"),
            "database": _("database"),
            "device": _("device"),
            "event": _("event"),
            "host": _("host"),
            "instance": _("instance"),
            "line": _("line"),
            "million lines": _("million lines"),
            "query": _("query"),
            "request": _("request"),
            "seat": _("seat"),
            "session": _("session"),
            "user": _("user"),
        }
        super().__init__(
            language,
            {
                "packages of": _("packages of"),
                "less what was charged before in this month": _("less what was charged before in this month"),
                "minimum": _("minimum"),
                "used": _("used"),
                "free": _("free"),
            },
        )

    def plural(self, unit: str, quantity: Decimal | None) -> str:
        """Write a catalog's unit for a quantity, those that are common in the language."""
        return super().plural(unit, quantity) if self.language == "en" else self.unit(unit)

    def unit(self, unit: str) -> str:
        """Write a catalog's unit by itself."""
        return self._units.get(unit, unit)

    def hours(self, quantity: Fraction | None) -> str:
        """Write unit-hours: "2,232 h"."""
        return NOTHING if quantity is None else self._hours % {"hours": self.number(quantity)}

    def said(self, text: str) -> str:
        """Say a sentence of an act in the language, its amounts and months as the language writes them."""
        _ = translations(self.language).gettext
        if not isinstance(text, Sentence):
            return _(text) if text else ""
        return _(text.pattern) % {name: self._value(value) for name, value in text.values.items()}

    def _value(self, value: object) -> str:
        if isinstance(value, Money):
            return self.amount(value)
        if isinstance(value, BillingMonth):
            return self.month(value)
        return self.said(value) if isinstance(value, Sentence) else str(value)

    def more(self, count: int) -> str:
        """Say how many a list leaves out: "+9 more"."""
        return _more(str(self.locale), count)


@lru_cache
def formats(language: str) -> Formats:
    """Return the formats of a language of `LANGUAGES`."""
    return Formats(language)


@lru_cache(maxsize=10_000)
def _more(language: str, count: int) -> str:
    """Say it once for all the lists of a page, which may be hundreds and leave out about as many."""
    text = translations(language).ngettext("+%(number)s more", "+%(number)s more", count)
    return text % {"number": formats(language).number(count)}
