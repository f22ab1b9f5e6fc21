"""The lines of an issued invoice, a page at a time: added up by project or product, and those of one of them.

An invoice may have thousands of lines. The sums are those of `core.invoice.Group`, made where the lines are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, false, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from meterbook.accounts.check import comparable
from meterbook.core.average import average_cost
from meterbook.core.invoice import Adjustment, GroupBy, Line
from meterbook.core.metering import MeterKind
from meterbook.core.money import Money
from meterbook.core.pricing import Product
from meterbook.core.rating import Waiver
from meterbook.invoicing.queries import adjustment_of_row, currency_of_invoice, line_of_row
from meterbook.invoicing.tables import Invoice, InvoiceLine
from meterbook.invoicing.terms import thawed_product

PAGE: Final = 50
LONGEST_GROUP: Final = 50


@dataclass(frozen=True, slots=True)
class LineGroup:
    """The lines of one project, or of one product, added up; figures as of `core.invoice.Group`.

    `project_name` and `product` are those of its first line, as they were at issue. `waiver` is set when nothing of it
    was charged, for one reason.
    """

    key: str
    project_name: str
    product: Product
    line_count: int
    total_time: Fraction | None
    average_cost: Decimal | None
    total_cost: Money
    net_cost: Money
    waiver: Waiver | None


@dataclass(frozen=True, slots=True)
class NumberedLine:
    """A line, or an adjustment, with its number on the invoice."""

    number: int
    line: Line | Adjustment


def group_page(
    session: Session,
    invoice: Invoice,
    by: GroupBy,
    *,
    find: str = "",
    only: str | None = None,
    skip: int = 0,
    limit: int = PAGE,
) -> tuple[list[LineGroup], int]:
    """Return groups in order of code, `limit` of them after the first `skip`, and how many there are in all.

    `find` narrows them to projects whose code or name holds it, `only` to one group.
    """
    key = _key(by)
    timed = and_(InvoiceLine.adjusts_month.is_(None), InvoiceLine.product["meter"]["kind"].astext != MeterKind.counter)
    reason = func.coalesce(InvoiceLine.waiver, case((InvoiceLine.adjusts_month.is_not(None), "late"), else_=""))
    query = (
        select(
            key.label("key"),
            func.min(InvoiceLine.position).label("first"),
            func.count().label("line_count"),
            func.sum(InvoiceLine.quantity).filter(timed).label("hours"),
            func.sum(InvoiceLine.amount_minor).filter(timed).label("timed_minor"),
            func.sum(InvoiceLine.amount_minor).label("total_minor"),
            func.sum(InvoiceLine.discount_minor).label("discount_minor"),
            case((func.min(reason) == func.max(reason), func.max(InvoiceLine.waiver))).label("waiver"),
            func.count().over().label("group_count"),
        )
        .where(InvoiceLine.invoice_id == invoice.id, *_found(find))
        .group_by(key)
        .order_by(key.collate("C"))
    )
    if only is not None:
        query = query.where(key == comparable(only))
    rows = session.execute(query.offset(skip).limit(limit)).all()
    if not rows:
        return [], 0
    first = {
        row.position: row for row in _rows(session, invoice, InvoiceLine.position.in_([row.first for row in rows]))
    }
    return [_group(row, first[row.first], invoice) for row in rows], rows[0].group_count


def lines_of_groups(
    session: Session,
    invoice: Invoice,
    by: GroupBy,
    keys: Collection[str],
    *,
    find: str = "",
    skip: int = 0,
    limit: int = LONGEST_GROUP,
) -> dict[str, list[NumberedLine]]:
    """Return the lines of groups by key, in the invoice's order; of each at most `limit`, after its first `skip`."""
    key = _key(by)
    place = func.row_number().over(partition_by=key, order_by=InvoiceLine.position)
    places = (
        select(InvoiceLine.position, place.label("place"))
        .where(InvoiceLine.invoice_id == invoice.id, key.in_(keys), *_found(find))
        .subquery()
    )
    shown = select(places.c.position).where(places.c.place > skip, places.c.place <= skip + limit)
    found: dict[str, list[NumberedLine]] = {}
    for row in _rows(session, invoice, InvoiceLine.position.in_(shown)):
        line = line_of_row(row, invoice) if row.adjusts_month is None else adjustment_of_row(row, invoice)
        name = row.project_code if by == "project" else row.product_code
        found.setdefault(name, []).append(NumberedLine(row.position, line))
    return found


def _key(by: GroupBy) -> InstrumentedAttribute[str]:
    return InvoiceLine.project_code if by == "project" else InvoiceLine.product_code


def _found(find: str) -> list[ColumnElement[bool]]:
    if not find:
        return []
    if not comparable(find):
        return [false()]
    in_code = InvoiceLine.project_code.icontains(find, autoescape=True)
    return [or_(in_code, InvoiceLine.project_name.icontains(find, autoescape=True))]


def _rows(session: Session, invoice: Invoice, condition: ColumnElement[bool]) -> list[InvoiceLine]:
    query = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id, condition)
    return list(session.scalars(query.order_by(InvoiceLine.position)))


def _group(row: Any, first: InvoiceLine, invoice: Invoice) -> LineGroup:
    money = currency_of_invoice(invoice)
    hours = None if row.hours is None else Fraction(row.hours)
    total = Money(int(row.total_minor), money)
    return LineGroup(
        key=row.key,
        project_name=first.project_name,
        product=thawed_product(first.product_code, first.product),
        line_count=row.line_count,
        total_time=hours,
        average_cost=None if hours is None else average_cost(Money(int(row.timed_minor), money), hours),
        total_cost=total,
        net_cost=total - Money(int(row.discount_minor), money),
        waiver=None if row.waiver is None else Waiver(row.waiver),
    )
