"""Formats of the console: those of the reader's language, with the few words they need from its catalog."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Final

from meterbook import formats as written
from meterbook.console.languages import translations

NOTHING: Final = written.NOTHING


class Formats(written.Formats):
    """The formatting filters of one language; templates know them by their method's name."""

    def __init__(self, language: str) -> None:
        _ = translations(language).gettext
        self._hours = _("%(hours)s h")
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

    def hours(self, quantity: Fraction | None) -> str:
        """Write unit-hours: "2,232 h"."""
        return NOTHING if quantity is None else self._hours % {"hours": self.number(quantity)}

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
