"""Sheets of metered usage: days and hours as they are on the screen, and every hour of every resource."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from fractions import Fraction

from meterbook.console.my_usage.present_metering import Figure, MeteringWindow, ShownDay, ShownHour
from meterbook.console.sheet import Cell
from meterbook.core.ahead import QUANTITY_PLACES
from meterbook.core.metering import Meter
from meterbook.core.money import half_up
from meterbook.usage.queries import UsageWindow

Word = Callable[[str], str]


def screen_columns(meter: Meter, word: Word) -> list[str]:
    """Return the heads of what is on the screen: a row a day, or of an open day a row an hour."""
    _ = word
    begins = [_("Day"), _("Hour")]
    if not meter.is_time_based:
        return [*begins, _("Quantity"), _("Unit"), _("Resources")]
    lines = [_("Lines"), _("Retention days")] if meter.retention_days else []
    return [*begins, *lines, _("Metered units"), _("Unit"), _("Total time"), _("Resources")]


def screen_rows(page: MeteringWindow) -> Iterator[list[Cell]]:
    """Yield the rows of the screen; the quantities of all rows add up to those shown."""
    for day in page.days:
        if day.is_open:
            for hour in day.hours:
                if hour.units is not None:
                    yield _hour_row(page.figure, day, hour)
        else:
            yield _day_row(page.figure, day)


def hour_columns(meter: Meter, word: Word) -> list[str]:
    """Return the heads of the full sheet."""
    _ = word
    begins = [_("Hour"), _("Resource")]
    if not meter.is_time_based:
        return [*begins, _("Quantity"), _("Unit")]
    lines = [_("Lines"), _("Retention days")] if meter.retention_days else []
    return [*begins, *lines, _("Unit"), _("Total time")]


def hour_rows(figure: Figure, windows: Iterable[UsageWindow]) -> Iterator[list[Cell]]:
    """Yield an hour of a resource a row, exactly."""
    for window in windows:
        at = figure.zone.local(window.starts_at).replace(tzinfo=None)
        yield [at, window.resource, *quantity_cells(figure.meter, figure.unit, window.quantity)]


def quantity_cells(meter: Meter, unit: str, quantity: Decimal) -> list[Cell]:
    """Return the cells of an exact quantity: a counter's sum, or (of a stock after its lines) unit-hours."""
    if not meter.is_time_based:
        return [plain_decimal(Fraction(quantity)), unit]
    cells: list[Cell] = [unit, plain_decimal(Fraction(quantity))]
    return [*stock_cells(meter, Fraction(quantity)), *cells]


def stock_cells(meter: Meter, total: Fraction | None) -> list[Cell]:
    """Return the lines behind a stock's unit-hours, with the days they are kept; nothing for another meter."""
    if meter.retention_days is None:
        return []
    lines = None if total is None else plain_decimal(total / (meter.retention_days * 24))
    return [lines, meter.retention_days]


def plain_decimal(value: Fraction | None) -> Decimal | None:
    """Write a metered quantity as the decimal it is, without trailing zeros."""
    if value is None:
        return None
    whole, point, decimals = f"{half_up(value, QUANTITY_PLACES):f}".partition(".")
    return Decimal(f"{whole}{point}{decimals}".rstrip("0").rstrip(".") if point else whole)


def _day_row(figure: Figure, day: ShownDay) -> list[Cell]:
    used, meter = day.used, figure.meter
    total = plain_decimal(used.total)
    if not meter.is_time_based:
        return [day.day, None, total, figure.unit, None]
    return [day.day, None, *stock_cells(meter, used.total), used.units, figure.unit, total, None]


def _hour_row(figure: Figure, day: ShownDay, hour: ShownHour) -> list[Cell]:
    meter, total = figure.meter, plain_decimal(hour.total)
    names = "; ".join([each.name for each in hour.resources] + ([f"+{hour.more}"] if hour.more else []))
    if not meter.is_time_based:
        return [day.day, hour.label, total, figure.unit, names]
    units = None if meter.retention_days or hour.units is None else plain_decimal(Fraction(hour.units))
    return [day.day, hour.label, *stock_cells(meter, hour.total), units, figure.unit, total, names]
