"""The invoice of a month, drafted: lines, adjustments, discounts, tax, total, what pays it, forecast (DOMAIN 3 to 6).

A preview is this draft, shown; a close keeps the same draft. Nothing else computes an invoice's amounts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Final, Literal, NamedTuple

from meterbook.core.adding import added_up
from meterbook.core.ahead import Ahead
from meterbook.core.average import average_cost
from meterbook.core.credits import Books, Owed, settlement
from meterbook.core.discounts import Discount, Discounted, discount, net_of
from meterbook.core.money import Currency, Money, half_up
from meterbook.core.period import BillingMonth
from meterbook.core.pricing import Product
from meterbook.core.promotion import Promotion
from meterbook.core.rating import Charge, Frame, Part, Tariff
from meterbook.core.tax import TaxLine, tax_on
from meterbook.core.terms import AccountTerms, ProjectTerms, Use

GroupBy = Literal["project", "product"]
_NOTHING_OPEN: Final = Books()


class Line(NamedTuple):
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
class Adjustment:
    """What usage that came late adds to an issued month: its new net less what was billed for it (DOMAIN 6).

    Of one project and one product. `amount` is `rerated` less `billed`, or the part of it that this invoice can take.
    Discounts of the invoice it is on do not touch it; `tax_rate` is that of its own month.
    """

    project: ProjectTerms
    product: Product
    month: BillingMonth
    rerated: Money
    billed: Money
    amount: Money
    tax_rate: Decimal

    @property
    def formula(self) -> str:
        """The arithmetic of the amount."""
        return f"{self.rerated} now - {self.billed} billed"


@dataclass(frozen=True, slots=True)
class Group:
    """The lines of one project or one product with their sums.

    `total_time` is in unit-hours and `average_cost` an hour, both over time-based lines alone; `None` without any.
    `total_cost` is before and `net_cost` after discounts, both with the adjustments.
    """

    key: str
    lines: tuple[Line, ...]
    adjustments: tuple[Adjustment, ...]
    total_time: Fraction | None
    average_cost: Decimal | None
    total_cost: Money
    net_cost: Money


@dataclass(frozen=True, slots=True)
class InvoiceDraft:
    """An invoice before it has a number: what the month came to until `until`.

    `subtotal` is lines and adjustments before, `net` after discounts; `unpaid` is what earlier invoices leave to pay;
    `credit_used` and `balance_used` pay this one. `deferred_months` have an adjustment that this invoice cannot take
    whole. `forecast` is the total at the month's end if usage goes on at its recent pace.
    `promotions` are those that were in force, whether or not they took anything off.
    """

    account: AccountTerms
    frame: Frame
    until: datetime
    data_through: datetime | None
    lines: tuple[Line, ...]
    adjustments: tuple[Adjustment, ...]
    promotions: tuple[Promotion, ...]
    discounts: tuple[Discount, ...]
    subtotal: Money
    net: Money
    tax: tuple[TaxLine, ...]
    total: Money
    unpaid: Money
    credit_used: Money
    balance_used: Money
    deferred_months: tuple[BillingMonth, ...]
    forecast: Money

    @property
    def currency(self) -> Currency:
        """The account's currency, which every amount is in."""
        return self.account.currency

    @property
    def discount(self) -> Money:
        """What all promotions together take off."""
        return self.subtotal - self.net

    @property
    def amount_including_unpaid(self) -> Money:
        """The invoice and what earlier ones leave to pay."""
        return self.total + self.unpaid

    @property
    def due(self) -> Money:
        """What is left to pay, earlier invoices included, after credit and balance."""
        return self.amount_including_unpaid - self.credit_used - self.balance_used

    def groups(self, by: GroupBy) -> tuple[Group, ...]:
        """Return the lines grouped by project or by product, in their order of first appearance by name."""
        key: Callable[[Line], str] = _project_of if by == "project" else _product_of
        members: dict[str, list[Line]] = {}
        late: dict[str, list[Adjustment]] = {}
        for line in self.lines:
            members.setdefault(key(line), []).append(line)
        for adjustment in self.adjustments:
            code = adjustment.project.code if by == "project" else adjustment.product.code
            late.setdefault(code, []).append(adjustment)
        names = sorted(members.keys() | late.keys())
        return tuple(_group(name, members.get(name, []), late.get(name, []), self.currency) for name in names)


def draft(
    account: AccountTerms,
    frame: Frame,
    uses: Sequence[Use],
    until: datetime,
    data_through: datetime | None,
    promotions: Sequence[Promotion] = (),
    adjustments: Sequence[Adjustment] = (),
    books: Books = _NOTHING_OPEN,
) -> InvoiceDraft:
    """Draft the invoice of `frame.month` for what was used from its start until `until`.

    `promotions` are those redeemed, `adjustments` what late usage of earlier months came to, `books` the open items.
    """
    tariffs = _tariffs(uses, frame, account.currency)
    bill = _bill(account, frame, uses, tariffs, promotions, adjustments)
    forecast = bill.total
    if until < frame.ends_at:
        forecast = _forecast(account, frame, uses, tariffs, promotions, adjustments)
    standing = settlement(Owed(None, bill.total, frame.starts_at, frame.ends_at), books)
    wanted = {(each.month, each.project.code, each.product.code): each.amount for each in adjustments}
    for each in bill.adjustments:
        wanted[each.month, each.project.code, each.product.code] -= each.amount
    return InvoiceDraft(
        account=account,
        frame=frame,
        until=until,
        data_through=data_through,
        lines=bill.lines,
        adjustments=bill.adjustments,
        promotions=tuple(promotions),
        discounts=bill.discounts,
        subtotal=bill.subtotal,
        net=bill.net,
        tax=bill.tax,
        total=bill.total,
        unpaid=standing.unpaid,
        credit_used=standing.credit_used,
        balance_used=standing.balance_used,
        deferred_months=tuple(sorted({month for (month, *_), amount in wanted.items() if amount.minor})),
        forecast=forecast,
    )


def shown(value: Fraction) -> Decimal:
    """Round a quantity for display: two decimals, or three significant digits below one."""
    places = 2
    while value and abs(value) * 10**places < 100 and places < 12:
        places += 1
    return half_up(value, places)


@dataclass(frozen=True, slots=True)
class _Bill:
    """The part of an invoice that depends on usage, promotions and adjustments alone."""

    lines: tuple[Line, ...]
    adjustments: tuple[Adjustment, ...]
    discounts: tuple[Discount, ...]
    subtotal: Money
    net: Money
    tax: tuple[TaxLine, ...]
    total: Money


def _tariffs(uses: Sequence[Use], frame: Frame, currency: Currency) -> list[Tariff]:
    """Return each use's tariff; that of a product is made ready once for all of its uses."""
    products = {id(use.product): use.product for use in uses}
    made = {key: Tariff(product, frame, currency) for key, product in products.items()}
    return [made[id(use.product)] for use in uses]


def _bill(
    account: AccountTerms,
    frame: Frame,
    uses: Sequence[Use],
    tariffs: Sequence[Tariff],
    promotions: Sequence[Promotion],
    adjustments: Sequence[Adjustment],
) -> _Bill:
    nothing = Money.zero(account.currency)
    charged = _charged(uses, tariffs)
    discounts: list[Discount] = []
    if promotions:
        rated = [_rated(use, each) for use, each in charged]
        discounts = discount(rated, promotions, frame, account.currency)
        lines = tuple(
            [
                Line(use.project, each, Money(each.amount.minor - line.left, account.currency))
                for (use, each), line in zip(charged, rated, strict=True)
            ]
        )
    else:
        lines = tuple([Line(use.project, each, nothing) for use, each in charged])
    gross = sum([line.charge.amount.minor for line in lines])
    lines_net = Money(gross - sum([line.discount.minor for line in lines]), account.currency)
    taken = _taken(account, lines_net, adjustments)
    late = sum((each.amount for each in taken), nothing)
    tax, net, total = _totals(account, lines_net, taken)
    return _Bill(lines, taken, tuple(discounts), Money(gross, account.currency) + late, net, tax, total)


def _charged(uses: Sequence[Use], tariffs: Sequence[Tariff]) -> list[tuple[Use, Charge]]:
    return [
        (use, charge)
        for use, tariff in zip(uses, tariffs, strict=True)
        for charge in tariff.charges(use.parts, use.project.free_until, use.project.free_as)
    ]


def _totals(
    account: AccountTerms, lines_net: Money, taken: Sequence[Adjustment]
) -> tuple[tuple[TaxLine, ...], Money, Money]:
    """Return the tax, the net with the adjustments, and the two together."""
    tax = _taxes(account, lines_net, taken)
    net = sum((each.amount for each in taken), lines_net)
    return tax, net, sum((each.amount for each in tax), net)


def _taken(account: AccountTerms, lines_net: Money, adjustments: Sequence[Adjustment]) -> tuple[Adjustment, ...]:
    """Return the adjustments as far as they leave the invoice at or above nothing; the rest waits for the next one."""
    taken = {place: each for place, each in enumerate(adjustments) if each.amount.minor > 0}
    for place, each in enumerate(adjustments):
        if each.amount.minor < 0:
            part = _bearable(account, lines_net, tuple(taken.values()), each)
            if part.amount.minor:
                taken[place] = part
    return tuple(taken[place] for place in sorted(taken))


def _bearable(account: AccountTerms, lines_net: Money, taken: tuple[Adjustment, ...], late: Adjustment) -> Adjustment:
    """Return what of an adjustment below nothing leaves the net, and with the tax of each rate the total, above it."""
    while late.amount.minor < 0:
        net = sum((each.amount for each in (*taken, late)), lines_net)
        total = sum((tax.amount for tax in _taxes(account, lines_net, (*taken, late))), net)
        below = -min(net.minor, total.minor)
        if below <= 0:
            break
        less = max(1, int(below * 100 / (100 + Fraction(late.tax_rate))))
        late = replace(late, amount=Money(min(0, late.amount.minor + less), net.currency))
    return late


def _taxes(account: AccountTerms, lines_net: Money, adjustments: Sequence[Adjustment]) -> tuple[TaxLine, ...]:
    bases = {account.applied_tax_rate: lines_net}
    for each in adjustments:
        bases[each.tax_rate] = bases.get(each.tax_rate, Money.zero(account.currency)) + each.amount
    return tuple(tax_on(base, rate) for rate, base in sorted(bases.items(), reverse=True))


def _forecast(
    account: AccountTerms,
    frame: Frame,
    uses: Sequence[Use],
    tariffs: Sequence[Tariff],
    promotions: Sequence[Promotion],
    adjustments: Sequence[Adjustment],
) -> Money:
    """Return the total as if each use went on at its pace until the month's end."""
    ahead = Ahead(uses, promotions, frame, account)
    minor, rated = 0, []
    for use, tariff in zip(uses, tariffs, strict=True):
        project, product = use.project, use.product
        if tariff.is_usual(use.parts, project.free_until):
            comes_to = tariff.minor_of(*ahead.quantity(use))
            minor += comes_to
            if promotions:
                rated.append(Discounted(project.code, product.code, comes_to, partial(_ahead, ahead, tariff, use)))
            continue
        parts = ahead.parts(use)
        if promotions:
            charges = tariff.charges(parts, project.free_until, project.free_as)
            rated += [_rated(use._replace(parts=parts), each) for each in charges]
        else:
            minor += tariff.minor(parts, project.free_until)
    if promotions:
        minor = net_of(rated, promotions, frame, account.currency)
    return _total(account, minor, adjustments)


def _rated(use: Use, charge: Charge) -> Discounted:
    return Discounted(
        use.project.code, use.product.code, charge.amount.minor, lambda: (charge, _within(use.parts, charge))
    )


def _ahead(ahead: Ahead, tariff: Tariff, use: Use) -> tuple[Charge, Sequence[Part]]:
    """Return the one charge of a usual use to the month's end, and its parts."""
    parts = ahead.parts(use)
    (charge,) = tariff.charges(parts, use.project.free_until, use.project.free_as)
    return charge, parts


def _total(account: AccountTerms, minor: int, adjustments: Sequence[Adjustment]) -> Money:
    """Return what an invoice comes to whose lines come to a net, in minor units."""
    lines_net = Money(minor, account.currency)
    return _totals(account, lines_net, _taken(account, lines_net, adjustments))[2]


def _within(parts: Sequence[Part], charge: Charge) -> Sequence[Part]:
    if charge.starts_at <= parts[0].starts_at and parts[-1].ends_at <= charge.ends_at:
        return parts
    return [part for part in parts if charge.starts_at <= part.starts_at < charge.ends_at]


def _group(key: str, lines: Sequence[Line], adjustments: Sequence[Adjustment], currency: Currency) -> Group:
    nothing = Money.zero(currency)
    late = sum((each.amount for each in adjustments), nothing)
    gross, taken = sum(line.charge.amount.minor for line in lines), sum(line.discount.minor for line in lines)
    total_cost, net_cost = late + Money(gross, currency), late + Money(gross - taken, currency)
    timed = [line for line in lines if line.is_time_based]
    if not timed:
        return Group(key, tuple(lines), tuple(adjustments), None, None, total_cost, net_cost)
    total_time = added_up([line.charge.quantity for line in timed])
    timed_cost = Money(sum(line.charge.amount.minor for line in timed), currency)
    average = average_cost(timed_cost, total_time)
    return Group(key, tuple(lines), tuple(adjustments), total_time, average, total_cost, net_cost)


def _project_of(line: Line) -> str:
    return line.project.code


def _product_of(line: Line) -> str:
    return line.charge.product.code
