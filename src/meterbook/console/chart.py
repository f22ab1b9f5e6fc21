"""The chart of cost by day: which day, which product, which colour, and the data the browser draws it from.

Amounts reach the browser as written text; the plain number beside it only says how tall a bar is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from meterbook.console.formats import Formats
from meterbook.core.daily import DailyCosts
from meterbook.core.money import Money

COLOURS: Final = 16  # the style sheet's: eight that any colour vision tells apart, then each of them deeper


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """A product's cost a day; `None` where nothing was metered."""

    name: str
    colour: int
    costs: tuple[Money | None, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Cost by day and product; `open_day` is the position of the day that is not over yet."""

    days: tuple[date, ...]
    series: tuple[ChartSeries, ...]
    totals: tuple[Money | None, ...]
    open_day: int | None


def colour_of(product: str, positions: Mapping[str, int]) -> int:
    """Return the number, from 1, of a product's colour: fixed by its place in the catalog."""
    return positions.get(product, 0) % COLOURS + 1


def present_chart(daily: DailyCosts, language: str, positions: Mapping[str, int], today: date | None) -> Chart | None:
    """Present a month's daily costs, `today` being the day that is not over; `None` when nothing was metered."""
    if not daily.series:
        return None
    series = tuple(
        ChartSeries(one.product.name_in(language), colour_of(one.product.code, positions), one.costs)
        for one in sorted(daily.series, key=lambda one: positions.get(one.product.code, 0))
    )
    totals = tuple(_total([one.costs[day] for one in series]) for day in range(len(daily.days)))
    return Chart(daily.days, series, totals, daily.days.index(today) if today in daily.days else None)


def chart_data(chart: Chart, formats: Formats, open_note: str) -> dict[str, Any]:
    """Return what the browser draws: days and amounts as text, bar heights as plain numbers in text."""
    return {
        "days": [{"tick": str(day.day), "label": formats.weekday(day)} for day in chart.days],
        "series": [
            {
                "name": one.name,
                "colour": one.colour,
                "heights": [None if cost is None else str(cost) for cost in one.costs],
                "amounts": [formats.amount(cost) for cost in one.costs],
            }
            for one in chart.series
        ],
        "totals": ["" if total is None else formats.money(total) for total in chart.totals],
        "openDay": chart.open_day,
        "openNote": open_note,
    }


def _total(costs: Sequence[Money | None]) -> Money | None:
    metered = [cost for cost in costs if cost is not None]
    return sum(metered[1:], metered[0]) if metered else None
