"""The state of the Metering information window in its address: what it is about, which days are open, which hour."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated, Final

from fastapi import Query

from meterbook.console.address import EVERYTHING, address_of, opened_in
from meterbook.core.period import BillingMonth
from meterbook.core.sentence import say
from meterbook.errors import Invalid

METERING: Final = "/metering"
LONGEST_LIST: Final = 1_000  # characters that name open days: a month of them, and some to spare
_HOUR: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class MeteringState:
    """What the reader looks at: days of one metered figure, of which some are open, or the raw events of an hour.

    `path` and `about` lead to the figure. `day` is the only day shown; `opened` holds days ("2026-10-09"), or
    `EVERYTHING` alone. `named` is the start of the hour (UTC) whose resources are all named, `hour` of the one whose
    events are shown, those `after` a cursor.
    """

    path: str
    about: tuple[tuple[str, str], ...] = ()
    day: date | None = None
    opened: frozenset[str] = frozenset()
    named: datetime | None = None
    hour: datetime | None = None
    after: str = ""

    def href(self, sheet: str = "") -> str:
        """Return the address of this state, or of a sheet of it ("/days.csv")."""
        return address_of(
            f"{self.path}{sheet}",
            **dict(self.about),
            day=self.day,
            open=",".join(sorted(self.opened)),
            named=None if self.named is None else written_hour(self.named),
            hour=None if self.hour is None else written_hour(self.hour),
            after=self.after,
        )

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """What a form for the day carries along."""
        return self.about

    def shows(self, day: date) -> bool:
        """Whether a day's hours are on the screen."""
        return day == self.day or EVERYTHING in self.opened or day.isoformat() in self.opened

    def of_day(self, day: date | None) -> MeteringState:
        """Return the state that shows one day alone, or (None) all of them, closed."""
        return MeteringState(self.path, self.about, day)

    def of_part(self, start: datetime | None) -> MeteringState:
        """Return the state that shows the part that starts then, or (None) the whole."""
        about = tuple((name, value) for name, value in self.about if name != "part")
        return MeteringState(self.path, about if start is None else (*about, ("part", written_hour(start))))

    def with_all(self, is_open: bool) -> MeteringState:
        """Return the state with all days, all of them open or closed."""
        return MeteringState(self.path, self.about, None, frozenset({EVERYTHING} if is_open else ()))

    def toggled(self, day: date, opened: Collection[date]) -> MeteringState:
        """Return the state with a day opened or closed; `opened` are those that are open."""
        days = frozenset(each.isoformat() for each in opened)
        return replace(self, opened=days ^ {day.isoformat()}, hour=None, after="")

    def at_hour(self, hour: datetime | None, after: str = "") -> MeteringState:
        """Return the state that shows an hour's raw events, those after a cursor; of no hour: the days again."""
        return replace(self, hour=hour, after=after)

    def hrefs_at(self, hours: Iterable[str]) -> list[str]:
        """Return the addresses of the raw events of written hours, hundreds of which differ in the hour alone."""
        return _hrefs(self.at_hour(None), "hour", hours)

    def hrefs_naming(self, hours: Iterable[str]) -> list[str]:
        """Return the addresses that name all resources of written hours."""
        return _hrefs(self.naming(None), "named", hours)

    def naming(self, hour: datetime | None) -> MeteringState:
        """Return the state that names all resources of an hour, or (None) of no hour."""
        return replace(self, named=hour, hour=None, after="")


@dataclass(frozen=True, slots=True)
class MeteringAsked:
    """What an address asks of the window beside what it is about."""

    day: date | None
    opened: frozenset[str]
    named: datetime | None
    hour: datetime | None
    after: str

    def of(self, path: str, **about: str) -> MeteringState:
        """Return the state of a figure."""
        return MeteringState(path, tuple(about.items()), self.day, self.opened, self.named, self.hour, self.after)


def metering_asked(
    day: Annotated[str, Query(max_length=10)] = "",
    opened: Annotated[str, Query(max_length=LONGEST_LIST, alias="open")] = "",
    named: Annotated[str, Query(max_length=20)] = "",
    hour: Annotated[str, Query(max_length=20)] = "",
    after: Annotated[str, Query(max_length=60)] = "",
) -> MeteringAsked:
    """Read an address; raises `Invalid` for a day or an hour that is none."""
    return MeteringAsked(day_in(day, "day"), opened_in(opened), hour_in(named, "named"), hour_in(hour, "hour"), after)


def metering_of(account: str, project: str, product: str, month: BillingMonth) -> MeteringState:
    """Return the window of a product in a project's month, all days closed."""
    about = {"account": account, "project": project, "product": product, "month": str(month)}
    return MeteringState(METERING, tuple(about.items()))


def metering_href(
    account: str,
    project: str,
    product: str,
    month: BillingMonth,
    day: date | None = None,
    hour: datetime | None = None,
    part: datetime | None = None,
) -> str:
    """Return the address of the window of a product in a project's month, at once on a day or an hour (UTC) of it.

    `part` is the start of a part of the month that is charged apart, to which the window then keeps.
    """
    state = replace(metering_of(account, project, product, month), day=day, hour=hour)
    return (state if part is None else state.of_part(part)).href()


def days_href(account: str, project: str, product: str, first: date, last: date) -> str:
    """Return the address of the window of a product in days of a project, the last included."""
    about = {"account": account, "project": project, "product": product, "from": first, "until": last}
    return address_of(METERING, **about)


def day_in(text: str, field: str) -> date | None:
    """Read a day of an address ("2026-10-09"), None for none. Raises `Invalid`."""
    if not text:
        return None
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            raise ValueError(text)
        day = date.fromisoformat(text)
    except ValueError:
        raise Invalid(say("%(text)s is not a day such as 2026-10-09.", text=repr(text)), field=field) from None
    # beyond these years the calendar's arithmetic overflows
    if not 1970 <= day.year <= 2199:
        raise Invalid(say("%(text)s is not a day of the years 1970 to 2199.", text=repr(text)), field=field)
    return day


def _hrefs(days: MeteringState, name: str, hours: Iterable[str]) -> list[str]:
    base = days.href()
    joint = "&" if "?" in base else "?"
    return [f"{base}{joint}{address_of('', **{name: hour})[1:]}" for hour in hours]


@lru_cache(maxsize=10_000)
def written_hour(hour: datetime) -> str:
    """Write an hour as the address carries it: "2026-10-09T14:00Z"."""
    return f"{hour.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def hour_in(text: str, field: str) -> datetime | None:
    """Read an hour of an address ("2026-10-09T14:00Z"), None for none. Raises `Invalid`."""
    if not text:
        return None
    try:
        if not _HOUR.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(say("%(text)s is not an hour such as 2026-10-09T14:00Z.", text=repr(text)), field=field) from None
