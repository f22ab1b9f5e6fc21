"""The invoice of a month, drafted: lines, groups, subtotal, tax, total, forecast (DOMAIN 3, 4 and 6).

A preview is this draft, shown; a close keeps the same draft. Nothing else computes an invoice's amounts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from meterbook.core.money import Currency, Money, half_up
from meterbook.core.period import hour_count
from meterbook.core.pricing import Product
from meterbook.core.rating import Charge, Frame, Part, Waiver, price_boundaries, rate
from meterbook.core.tax import TaxLine, tax_on

QUANTITY_PLACES: Final = 9  # what usage is metered to

GroupBy = Literal["project", "product"]


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """What of an account decides its invoice; `tax_rate` is in percent."""

    code: str
    currency: Currency
    tax_rate: Decimal


@dataclass(frozen=True, slots=True)
class ProjectTerms:
    """What of a project decides its charges: usage before `free_until` costs nothing, for the reason `free_as`."""

    code: str
    name: str
    free_until: datetime | None = None
    free_as: Waiver = Waiver.trial


@dataclass(frozen=True, slots=True)
class Use:
    """What one project used of one product in the open month, in parts from the month's start without a gap.

    `pace` is the quantity an hour that the forecast continues with.
    """

    project: ProjectTerms
    product: Product
    parts: tuple[Part, ...]
    pace: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Line:
    """One charge of one project on an invoice, with the discount on it."""

    project: ProjectTerms
    charge: Charge
    discount: Money

    @property
    def is_time_based(self) -> bool:
        """Whether the line counts unit-hours; a counter's line counts a sum."""
        return self.charge.product.meter.is_time_based

    @property
    def amount(self) -> Money:
        """The line before its discount."""
        return self.charge.amount

    @property
    def net(self) -> Money:
        """The line after its discount."""
        return self.charge.amount - self.discount

    @property
    def metered_units(self) -> Decimal:
        """What was on average in use (unit-hours / usage hours), for display; a counter's sum, exactly."""
        quantity = self.charge.quantity
        return shown(quantity / max(self.charge.usage_hours, 1) if self.is_time_based else quantity)


@dataclass(frozen=True, slots=True)
class Group:
    """The lines of one project or one product with their sums.

    `total_time` is in unit-hours and `average_cost` an hour, both over time-based lines alone; `None` without any.
    """

    key: str
    lines: tuple[Line, ...]
    total_time: Fraction | None
    average_cost: Decimal | None
    total_cost: Money


@dataclass(frozen=True, slots=True)
class InvoiceDraft:
    """An invoice before it has a number: what the month came to until `until`.

    `forecast` is the total at the month's end if usage goes on at its recent pace.
    """

    account: AccountTerms
    frame: Frame
    until: datetime
    data_through: datetime | None
    lines: tuple[Line, ...]
    subtotal: Money
    net: Money
    tax: tuple[TaxLine, ...]
    total: Money
    forecast: Money

    @property
    def currency(self) -> Currency:
        """The account's currency, which every amount is in."""
        return self.account.currency

    def groups(self, by: GroupBy) -> tuple[Group, ...]:
        """Return the lines grouped by project or by product, in their order of first appearance by name."""
        key: Callable[[Line], str] = _project_of if by == "project" else _product_of
        members: dict[str, list[Line]] = {}
        for line in sorted(self.lines, key=key):
            members.setdefault(key(line), []).append(line)
        return tuple(_group(name, lines, self.currency) for name, lines in members.items())


def draft(
    account: AccountTerms,
    frame: Frame,
    uses: Sequence[Use],
    until: datetime,
    data_through: datetime | None,
) -> InvoiceDraft:
    """Draft the invoice of `frame.month` for what was used from its start until `until`."""
    lines = _lines(account, frame, uses)
    subtotal, tax, total = _totals(account, lines)
    forecast = total
    if until < frame.ends_at:
        forecast = _totals(account, _lines(account, frame, _continued(uses, frame, account)))[2]
    return InvoiceDraft(account, frame, until, data_through, lines, subtotal, subtotal, tax, total, forecast)


def use_boundaries(
    frame: Frame, products: Iterable[Product], projects: Iterable[ProjectTerms], currency: Currency
) -> set[datetime]:
    """Return the hours strictly inside the month at which usage has to be cut: price changes and ends of trials."""
    cuts = {cut for product in products for cut in price_boundaries(product, currency, frame)}
    ends = {project.free_until for project in projects if project.free_until is not None}
    return cuts | {end for end in ends if frame.starts_at < end < frame.ends_at}


def shown(value: Fraction) -> Decimal:
    """Round a quantity for display: two decimals, or three significant digits below one."""
    places = 2
    while value and abs(value) * 10**places < 100 and places < 12:
        places += 1
    return half_up(value, places)


def _lines(account: AccountTerms, frame: Frame, uses: Sequence[Use]) -> tuple[Line, ...]:
    nothing = Money.zero(account.currency)
    return tuple(
        Line(use.project, charge, nothing)
        for use in uses
        for charge in rate(
            use.product,
            use.parts,
            frame,
            account.currency,
            use.project.free_until,
            use.project.free_as,
        )
    )


def _totals(account: AccountTerms, lines: Sequence[Line]) -> tuple[Money, tuple[TaxLine, ...], Money]:
    subtotal = sum((line.amount for line in lines), Money.zero(account.currency))
    tax = (tax_on(sum((line.net for line in lines), Money.zero(account.currency)), account.tax_rate),)
    return subtotal, tax, sum((line.amount for line in tax), subtotal)


def _continued(uses: Sequence[Use], frame: Frame, account: AccountTerms) -> list[Use]:
    """Return the uses as if each went on at its pace until the month's end."""
    products = {use.product.code: use.product for use in uses}
    projects = {use.project.code: use.project for use in uses}
    cuts = sorted(use_boundaries(frame, products.values(), projects.values(), account.currency))
    return [replace(use, parts=(*use.parts, *_ahead(use, cuts, frame))) for use in uses]


def _ahead(use: Use, cuts: Sequence[datetime], frame: Frame) -> Iterator[Part]:
    start = use.parts[-1].ends_at
    ends = [*(cut for cut in cuts if cut > start), frame.ends_at]
    for begin, end in zip([start, *ends], ends, strict=False):
        hours = hour_count(begin, end)
        quantity = Fraction(half_up(use.pace * hours, QUANTITY_PLACES))
        yield Part(begin, end, quantity, hours if use.pace else 0)


def _group(key: str, lines: Sequence[Line], currency: Currency) -> Group:
    nothing = Money.zero(currency)
    total_cost = sum((line.amount for line in lines), nothing)
    timed = [line for line in lines if line.is_time_based]
    if not timed:
        return Group(key, tuple(lines), None, None, total_cost)
    total_time = sum((line.charge.quantity for line in timed), Fraction(0))
    timed_cost = sum((line.amount for line in timed), nothing)
    average = Fraction(timed_cost.decimal) / total_time if total_time else Fraction(0)
    return Group(key, tuple(lines), total_time, half_up(average, currency.digits + 2), total_cost)


def _project_of(line: Line) -> str:
    return line.project.code


def _product_of(line: Line) -> str:
    return line.charge.product.code
