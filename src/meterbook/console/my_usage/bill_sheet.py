"""The table of charges as a sheet: every line of the groups that are found, with its formula."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from meterbook.console.formats import formats
from meterbook.console.my_usage.present_bill import BillTable, average_cost_of
from meterbook.console.sheet import Cell, in_currency
from meterbook.core.invoice import Adjustment, Line
from meterbook.core.money import Money, plain

Say = Callable[[str], str]


def bill_columns(currency: str, _: Say) -> list[str]:
    """Return the heads of the sheet's columns, in words."""
    return [
        _("Project"),
        _("Project code"),
        _("Product"),
        _("Product code"),
        _("From"),
        _("Until"),
        _("Metered units"),
        _("Unit"),
        _("Total time (h)"),
        in_currency(_("Unit price"), currency),
        in_currency(_("Average cost"), currency),
        in_currency(_("Total cost"), currency),
        in_currency(_("Discount"), currency),
        in_currency(_("Cost after discount"), currency),
        _("Formula"),
    ]


def bill_rows(table: BillTable, _: Say) -> Iterator[Sequence[Cell]]:
    """Yield the lines of every group that is found, then what late usage added to each; hidden costs stay empty."""
    for key in table.found():
        for line, shown in table.lines_of(key):
            yield _line(table, line, shown)
        for late in table.adjustments_of(key):
            yield _adjustment(table, late, _)


def _line(table: BillTable, line: Line, is_shown: bool) -> list[Cell]:
    charge, zone = line.charge, table.draft.frame.zone
    timed = line.is_time_based
    average = average_cost_of(line)
    costs: list[Cell] = [charge.unit_price, average, line.amount, line.discount, line.net, charge.formula]
    return [
        line.project.name,
        line.project.code,
        charge.product.name_in(table.language),
        charge.product.code,
        zone.local(charge.starts_at),
        zone.local(charge.ends_at),
        line.metered_units,
        formats(table.language).unit(charge.product.unit),
        plain(charge.quantity) if timed else None,
        *(costs if is_shown else [None] * len(costs)),
    ]


def _adjustment(table: BillTable, late: Adjustment, _: Say) -> list[Cell]:
    zone = table.draft.frame.zone
    return [
        late.project.name,
        late.project.code,
        late.product.name_in(table.language),
        late.product.code,
        zone.local(late.month.starts_at(zone)),
        zone.local(late.month.ends_at(zone)),
        None,
        formats(table.language).unit(late.product.unit),
        None,
        None,
        None,
        late.amount,
        Money.zero(late.amount.currency),
        late.amount,
        ": ".join([_("late usage"), late.formula]),
    ]
