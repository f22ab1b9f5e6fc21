"""Bring the languages' catalogs in step with the texts in the console: `make messages`, then translate what is new.

English is the text itself, so its catalog is filled in here. With `--check` nothing is written: exit status 1 and a
list if a text is missing, untranslated, fuzzy, left over, or has other placeholders than its translation.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from io import BytesIO
from itertools import chain
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po

PACKAGE = Path(__file__).resolve().parent.parent / "src/meterbook"
CONSOLE = PACKAGE / "console"
# Rooms whose acts are refused in sentences that a page shows.
ROOMS = ("core", "accounts", "budgets", "catalog", "invoicing", "promotions", "payments")
# Where a refusal's sentence stands among the arguments.
REFUSALS = {"say": None, "Invalid": None, "Refused": None, "NotFound": None, "_wrong": (2,)}
METHODS = [
    ("templates/**.html", "jinja2"),
    ("gateway.py", "ignore"),
    ("gateways/**.py", "ignore"),
    ("**.py", "python"),
]
OPTIONS = {"templates/**.html": {"newstyle_gettext": "true", "trimmed": "true", "silent": "false"}}
LANGUAGES = ("en", "ko", "ja")
# Header lines that would change with every run, or name nobody.
NOISE = re.compile(
    r'"(Report-Msgid-Bugs-To|POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|Generated-By):'
)
PLACEHOLDER = re.compile(r"%\(\w+\)s")


def extracted() -> Catalog:
    """Return every text of the console that is shown in the reader's language."""
    catalog = Catalog()
    found = [extract_from_dir(CONSOLE, METHODS, OPTIONS, DEFAULT_KEYWORDS | REFUSALS)]
    found += [extract_from_dir(PACKAGE / room, METHODS, {}, REFUSALS) for room in ROOMS]
    for file, line, message, comments, context in chain.from_iterable(found):
        catalog.add(message, None, [(file, line)], auto_comments=comments, context=context)
    return catalog


def stored(language: str) -> Catalog:
    """Return a language's catalog as it is committed, an empty one if there is none."""
    path = path_of(language)
    if not path.exists():
        return Catalog(language)
    with path.open("rb") as text:
        return read_po(text, locale=language)


def path_of(language: str) -> Path:
    """Return where a language's catalog is kept."""
    return CONSOLE / "locale" / language / "LC_MESSAGES" / "meterbook.po"


def update(language: str, texts: Catalog) -> None:
    """Write a language's catalog with new texts added empty and unused ones dropped."""
    known = stored(language)
    catalog = Catalog(language, project="Meterbook", version="1", fuzzy=False, header_comment="# The console's words.")
    for text in texts:
        if text.id:
            before = known.get(text.id, text.context)
            empty = ("",) * catalog.num_plurals if text.pluralizable else ""
            string = text.id if language == "en" else before.string if before else empty
            catalog.add(text.id, string, context=text.context)
    path_of(language).parent.mkdir(parents=True, exist_ok=True)
    written = BytesIO()
    write_po(written, catalog, width=100, no_location=True, sort_output=True)
    lines = written.getvalue().decode().splitlines(keepends=True)
    path_of(language).write_text("".join(line for line in lines if not NOISE.match(line)), encoding="utf-8")


def faults(language: str, texts: Catalog) -> Iterator[str]:
    """Yield what is wrong with a language's catalog."""
    catalog = stored(language)
    known = {(message.id, message.context): message for message in catalog if message.id}
    for text in texts:
        if text.id and (text.id, text.context) not in known:
            yield f"{language}: missing {text.id!r}"
    for message in known.values():
        if texts.get(message.id, message.context) is None:
            yield f"{language}: left over {message.id!r}"
        elif message.fuzzy or not all(strings(message)):
            yield f"{language}: untranslated {message.id!r}"
        elif any(placeholders(string) != placeholders(strings(message, "id")[-1]) for string in strings(message)):
            yield f"{language}: other placeholders {message.id!r}"


def strings(message: Message, side: str = "string") -> tuple[str, ...]:
    """Return a message's translations, or with "id" its texts: one, or one for each plural form."""
    value = getattr(message, side)
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def placeholders(text: str) -> list[str]:
    """Return the names that are filled into a text."""
    return sorted(PLACEHOLDER.findall(text))


def main() -> None:
    """Update the catalogs, or with `--check` say what is wrong with them."""
    texts = extracted()
    if "--check" in sys.argv[1:]:
        wrong = [fault for language in LANGUAGES for fault in faults(language, texts)]
        sys.exit("\n".join(wrong) or None)
    for language in LANGUAGES:
        update(language, texts)


if __name__ == "__main__":
    main()
