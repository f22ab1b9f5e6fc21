"""Presenting an issued invoice: its groups and lines as rows, its parties, what became of it; it computes no amount."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from meterbook.console.address import EVERYTHING, FOCUS, address_of
from meterbook.console.chart import colour_of
from meterbook.console.my_usage.present_billing import CreditNoteRow, HowToPay, InvoiceRow
from meterbook.console.my_usage.present_preview import Step
from meterbook.core.average import average_cost
from meterbook.core.invoice import Adjustment, GroupBy, InvoiceDraft, Line
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth, BillingZone
from meterbook.core.rating import Waiver
from meterbook.invoicing.line_groups import LineGroup, NumberedLine
from meterbook.payments.history import Settling
from meterbook.payments.tables import PaymentAttempt
from meterbook.payments.timeline import Happening


@dataclass(frozen=True, slots=True)
class InvoiceState:
    """What the reader looks at: an invoice, how its lines are grouped, and which of them.

    `opened` holds group keys, or `EVERYTHING` alone. `only` is the one group whose lines are paged; otherwise groups
    are. `find` narrows projects by code and name. `page` counts from 1.
    """

    account: str
    number: str
    by: GroupBy
    opened: frozenset[str] = frozenset()
    only: str = ""
    find: str = ""
    page: int = 1

    def href(self, path: str = "") -> str:
        """Return the address of this state."""
        return address_of(
            f"/invoices/{self.number}{path}",
            account=self.account,
            by=self.by,
            find=self.find,
            only=self.only,
            open=",".join(sorted(self.opened)),
            page=self.page if self.page > 1 else None,
        )

    @property
    def everything_is_open(self) -> bool:
        """Whether all groups are open, whatever they are."""
        return EVERYTHING in self.opened

    def grouped(self, by: GroupBy) -> InvoiceState:
        """Return the state grouped the other way, from its first page."""
        return InvoiceState(self.account, self.number, by, self.opened & {EVERYTHING})

    def toggled(self, key: str, keys: Sequence[str]) -> InvoiceState:
        """Return the state with one group opened or closed; `keys` are the groups on the page."""
        opened = frozenset(keys) if self.everything_is_open else self.opened
        return replace(self, opened=opened ^ {key})

    def with_all(self, is_open: bool) -> InvoiceState:
        """Return the state with all groups, all of them open or closed."""
        return replace(self, opened=frozenset({EVERYTHING} if is_open else ()))

    def of_group(self, key: str) -> InvoiceState:
        """Return the state that pages through one group's lines."""
        return InvoiceState(self.account, self.number, self.by, only=key)

    def of_all(self) -> InvoiceState:
        """Return the state with every group again."""
        return InvoiceState(self.account, self.number, self.by)

    def at_page(self, page: int) -> InvoiceState:
        """Return another page; what is open on this one is not on that."""
        return replace(self, page=page, opened=self.opened & {EVERYTHING})


@dataclass(frozen=True, slots=True)
class LineRow:
    """A line as a row: under a project it bears its product's name, under a product its project's.

    `total_time` and `average_cost` (an hour) are None for a counter; `from_at` and `until_at` are set when it covers a
    part of the month only. An adjustment names its `month` and has no use of its own.
    """

    number: int
    name: str
    colour: int | None
    metered_units: Decimal | None
    unit: str
    total_time: Fraction | None
    average_cost: Decimal | None
    amount: Money
    discount: Money
    formula: str
    waiver: Waiver | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None
    month: BillingMonth | None = None


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A project or a product with its sums, and its lines if it is open; `rest` of them are not on this page."""

    key: str
    name: str
    colour: int | None
    is_open: bool
    href: str
    total_time: Fraction | None
    average_cost: Decimal | None
    total_cost: Money
    waiver: Waiver | None
    lines: tuple[LineRow, ...]
    line_count: int
    all_href: str

    @property
    def has_more(self) -> bool:
        """Whether some of its lines are on another page."""
        return self.is_open and len(self.lines) < self.line_count


@dataclass(frozen=True, slots=True)
class Pager:
    """Which rows of how many are shown, counted from 1, and where the others are."""

    first: int
    last: int
    count: int
    previous_href: str | None
    next_href: str | None

    @property
    def is_needed(self) -> bool:
        """Whether there is more than one page."""
        return bool(self.previous_href or self.next_href)


@dataclass(frozen=True, slots=True)
class Party:
    """Seller or buyer as they were at issue; `lines` is the address."""

    name: str
    lines: tuple[str, ...]
    registration_number: str | None
    recipient: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class InvoiceDetail:
    """An issued invoice, ready for its template."""

    state: InvoiceState
    row: InvoiceRow
    currency: str
    zone: BillingZone
    as_of: datetime
    data_through: datetime | None
    first_day: date
    last_day: date
    seller: Party
    buyer: Party
    payment_method: str | None
    payment_label: str | None
    reference_hours: int
    total: Money
    unpaid_at_issue: Money
    including_unpaid: Money
    due: Money
    subtotal: Money
    waterfall: tuple[Step, ...]
    groups: tuple[GroupRow, ...]
    pager: Pager
    is_long: bool
    settlings: tuple[Settling, ...]
    credit_notes: tuple[CreditNoteRow, ...]
    timeline: tuple[Happening, ...]
    how_to_pay: HowToPay
    last_attempt: PaymentAttempt | None

    @property
    def focus_href(self) -> str:
        """The address of the month's charges in the columns of FOCUS."""
        return address_of(FOCUS, account=self.state.account, month=self.row.month)

    @property
    def all_open(self) -> bool:
        """Whether there is nothing left to expand on this page."""
        return all(group.is_open for group in self.groups)


def party(shown: Mapping[str, Any]) -> Party:
    """Present a party of an invoice's document."""
    return Party(
        name=shown["name"],
        lines=tuple(shown.get("lines", ())),
        registration_number=shown["registration_number"],
        recipient=shown.get("recipient"),
        email=shown.get("email"),
    )


def group_rows(
    groups: Sequence[LineGroup],
    lines: Mapping[str, Sequence[NumberedLine]],
    state: InvoiceState,
    draft: InvoiceDraft,
    language: str,
    positions: Mapping[str, int],
) -> tuple[GroupRow, ...]:
    """Present groups with the lines of those that are open; `positions` in the catalog fix the products' colours."""
    by_product, keys = state.by == "product", [group.key for group in groups]
    return tuple(
        GroupRow(
            key=group.key,
            name=group.product.name_in(language) if by_product else group.project_name,
            colour=colour_of(group.key, positions) if by_product else None,
            is_open=is_open(state, group.key),
            href=state.toggled(group.key, keys).href(),
            total_time=group.total_time,
            average_cost=group.average_cost,
            total_cost=group.total_cost,
            waiver=group.waiver,
            lines=tuple(_line(each, state.by, draft, language, positions) for each in lines.get(group.key, ())),
            line_count=group.line_count,
            all_href=state.of_group(group.key).href(),
        )
        for group in groups
    )


def is_open(state: InvoiceState, key: str) -> bool:
    """Whether a group's lines are shown."""
    return state.everything_is_open or key in state.opened or key == state.only


def pager(state: InvoiceState, shown: int, count: int, size: int) -> Pager:
    """Present which of `count` rows the state's page of `size` shows."""
    first = (state.page - 1) * size + 1
    return Pager(
        first=first,
        last=first + shown - 1,
        count=count,
        previous_href=state.at_page(state.page - 1).href() + "#bill" if state.page > 1 else None,
        next_href=state.at_page(state.page + 1).href() + "#bill" if first + shown <= count else None,
    )


def last_day(ends_at: datetime, zone: BillingZone) -> date:
    """Return the last day of a period."""
    return zone.local(ends_at - timedelta(seconds=1)).date()


def _line(
    numbered: NumberedLine, by: GroupBy, draft: InvoiceDraft, language: str, positions: Mapping[str, int]
) -> LineRow:
    line = numbered.line
    product = line.product if isinstance(line, Adjustment) else line.charge.product
    name = line.project.name if by == "product" else product.name_in(language)
    colour = None if by == "product" else colour_of(product.code, positions)
    if isinstance(line, Adjustment):
        nothing = Money.zero(line.amount.currency)
        return LineRow(
            numbered.number,
            name,
            colour,
            None,
            product.unit,
            None,
            None,
            line.amount,
            nothing,
            line.formula,
            month=line.month,
        )
    return _charge(numbered.number, name, colour, line, draft)


def _charge(number: int, name: str, colour: int | None, line: Line, draft: InvoiceDraft) -> LineRow:
    charge, zone = line.charge, draft.frame.zone
    hours = charge.quantity if line.is_time_based else None
    partial = charge.starts_at > draft.frame.starts_at or charge.ends_at < draft.frame.ends_at
    return LineRow(
        number=number,
        name=name,
        colour=colour,
        metered_units=line.metered_units,
        unit=charge.product.unit,
        total_time=hours,
        average_cost=average_cost(line.amount, hours) if hours else None,
        amount=line.amount,
        discount=line.discount,
        formula=charge.formula,
        waiver=charge.waiver,
        from_at=zone.local(charge.starts_at) if partial else None,
        until_at=zone.local(charge.ends_at) if partial else None,
    )
