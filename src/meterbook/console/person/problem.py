"""What was wrong with a form, in the reader's words: acts speak English and name the reason by a slug."""

from __future__ import annotations

from dataclasses import dataclass

from meterbook.accounts.sign_in import LONGEST_PASSWORD, SHORTEST_PASSWORD
from meterbook.console.languages import translations
from meterbook.errors import MeterbookError, NotFound


@dataclass(frozen=True, slots=True)
class Problem:
    """Which form of a page was wrong, in which field (None: as a whole), and what to do about it."""

    form: str
    field: str | None
    message: str


def problem_of(error: MeterbookError, form: str, language: str) -> Problem:
    """Present an act's refusal of a form."""
    field = error.details.get("field")
    return Problem(form, field if isinstance(field, str) else None, _words(error, language))


def too_many(form: str, language: str) -> Problem:
    """Say that passwords were tried too often."""
    return Problem(form, None, translations(language).gettext("Too many attempts. Wait five minutes, then try again."))


def status_of(error: MeterbookError) -> int:
    """Return the status of a page that shows a form again."""
    return 409 if error.kind == "refused" else 422


def _words(error: MeterbookError, language: str) -> str:
    _ = translations(language).gettext
    words = {
        "wrong-email": _("This is not an email address such as ann@example.com."),
        "wrong-name": _("A name has 1 to 200 characters, in one line."),
        "wrong-password": _("A password has at least %(shortest)s characters, and at most %(longest)s.")
        % {"shortest": SHORTEST_PASSWORD, "longest": LONGEST_PASSWORD},
        "wrong-present-password": _("This is not your present password."),
        "wrong-expires-at": _("Choose a day that is still to come."),
        "exists": _("This person is a member there already. Change what they may do in the list."),
        "billing-not-held": _("You can only give a billing permission that you hold yourself."),
        "key-not-yours": _("You may not make a key of this kind here."),
        "last-admin": _("This is the last administrator of the account. Make somebody else one first."),
        "not-confirmed": _("Confirm that you give up what you may do here yourself."),
        "unknown-project": _("Choose one of the projects."),
    }
    general = _("Choose one of the projects.") if isinstance(error, NotFound) else _("Please check this and try again.")
    return words.get(error.slug, general)
