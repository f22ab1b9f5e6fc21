"""Bring the languages' catalogs in step with the texts in the console: `make messages`, then translate what is new.

English is the text itself, so its catalog is filled in here; a test fails while any other has a gap.
"""

from __future__ import annotations

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

CONSOLE = Path(__file__).resolve().parent.parent / "src/meterbook/console"
METHODS = [("templates/**.html", "jinja2"), ("**.py", "python")]
OPTIONS = {"templates/**.html": {"newstyle_gettext": "true", "trimmed": "true", "silent": "false"}}
LANGUAGES = ("en", "ko", "ja")
HEADER = "# What the console says, in one language."


def extracted() -> Catalog:
    """Return every text of the console that is shown in the reader's language."""
    catalog = Catalog()
    for file, line, message, comments, context in extract_from_dir(CONSOLE, METHODS, OPTIONS):
        catalog.add(message, None, [(file, line)], auto_comments=comments, context=context)
    return catalog


def main() -> None:
    """Update each language's catalog: new texts added empty, unused ones dropped."""
    template = extracted()
    for language in LANGUAGES:
        path = CONSOLE / "locale" / language / "LC_MESSAGES" / "meterbook.po"
        catalog = Catalog(language, project="Meterbook", header_comment=HEADER, fuzzy=False)
        if path.exists():
            with path.open("rb") as text:
                catalog = read_po(text, locale=language)
        catalog.update(template, no_fuzzy_matching=True, update_creation_date=False)
        if language == "en":
            for message in catalog:
                message.string = message.id
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as text:
            write_po(text, catalog, width=100, no_location=True, sort_output=True, ignore_obsolete=True)


if __name__ == "__main__":
    main()
