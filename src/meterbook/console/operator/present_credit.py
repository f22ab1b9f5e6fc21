"""Presenting an invoice's lines to credit: each with what is left of its net, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.invoicing.queries import currency_of_invoice
from meterbook.invoicing.tables import Invoice

LINES_A_PAGE: Final = 100
LINE: Final = "line-"  # what the fields of lines begin with


@dataclass(frozen=True, slots=True)
class CreditableLine:
    """A line by its position, with its net and what is left of it; `month` when it adjusts an earlier one.

    `field` names what is typed for it.
    """

    position: int
    field: str
    project: str
    product: str
    month: BillingMonth | None
    net: Money
    left: Money


@dataclass(frozen=True, slots=True)
class CreditableLines:
    """A page of lines: those that `find` keeps, from the `first` of them on; `next` is that of the page after."""

    lines: tuple[CreditableLine, ...]
    left: Money
    find: str
    first: int
    next: int | None
    count: int


def creditable_lines(
    invoice: Invoice, left: Mapping[int, int], language: str, *, find: str, first: int, most: int
) -> CreditableLines:
    """Present the lines whose project or product contains `find`; `left` is by position, in minor units."""
    money = currency_of_invoice(invoice)
    lines = [
        CreditableLine(
            position=row.position,
            field=f"{LINE}{row.position}",
            project=row.project_name,
            product=row.product["name"].get(language, row.product["name"]["en"]),
            month=None if row.adjusts_month is None else BillingMonth.parse(row.adjusts_month),
            net=Money(row.net_minor, money),
            left=Money(max(0, left[row.position]), money),
        )
        for row in invoice.lines
        if find.lower()
        in f"{row.project_code} {row.project_name} {row.product_code} {row.product['name']['en']}".lower()
    ]
    start = max(1, first)
    shown = lines[start - 1 : start - 1 + most]
    return CreditableLines(
        lines=tuple(shown),
        left=Money(sum(max(0, each) for each in left.values()), money),
        find=find,
        first=start,
        next=start + most if len(lines) >= start + most else None,
        count=len(lines),
    )
