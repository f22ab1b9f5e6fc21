"""What was wrong with a form, in the reader's words: the act's sentence, or one that fits the form better."""

from __future__ import annotations

from dataclasses import dataclass

from meterbook.console.formats import formats
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


def too_many_letters(form: str, language: str) -> Problem:
    """Say that letters were asked for too often."""
    words = translations(language).gettext("Too many letters were asked for. Wait a while, then try again.")
    return Problem(form, None, words)


def status_of(error: MeterbookError) -> int:
    """Return the status of a page that shows a form again."""
    return 409 if error.kind == "refused" else 422


def _words(error: MeterbookError, language: str) -> str:
    _ = translations(language).gettext
    known = {
        "wrong-email": _("This is not an email address such as ann@example.com."),
        "wrong-name": _("A name has 1 to 200 characters, in one line."),
        "wrong-expires-at": _("Choose a day that is still to come."),
        "exists": _("This person is a member there already. Change what they may do in the list."),
    }
    if isinstance(error, NotFound):
        return _("Choose one of the projects.")
    return known.get(error.slug) or formats(language).said(error.message)
