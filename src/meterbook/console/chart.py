"""The chart of cost by day: which day, which product, which colour, where each bar stands, and what hovering reads.

Bars are drawn by the server, so that the chart is there without JavaScript; amounts reach the browser as written text,
and the plain number beside each only says how tall its bar is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from meterbook.console.formats import Formats
from meterbook.console.plot_state import UNTOUCHED, PlotState
from meterbook.core.daily import DailyCosts
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth

COLOURS: Final = 16  # the style sheet's: eight that any colour vision tells apart, then each of them deeper
HIGH: Final = 1000  # how tall the plot is, in its own measure
_TICKS_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """A product's cost a day; `None` where nothing was metered."""

    code: str
    name: str
    colour: int
    costs: tuple[Money | None, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """A product's piece of one day's stack: it begins `top` below the plot's top and is `height` tall, of `HIGH`."""

    series: int
    colour: int
    top: int
    height: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the plot, `top` below its top, and the amount it stands for."""

    value: Decimal
    top: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Cost by day and product; `open_day` is the position of the day that is not over yet.

    `before` is what the same days of the month `before_month` cost in all. `hrefs` are the days' addresses, "" of those
    to come. Of the products, the bars leave out those that `plot` hides, the figures none; `toggles` lead to each left
    out or in again.
    """

    days: tuple[date, ...]
    series: tuple[ChartSeries, ...]
    totals: tuple[Money | None, ...]
    open_day: int | None
    before_month: BillingMonth | None = None
    before: tuple[Money | None, ...] = ()
    hrefs: tuple[str, ...] = ()
    plot: PlotState = UNTOUCHED
    toggles: tuple[str, ...] = ()
    ticks: tuple[Tick, ...] = field(init=False)
    stacks: tuple[tuple[Bar, ...], ...] = field(init=False)
    before_line: str = field(init=False)

    def __post_init__(self) -> None:
        whole, lines = ticks([each for each in (*self.totals, *self.before) if each is not None])
        top = whole
        if not self.is_whole:
            shown = _totals([one.costs for one in self.series if not self.hides(one)])
            top, lines = ticks([each for each in shown if each is not None])
        object.__setattr__(self, "ticks", lines)
        object.__setattr__(self, "stacks", tuple(self._stack(day, top) for day in range(len(self.days))))
        object.__setattr__(self, "before_line", _line(self.before[: len(self.days)], whole))

    @property
    def is_whole(self) -> bool:
        """Whether no product is left out: beside fewer bars, the line of the month before would mislead."""
        return not any(self.hides(one) for one in self.series)

    def hides(self, series: ChartSeries) -> bool:
        """Whether the bars leave a product out."""
        return series.code in self.plot.hidden

    def _stack(self, day: int, top: int) -> tuple[Bar, ...]:
        bars, level = [], 0
        for number, one in enumerate(self.series):
            cost = one.costs[day]
            if cost is None or cost.minor <= 0:
                continue
            low, level = level * HIGH // top, level + (0 if self.hides(one) else cost.minor)
            high = level * HIGH // top
            bars.append(Bar(number, one.colour, HIGH - high, high - low))
        return tuple(bars)


def ticks(shown: Sequence[Money]) -> tuple[int, tuple[Tick, ...]]:
    """Return what the top of a plot of amounts of one currency stands for, in minor units, and the lines across it."""
    most = max((each.minor for each in shown), default=0)
    step = _step(most)
    top = step * max(1, -(-most // step))
    digits = shown[0].currency.digits if shown else 0
    values = range(0, top + 1, step)
    return top, tuple(Tick(Decimal(value).scaleb(-digits), HIGH - value * HIGH // top) for value in values)


def colour_of(product: str, positions: Mapping[str, int]) -> int:
    """Return the number, from 1, of a product's colour: fixed by its place in the catalog."""
    return positions.get(product, 0) % COLOURS + 1


def present_chart(
    daily: DailyCosts,
    language: str,
    positions: Mapping[str, int],
    today: date | None,
    *,
    before: DailyCosts | None = None,
    href: Callable[[date], str] | None = None,
) -> Chart | None:
    """Present a month's daily costs, `today` being the day that is not over; `None` when nothing was metered.

    `before` are those of the month before; `href` gives the address of a day.
    """
    if not daily.series:
        return None
    series = tuple(
        ChartSeries(one.product.code, one.product.name_in(language), colour_of(one.product.code, positions), one.costs)
        for one in sorted(daily.series, key=lambda one: positions.get(one.product.code, 0))
    )
    compared = before is not None and bool(before.series)
    return Chart(
        days=daily.days,
        series=series,
        totals=_totals([one.costs for one in daily.series]),
        open_day=daily.days.index(today) if today in daily.days else None,
        before_month=BillingMonth(before.days[0].year, before.days[0].month) if before and compared else None,
        before=_totals([one.costs for one in before.series]) if before and compared else (),
        hrefs=() if href is None else tuple(href(day) if today is None or day <= today else "" for day in daily.days),
    )


def seen(chart: Chart | None, plot: PlotState, href: Callable[[PlotState], str]) -> Chart | None:
    """Return a chart as a reader made it; `href` gives the address of the page with its plot in another state."""
    if chart is None:
        return None
    toggles = tuple(f"{href(plot.toggled(one.code))}#chart-title" for one in chart.series)
    return replace(chart, plot=plot, toggles=toggles)


def chart_data(chart: Chart, formats: Formats, open_note: str) -> dict[str, Any]:
    """Return what the browser reads of the chart: days and amounts as text, bar heights as plain numbers in text."""
    return {
        "days": [{"tick": str(day.day), "label": formats.weekday(day)} for day in chart.days],
        "series": [
            {
                "code": one.code,
                "name": one.name,
                "colour": one.colour,
                "heights": [None if cost is None else str(cost) for cost in one.costs],
                "amounts": [formats.amount(cost) for cost in one.costs],
            }
            for one in chart.series
        ],
        "totals": ["" if total is None else formats.money(total) for total in chart.totals],
        "before": None
        if chart.before_month is None
        else {
            "name": formats.month(chart.before_month),
            "heights": [None if cost is None else str(cost) for cost in chart.before[: len(chart.days)]],
            "amounts": [formats.money(cost) if cost else formats.amount(None) for cost in chart.before],
        },
        "openDay": chart.open_day,
        "openNote": open_note,
    }


def _totals(series: Sequence[Sequence[Money | None]]) -> tuple[Money | None, ...]:
    return tuple(_total(costs) for costs in zip(*series, strict=True))


def _total(costs: Sequence[Money | None]) -> Money | None:
    metered = [cost for cost in costs if cost is not None]
    return sum(metered[1:], metered[0]) if metered else None


def _step(most: int) -> int:
    """Return the least of 1, 2, 5, 10, 20, ... by which at most `_TICKS_MAX` lines reach `most`."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if step * factor * _TICKS_MAX >= most:
                return step * factor
        step *= 10


def _line(costs: Sequence[Money | None], top: int) -> str:
    """Return a path through the days' middles, a hundred a day, that leaves out days without usage."""
    path, is_drawn = [], False
    for day, cost in enumerate(costs):
        if cost is not None:
            path.append(f"{'L' if is_drawn else 'M'}{day * 100 + 50} {HIGH - max(0, cost.minor) * HIGH // top}")
        is_drawn = cost is not None
    return "".join(path)
