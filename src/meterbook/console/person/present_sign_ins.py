"""Open sign-ins as their owner reads them: which browser on which system, since when, until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from meterbook.accounts.manage_sign_ins import is_of
from meterbook.accounts.tables import SignIn
from meterbook.console.formats import formats
from meterbook.console.languages import translations
from meterbook.core.period import BillingZone

# By what a browser calls itself; the first that fits, as most say that they are others too.
_BROWSERS: Final = (
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Whale/", "Whale"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class OpenSignIn:
    """A row of the list; times are local."""

    id: int
    browser: str
    started: datetime
    ends: datetime
    is_this: bool


def present_sign_ins(found: Sequence[SignIn], token: str, language: str, zone: BillingZone) -> list[OpenSignIn]:
    """Present sign-ins, this one (of `token`) first."""
    rows = [
        OpenSignIn(
            each.id,
            browser_name(each.browser, language),
            zone.local(each.created_at),
            zone.local(each.expires_at),
            is_of(each, token),
        )
        for each in found
    ]
    return sorted(rows, key=lambda row: not row.is_this)


def browser_name(called: str, language: str) -> str:
    """Return a browser in words, from what it calls itself: "Firefox on Windows"."""
    _ = translations(language).gettext
    browser = next((name for part, name in _BROWSERS if part in called), None)
    system = next((name for part, name in _SYSTEMS if part in called), None)
    if browser is None:
        return system or _("Unknown browser")
    return browser if system is None else _("%(browser)s on %(system)s") % {"browser": browser, "system": system}


def written_day(at: datetime, language: str, zone: BillingZone) -> str:
    """Return the day of an instant with its year, on the zone's clocks."""
    return formats(language).date(zone.local(at).date(), "medium")
