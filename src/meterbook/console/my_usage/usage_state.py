"""The state of the Usage page in its address: whose usage, of which days, which project, which days are open."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Annotated, Final, Literal, get_args

from fastapi import Query

from meterbook.console.account_page import AccountPage
from meterbook.console.address import EVERYTHING, address_of, opened_in
from meterbook.console.my_usage.metering_state import LONGEST_LIST, day_in
from meterbook.console.plot_state import OfPlot, PlotState
from meterbook.core.period import BillingMonth
from meterbook.core.sentence import say
from meterbook.errors import Invalid

USAGE: Final = "/usage"
MONTHS_MAX: Final = 13  # how much one view covers
PAGES_MAX: Final = 10_000
LONGEST_SEARCH: Final = 200

Kind = Literal["this-month", "last-month", "custom"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Period:
    """The days looked at, both included, on the account's clocks; `today` is the day that is not over."""

    kind: Kind
    first: date
    last: date
    today: date

    @property
    def last_begun(self) -> date:
        """The last of the days that has begun."""
        return min(self.last, self.today)

    @property
    def months(self) -> tuple[BillingMonth, ...]:
        """The months that the days touch, in order, as far as they have begun."""
        month, months = BillingMonth(self.first.year, self.first.month), []
        while date(month.year, month.month, 1) <= self.last_begun:
            months.append(month)
            month = month.next()
        return tuple(months)

    @property
    def is_whole(self) -> bool:
        """Whether they are all days of their months, up to now: what is billed by the month then has amounts."""
        return self.first.day == 1 and (self.last == _last_day(self.months[-1]) or self.last >= self.today)

    @property
    def month(self) -> BillingMonth | None:
        """The month that they are, whole, if they are one."""
        return self.months[0] if self.is_whole and len(self.months) == 1 else None


@dataclass(frozen=True, slots=True)
class UsageState:
    """What the reader looks at; `project` and `search` may be empty, `opened` holds days, or `EVERYTHING` alone.

    `typed` are the custom days as they were written. `chart` names what the bars measure: "cost" or a product.
    """

    account: str
    project: str
    kind: Kind
    typed: tuple[str, str]
    search: str
    page: int
    opened: frozenset[str]
    chart: str
    plot: PlotState

    def href(self, path: str = USAGE) -> str:
        """Return the address of this state, or of another form of it ("/usage/days.csv")."""
        custom = self.kind == "custom"
        return address_of(
            path,
            account=self.account,
            project=self.project,
            period=None if self.kind == "this-month" else self.kind,
            **({"from": self.typed[0], "until": self.typed[1]} if custom else {}),
            q=self.search,
            page=self.page if self.page > 1 else None,
            chart=self.chart,
            open=self.opened_text,
            **self.plot.fields,
        )

    def of_month(self, month: BillingMonth) -> UsageState:
        """Return the state with the days of a month, none of them open."""
        typed = (f"{month}-01", f"{month}-{month.days}")
        return replace(self, kind="custom", typed=typed, opened=frozenset())

    @property
    def opened_text(self) -> str:
        """The open days as the address carries them."""
        return ",".join(sorted(self.opened))

    def shows(self, day: date) -> bool:
        """Whether a day's hours are on the screen."""
        return EVERYTHING in self.opened or day.isoformat() in self.opened

    def of_project(self, code: str) -> UsageState:
        """Return the state with another project."""
        return replace(self, project=code, opened=frozenset(), chart="")

    def of_kind(self, kind: Kind) -> UsageState:
        """Return the state with another period."""
        return replace(self, kind=kind, typed=("", ""), opened=frozenset())

    def on_page(self, page: int) -> UsageState:
        """Return the state with another page of the list of projects."""
        return replace(self, page=page)

    def charted(self, what: str) -> UsageState:
        """Return the state with other bars."""
        return replace(self, chart=what)

    def plotted(self, plot: PlotState) -> UsageState:
        """Return the state with another state of the bars by cost."""
        return replace(self, plot=plot)

    def with_all(self, is_open: bool) -> UsageState:
        """Return the state with every day open, or none."""
        return replace(self, opened=frozenset({EVERYTHING} if is_open else ()))

    def toggled(self, day: date, days: Collection[date]) -> UsageState:
        """Return the state with a day opened or closed; `days` are those there are."""
        known = frozenset(each.isoformat() for each in days)
        opened = known if EVERYTHING in self.opened else self.opened & known
        return replace(self, opened=opened ^ {day.isoformat()})


@dataclass(frozen=True, slots=True)
class UsageAsked:
    """What an address asks for, as it is written there."""

    project: str
    period: str
    month: str
    typed: tuple[str, str]
    search: str
    page: int
    opened: frozenset[str]
    chart: str
    plot: PlotState

    def state(self, account: str, kind: Kind, typed: tuple[str, str]) -> UsageState:
        """Return the state of a period that was understood."""
        search = self.search.strip()
        return UsageState(account, self.project, kind, typed, search, self.page, self.opened, self.chart, self.plot)


def usage_asked(
    plot: OfPlot,
    project: Annotated[str, Query(max_length=100)] = "",
    period: Annotated[str, Query(max_length=20)] = "",
    month: Annotated[str, Query(max_length=20)] = "",
    begins: Annotated[str, Query(alias="from", max_length=20)] = "",
    until: Annotated[str, Query(max_length=20)] = "",
    q: Annotated[str, Query(max_length=LONGEST_SEARCH)] = "",
    page: Annotated[int, Query(ge=1, le=PAGES_MAX)] = 1,
    opened: Annotated[str, Query(max_length=LONGEST_LIST, alias="open")] = "",
    chart: Annotated[str, Query(max_length=100)] = "",
) -> UsageAsked:
    """Read an address; `month` stands for the days of a month, `from` and `until` (the last day) for others."""
    return UsageAsked(project, period, month, (begins, until), q, page, opened_in(opened), chart, plot)


def period_of(at: AccountPage, asked: UsageAsked) -> tuple[Period, tuple[str, str]]:
    """Return the period of an address and its days as a form writes them.

    Where only days of another month are open, that is "this month": it was when the address was copied. Raises
    `Invalid` with the slug of what is wrong: "wrong-from", "wrong-until", "wrong-order", "too-long", "not-begun".
    """
    today, this = at.zone.local(at.now).date(), at.this_month()
    kind = asked.period or ("custom" if any(asked.typed) and not asked.month else KINDS[0])
    if kind == "custom":
        return typed_period(asked.typed, today)
    if kind not in KINDS:
        raise Invalid("The period is this-month, last-month or custom.", field="period")
    if asked.month and not asked.period:
        month = at.month(asked.month)
    else:
        month = _copied_in(asked.opened, this if kind == "this-month" else this.previous(), this)
    if month == this or month == this.previous():
        return _month("this-month" if month == this else "last-month", month, today), ("", "")
    first, last = date(month.year, month.month, 1), _last_day(month)
    return _custom(first, last, today), (first.isoformat(), last.isoformat())


def _copied_in(opened: frozenset[str], month: BillingMonth, this: BillingMonth) -> BillingMonth:
    """Return a month, or that of the latest open day where no day of it is open and that one has begun."""
    if any(day.startswith(f"{month}-") for day in opened):
        return month
    try:
        day = day_in(max(opened, default=""), "open")
    except Invalid:
        return month
    of_days = month if day is None else BillingMonth(day.year, day.month)
    return of_days if of_days <= this else month


def this_month(at: AccountPage) -> Period:
    """Return the running month."""
    return _month("this-month", at.this_month(), at.zone.local(at.now).date())


def _month(kind: Kind, month: BillingMonth, today: date) -> Period:
    return Period(kind, date(month.year, month.month, 1), _last_day(month), today)


def typed_period(typed: tuple[str, str], today: date) -> tuple[Period, tuple[str, str]]:
    """Read custom days; without any, those of the month before until today. Raises `Invalid` as `period_of` does."""
    first = _day(typed[0], "from") or (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    last = _day(typed[1], "until") or max(first, today)
    return _custom(first, last, today), (first.isoformat(), last.isoformat())


def _day(text: str, field: str) -> date | None:
    try:
        return day_in(text.strip() or text, field)
    except Invalid as error:
        raise Invalid(error.message, f"wrong-{field}", field=field) from None


def _custom(first: date, last: date, today: date) -> Period:
    if first > last:
        raise Invalid("The first day comes after the last.", "wrong-order", field="until")
    if first > today:
        raise Invalid("The first day is still to come.", "not-begun", field="from")
    if (last.year - first.year) * 12 + last.month - first.month >= MONTHS_MAX + (last.day < first.day):
        raise Invalid(say("These are more than %(most)s months.", most=MONTHS_MAX), "too-long", field="until")
    return Period("custom", first, last, today)


def _last_day(month: BillingMonth) -> date:
    return date(month.year, month.month, month.days)
