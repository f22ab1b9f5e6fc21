"""Fields of the staff's forms: what was typed, in bounds, and which of them a refusal is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Final

from fastapi import Depends, Request

from meterbook.core.period import BillingZone
from meterbook.core.sentence import say
from meterbook.errors import Invalid, MeterbookError

LONGEST: Final = 2_000  # characters of any field but one that says otherwise
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_WHOLE: Final = re.compile(r"-?[0-9]+")
# What of a form says nothing about what was typed.
_TOKENS: Final = frozenset({"form_token", "key", "seen", "lang", "theme"})


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a form as they were sent, or of an address; of a name that comes more than once, all values."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self, name: str, longest: int = LONGEST) -> str:
        """Return a field without the space around it, nothing where it was left out. Raises `Invalid`."""
        value = self.values.get(name, ("",))[0]
        if len(value) > longest:
            raise Invalid(say("This may have %(most)s characters at most.", most=f"{longest:,}"), field=name)
        return value.strip()

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field that may come more than once."""
        return tuple(value[:LONGEST] for value in self.values.get(name, ()))

    def flag(self, name: str) -> bool:
        """Whether a box was ticked."""
        return bool(self.text(name))

    def decimal(self, name: str) -> Decimal:
        """Read a number; nothing is zero. Raises `Invalid` naming the field."""
        text = self.text(name, 40) or "0"
        if not _NUMBER.fullmatch(text):
            raise Invalid("Write a number such as 10 or 8.25.", field=name)
        return Decimal(text)

    def whole(self, name: str) -> int | None:
        """Read a whole number, None where it was left out. Raises `Invalid` naming the field."""
        text = self.text(name, 20)
        if not text:
            return None
        if not _WHOLE.fullmatch(text):
            raise Invalid("Write a whole number such as 12.", field=name)
        return int(text)

    def day(self, name: str) -> date | None:
        """Read a day, None where it was left out. Raises `Invalid` naming the field."""
        text = self.text(name, 20)
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            raise Invalid("Write a day such as 2026-11-25.", field=name) from None

    def moment(self, name: str, zone: BillingZone) -> datetime | None:
        """Read a moment on a zone's clocks, None where it was left out. Raises `Invalid` naming the field."""
        text = self.text(name, 40)
        try:
            read = datetime.fromisoformat(text) if text else None
        except ValueError:
            raise Invalid("Write a day and a time such as 2026-11-25T10:00.", field=name) from None
        return read.replace(tzinfo=zone.tzinfo) if read is not None and read.tzinfo is None else read

    def listed(self, name: str) -> list[str]:
        """Return the words of a field that names several things, parted by commas, spaces or lines."""
        return self.text(name, 20_000).replace(",", " ").split()

    def typed(self) -> list[tuple[str, str]]:
        """Return every field and value as it was typed, without the tokens of the form."""
        return [(name, value) for name, values in self.values.items() if name not in _TOKENS for value in values]


@dataclass(frozen=True, slots=True)
class Form:
    """A form to show: the fields as they were typed or as they stand, and why it was refused, if it was."""

    fields: Fields = field(default_factory=Fields)
    problem: MeterbookError | None = None

    def value(self, name: str, otherwise: object = "") -> str:
        """Return what stands in a field."""
        values = self.fields.values.get(name)
        return values[0] if values else "" if otherwise is None or self.fields.values else str(otherwise)

    def ticked(self, name: str, otherwise: bool = False) -> bool:
        """Whether a box is ticked; a box that is not ticked is not sent."""
        return bool(self.value(name)) if self.fields.values else otherwise

    def error(self, name: str) -> str:
        """Return why a field was refused, nothing if it was not."""
        return self.problem.message if self.problem is not None and self._named == name else ""

    def error_elsewhere(self, *names: str) -> str:
        """Return why the form was refused when that is about none of the fields named."""
        return self.problem.message if self.problem is not None and self._named not in names else ""

    @property
    def _named(self) -> str:
        return "" if self.problem is None else str(self.problem.details.get("field", ""))


def fields_of(pairs: Iterable[tuple[str, object]]) -> Fields:
    """Return the texts among named values as fields."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        if isinstance(value, str):
            found[name] = (*found.get(name, ()), value)
    return Fields(found)


async def _sent(request: Request) -> Fields:
    return fields_of((await request.form()).multi_items())


def _asked(request: Request) -> Fields:
    return fields_of(request.query_params.multi_items())


# The fields of the form that was posted; those of the address, which forms that change nothing send.
Sent = Annotated[Fields, Depends(_sent)]
Asked = Annotated[Fields, Depends(_asked)]
