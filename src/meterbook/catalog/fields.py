"""Read one table of a catalog file field by field, noting every mistake with its line instead of stopping at it."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from re import fullmatch
from typing import Final, TypeVar

from meterbook.catalog.lines import Path

LONGEST_TEXT: Final = 200
WHOLE_DIGITS: Final = 15
DECIMALS: Final = 12
FIRST_YEAR, LAST_YEAR = 1970, 9998
_Choice = TypeVar("_Choice", bound=StrEnum)


class WrittenFloat(str):
    """A number with a point as it stands in the file, kept from becoming a binary float."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake: its line (from 1), the field as a dotted path of keys, and what to do about it."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.field}: {self.message}" if self.field else f"line {self.line}: {self.message}"


@dataclass(slots=True)
class Notes:
    """The mistakes of one file, found so far."""

    lines: Mapping[Path, int]
    problems: list[Problem] = field(default_factory=list)

    def add(self, path: Path, message: str) -> None:
        """Note a mistake at a path; what is not in the file is told at the line of the table it belongs in."""
        place = path
        while place not in self.lines:
            place = place[:-1]
        name = ".".join(part for part in path if isinstance(part, str))
        self.problems.append(Problem(self.lines[place], name, message))


class Fields:
    """One table. Every reader returns None after noting a mistake, and for a field that is absent and optional."""

    def __init__(self, values: Mapping[str, object], path: Path, notes: Notes) -> None:
        self._values = values
        self.path = path
        self._notes = notes

    def __contains__(self, key: str) -> bool:
        return key in self._values

    @property
    def line(self) -> int:
        """The line on which the table begins."""
        return self._notes.lines[self.path]

    def note(self, key: str, message: str) -> None:
        """Note a mistake in a field."""
        self._notes.add((*self.path, key), message)

    def only(self, known: Collection[str]) -> None:
        """Note every key that is none of the known ones, with the one that may be meant."""
        for key in self._values:
            if key not in known:
                close = get_close_matches(key, known, 1)
                self.note(key, f'is unknown: did you mean "{close[0]}"?' if close else "is unknown")

    def text(self, key: str, form: str = ".+", allowed: str = "", longest: int = LONGEST_TEXT) -> str | None:
        """Read a required text that matches `form`; `allowed` says in words what does."""
        value = self._required(key)
        if value is None:
            return None
        if not isinstance(value, str) or isinstance(value, WrittenFloat):
            self.note(key, "has to be a text in quotes")
        elif not 0 < len(value) <= longest:
            self.note(key, f"has to have 1 to {longest} characters")
        elif value != value.strip() or any(unicodedata.category(each) in ("Cc", "Zl", "Zp") for each in value):
            self.note(key, "may not have line breaks, control characters or space around it")
        elif not fullmatch(form, value):
            self.note(key, f"{value!r} is not allowed: {allowed}")
        else:
            return value
        return None

    def choice(self, key: str, of: type[_Choice], default: _Choice | None = None) -> _Choice | None:
        """Read one of an enumeration's words."""
        if default is not None and key not in self._values:
            return default
        value = self._required(key)
        if value is None:
            return None
        if isinstance(value, str) and value in list(of):
            return of(value)
        self.note(key, f"{_shown(value)} is unknown: use {', '.join(of)}")
        return None

    def whole(self, key: str, least: int, most: int) -> int | None:
        """Read an optional whole number."""
        value = self._values.get(key)
        if value is None or (type(value) is int and least <= value <= most):
            return value
        self.note(key, f"has to be a whole number from {least} to {most}, without quotes")
        return None

    def decimal(self, key: str) -> Decimal | None:
        """Read an optional exact number of zero or more: a text such as "12.00", or a whole number."""
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, WrittenFloat):
            self.note(key, f'a number like {value} would be a binary float: write "{value}"')
            return None
        written = str(value) if type(value) is int and 0 <= value < 10**WHOLE_DIGITS else value
        form = rf"[0-9]{{1,{WHOLE_DIGITS}}}(\.[0-9]{{1,{DECIMALS}}})?"
        if isinstance(written, str) and fullmatch(form, written):
            return Decimal(written)
        self.note(
            key,
            f'has to be a number of zero or more such as "12.00", with at most {WHOLE_DIGITS} digits before the '
            f"point and {DECIMALS} after it",
        )
        return None

    def hour(self, key: str) -> datetime | None:
        """Read a required date-time with an offset at the start of an hour, as UTC."""
        value = self._required(key)
        if value is None:
            return None
        if isinstance(value, str):
            self.note(key, "has to be a date-time without quotes: 2014-01-01T00:00:00Z")
        elif not isinstance(value, datetime):
            self.note(key, "has to be a date-time with a time and an offset: 2014-01-01T00:00:00Z")
        elif value.tzinfo is None:
            self.note(key, f"needs its offset from UTC: {value.isoformat()}Z, or +09:00 in place of Z")
        elif (value.minute, value.second, value.microsecond) != (0, 0, 0):
            self.note(key, "has to be the start of an hour: minutes and seconds are 0")
        elif not FIRST_YEAR < value.year < LAST_YEAR:
            self.note(key, f"has to be after {FIRST_YEAR} and before {LAST_YEAR}")
        else:
            return value.astimezone(UTC)
        return None

    def table(self, key: str) -> Fields | None:
        """Read a required table."""
        value = self._required(key)
        if isinstance(value, dict):
            return Fields(value, (*self.path, key), self._notes)
        if value is not None:
            self.note(key, "has to be a table: { ... }")
        return None

    def tables(self, key: str, most: int, least: int = 0) -> list[Fields]:
        """Read an optional array of tables, empty when it is absent."""
        value = self._values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.note(key, "has to be a list of tables")
            return []
        if len(value) > most or (key in self._values and len(value) < least):
            self.note(key, f"has to have {least} to {most} tables")
            return []
        return [Fields(item, (*self.path, key, number), self._notes) for number, item in enumerate(value)]

    def names(self, key: str, languages: Collection[str]) -> dict[str, str] | None:
        """Read a required name: one text, which is English, or a table of texts by language, English among them."""
        if not isinstance(self._values.get(key), dict):
            name = self.text(key)
            return None if name is None else {"en": name}
        table = self.table(key)
        assert table is not None, "it is a table"
        table.only(languages)
        found = {language: table.text(language) for language in languages if language in table or language == "en"}
        return {language: name for language, name in found.items() if name is not None}

    def _required(self, key: str) -> object:
        if key not in self._values:
            self.note(key, "is missing")
        return self._values.get(key)


def _shown(value: object) -> str:
    return repr(value[:LONGEST_TEXT]) if isinstance(value, str) else "what is written"
