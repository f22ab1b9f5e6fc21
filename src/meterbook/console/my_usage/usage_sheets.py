"""Sheets of a project's usage: its days and hours as they are on the screen, and every hour of every resource."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from fractions import Fraction

from meterbook.console.formats import formats
from meterbook.console.my_usage.metering_sheets import Word, plain_decimal, stock_cells
from meterbook.console.my_usage.present_metering import Quantity, ShownHour
from meterbook.console.my_usage.present_usage import ProductUse, ProjectUse
from meterbook.console.my_usage.read_usage import Looked
from meterbook.console.sheet import Cell
from meterbook.core.metering import Meter
from meterbook.core.pricing import Product
from meterbook.usage.hours import hours_by_resource
from meterbook.usage.queries import UsageWindow


def day_columns(word: Word) -> list[str]:
    """Return the heads of what is on the screen: a row a product and day, or of an open day a row an hour."""
    _ = word
    return [
        _("Day"),
        _("Hour"),
        _("Product"),
        _("Metered units"),
        _("Unit"),
        _("Total time"),
        _("Quantity"),
        _("Lines"),
        _("Retention days"),
        _("Resources"),
    ]


def day_rows(use: ProjectUse) -> Iterator[list[Cell]]:
    """Yield the rows of the screen; the quantities of all rows of a product add up to those shown."""
    for day in use.days:
        if not day.is_open:
            for product, used in zip(use.products, day.cells, strict=True):
                if used.total is not None:
                    yield _of_day(day.day, product, used)
            continue
        for hour in day.hours:
            for product, cell in zip(use.products, hour.cells, strict=True):
                if cell.units is not None:
                    yield _of_hour(day.day, product, cell)


def hour_columns(word: Word) -> list[str]:
    """Return the heads of the full sheet."""
    _ = word
    return [_("Hour"), _("Product"), _("Resource"), _("Unit"), _("Total time"), _("Quantity"), _("Lines")]


def hour_rows(looked: Looked, project_id: int) -> Iterator[list[Cell]]:
    """Return what yields an hour of a resource of a product a row, exactly, month by month as each is known.

    The rows are read after the request's transaction, from the usage store alone.
    """
    at = looked.at
    usage, account_id, zone, now, language = at.request.app.state.usage, at.account.id, at.zone, at.now, at.language
    products, meters = looked.products, looked.meters
    spans = [
        (
            max(looked.starts_at, month.starts_at(zone)),
            min(looked.ends_at, month.ends_at(zone), now),
            looked.issued[month].usage_through if month in looked.issued else None,
        )
        for month in looked.period.months
    ]

    def rows() -> Iterator[list[Cell]]:
        for starts_at, ends_at, through in spans:
            windows = hours_by_resource(
                usage, account_id, project_id, meters, starts_at, ends_at, zone, received_through=through
            )
            for window in windows:
                for product in products:
                    if product.meter == window.meter:
                        yield _of_resource(zone.local(window.starts_at), product, language, window)

    return rows()


def _of_day(day: date, product: ProductUse, used: Quantity) -> list[Cell]:
    units = used.units if product.product.meter.is_time_based else None
    return [day, None, product.name, units, product.unit, *_amounts(product.product.meter, used.total), None]


def _of_hour(day: date, product: ProductUse, hour: ShownHour) -> list[Cell]:
    meter = product.product.meter
    is_averaged = meter.is_time_based and meter.retention_days is None
    units = plain_decimal(Fraction(hour.units)) if is_averaged and hour.units is not None else None
    names = "; ".join([each.name for each in hour.resources] + ([f"+{hour.more}"] if hour.more else []))
    return [day, hour.label, product.name, units, product.unit, *_amounts(meter, hour.total), names]


def _of_resource(local: datetime, product: Product, language: str, window: UsageWindow) -> list[Cell]:
    time, counted, lines, _ = _amounts(product.meter, Fraction(window.quantity))
    unit = formats(language).unit(product.unit)
    return [local.replace(tzinfo=None), product.name_in(language), window.resource, unit, time, counted, lines]


def _amounts(meter: Meter, total: Fraction | None) -> list[Cell]:
    """Return total time, quantity, lines and retention days, those that the meter has."""
    exact = plain_decimal(total)
    lines = stock_cells(meter, total) or [None, None]
    return [exact if meter.is_time_based else None, None if meter.is_time_based else exact, *lines]
