"""Presenting a project's days as bars: by cost where a whole month is looked at, or by what was used of one product."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from meterbook.console.chart import Chart, present_chart, seen
from meterbook.console.my_usage.present_usage import ProductUse, ProjectUse, quantity_of_use
from meterbook.console.my_usage.read_usage import Looked, OfProject
from meterbook.usage.queries import UsageWindow

COST: Final = "cost"
HIGH: Final = 1000  # how tall the plot is, in its own measure


@dataclass(frozen=True, slots=True)
class QuantityBar:
    """A day's bar, of `HIGH` at most; `value` is None where nothing was metered. `href` opens the day."""

    day: date
    value: Decimal | None
    height: int
    is_today: bool
    href: str


@dataclass(frozen=True, slots=True)
class QuantityBars:
    """What was used of one product, day by day, under a scale that ends at `top`."""

    use: ProductUse
    top: Decimal
    bars: tuple[QuantityBar, ...]


@dataclass(frozen=True, slots=True)
class BarsChoice:
    """What the bars can measure: "cost" or a product, with the address that shows it."""

    key: str
    name: str
    href: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars that are shown, one of the two, and what else they can measure."""

    cost: Chart | None
    quantity: QuantityBars | None
    choices: tuple[BarsChoice, ...]


def present_bars(looked: Looked, read: OfProject, use: ProjectUse, cost_name: str) -> Bars | None:
    """Present the days of a project as bars; None when nothing was metered."""
    if not use.products:
        return None
    chart, state = None, looked.state
    if read.daily is not None:
        today = looked.period.today if looked.period.last_begun == looked.period.today else None
        chart = present_chart(
            read.daily, looked.at.language, looked.positions, today, href=lambda day: _opened(looked, day)
        )
        chart = seen(chart, state.plot, lambda plot: state.plotted(plot).href())
    product = next((each for each in use.products if each.code == state.chart), None)
    by_cost = chart is not None and product is None
    product = product or use.products[0]
    keys = [*([(COST, cost_name)] if chart else []), *((each.code, each.name) for each in use.products)]
    current = COST if by_cost else product.code
    return Bars(
        cost=chart if by_cost else None,
        quantity=None if by_cost else _quantities(looked, read, product),
        choices=tuple(BarsChoice(key, name, state.charted(key).href(), key == current) for key, name in keys),
    )


def _quantities(looked: Looked, read: OfProject, use: ProductUse) -> QuantityBars:
    by_day: dict[date, list[UsageWindow]] = defaultdict(list)
    for window in read.windows:
        by_day[looked.at.zone.local(window.starts_at).date()].append(window)
    period, values, day = looked.period, dict[date, Decimal | None](), looked.period.first
    last = period.last if period.month else period.last_begun
    while day <= last:
        used = quantity_of_use(use, by_day[day])
        values[day] = used.units if use.product.meter.retention_days is None else used.lines
        day += timedelta(days=1)
    top = _round_above(max((value for value in values.values() if value is not None), default=Decimal(0)))
    return QuantityBars(
        use,
        top,
        tuple(
            QuantityBar(day, value, int((value or 0) * HIGH / top), day == period.today, _opened(looked, day))
            for day, value in values.items()
        ),
    )


def _opened(looked: Looked, day: date) -> str:
    state = replace(looked.state, opened=frozenset({day.isoformat()}))
    return f"{state.href()}#day-{day.isoformat()}"


def _round_above(most: Decimal) -> Decimal:
    """Return the least round number that is not below a value: 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, ..."""
    if most <= 0:
        return Decimal(1)
    steps = (Decimal(tenths).scaleb(most.adjusted() - 1) for tenths in (10, 15, 20, 30, 50, 75, 100))
    return next(step for step in steps if step >= most)
