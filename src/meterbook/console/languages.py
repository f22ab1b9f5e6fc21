"""Languages: the three of the console, their catalogs, and which one a reader gets (DOMAIN 9)."""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from babel import negotiate_locale

LOCALE_DIR: Final = Path(__file__).parent / "locale"
DOMAIN: Final = "meterbook"
DEFAULT: Final = "en"
# Each language under the name its own speakers look for.
LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "ko": "한국어", "ja": "日本語"}
_MOST_ACCEPTED: Final = 20  # entries of an Accept-Language header that are read


@lru_cache
def translations(language: str) -> gettext.GNUTranslations:
    """Return the catalog of a language of `LANGUAGES`, as the static build compiled it."""
    return gettext.translation(DOMAIN, LOCALE_DIR, [language])


def chosen(asked: str | None, remembered: str | None, own: str | None, accepted: str | None) -> str:
    """Return the reader's language: asked for in the address, remembered, the user's own, the browser's, English."""
    for language in (asked, remembered, own):
        if language is not None and language in LANGUAGES:
            return language
    return negotiate_locale(_preferred(accepted or ""), list(LANGUAGES), sep="-") or DEFAULT


def _preferred(accepted: str) -> list[str]:
    """Return the languages of an Accept-Language header, best first, the region dropped."""
    weighed = []
    for entry in accepted.split(",")[:_MOST_ACCEPTED]:
        language, _, parameters = entry.strip().partition(";")
        weighed.append((_weight(parameters), language.split("-")[0].lower()))
    return [language for weight, language in sorted(weighed, key=lambda pair: -pair[0]) if weight > 0]


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
