"""Presenting usage: the list of projects, a project's products and days, as the Usage page shows them, without HTML.

Copies figures out of the readings and says what fits each product's meter; it computes no amount.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from meterbook.accounts.tables import Project
from meterbook.console.chart import colour_of
from meterbook.console.formats import formats
from meterbook.console.my_usage.metering_state import days_href, metering_of
from meterbook.console.my_usage.present_metering import (
    DAYS_OPEN_MAX,
    Quantity,
    ShownHour,
    day_bounds,
    quantity_of,
    shown_hours,
)
from meterbook.console.my_usage.read_usage import PROJECTS_A_PAGE, Listed, Looked, OfProject
from meterbook.console.my_usage.usage_state import KINDS, Kind
from meterbook.core.invoice import shown
from meterbook.core.money import Money
from meterbook.core.period import HOUR, BillingMonth, hour_ceil
from meterbook.core.pricing import Product
from meterbook.core.rating import Waiver
from meterbook.core.roles import ProjectStatus, project_status
from meterbook.core.windows import Window, window_starts
from meterbook.usage.queries import UsageWindow


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A project of the list: its total time, or what it used of a product without hours (`unit`)."""

    code: str
    name: str
    href: str
    is_chosen: bool
    is_deleted: bool
    total_time: Fraction | None
    quantity: Decimal | None
    unit: str


@dataclass(frozen=True, slots=True)
class ProjectList:
    """A page of projects; `found` of `count` that the reader may see."""

    rows: tuple[ProjectRow, ...]
    found: int
    count: int
    page: int
    pages: int
    previous_href: str | None
    next_href: str | None


@dataclass(frozen=True, slots=True)
class ProductUse:
    """What the project used of a product; `cost` where whole months are looked at, `href` opens its window."""

    code: str
    name: str
    colour: int
    unit: str
    product: Product
    used: Quantity
    cost: Money | None
    waiver: Waiver | None
    href: str


@dataclass(frozen=True, slots=True)
class HourRow:
    """An hour with what was used of each product in it."""

    label: str
    cells: tuple[ShownHour, ...]


@dataclass(frozen=True, slots=True)
class DayRow:
    """A day with what was used of each product; `href` opens or closes it, `part` fetches the list so."""

    day: date
    anchor: str
    is_today: bool
    is_open: bool
    href: str
    part: str
    cells: tuple[Quantity, ...]
    hours: tuple[HourRow, ...]


@dataclass(frozen=True, slots=True)
class ProjectUse:
    """The chosen project, ready for the template; `days` are those with usage, newest first."""

    code: str
    name: str
    status: ProjectStatus
    is_deleted: bool
    labels: tuple[tuple[str, str], ...]
    products: tuple[ProductUse, ...]
    total_cost: Money | None
    data_through: datetime | None
    is_final: bool
    days: tuple[DayRow, ...]
    all_open: bool
    can_open_all: bool


def present_list(looked: Looked, listed: Listed, chosen: Project | None) -> ProjectList:
    """Present a page of projects."""
    state = looked.state
    pages = max(1, -(-listed.found // PROJECTS_A_PAGE))
    return ProjectList(
        rows=tuple(_row(looked, project, listed.used, chosen) for project in listed.projects),
        found=listed.found,
        count=listed.count,
        page=state.page,
        pages=pages,
        previous_href=state.on_page(min(state.page - 1, pages)).href() if state.page > 1 else None,
        next_href=state.on_page(state.page + 1).href() if state.page < pages else None,
    )


def present_kinds(looked: Looked) -> tuple[tuple[Kind, str, bool], ...]:
    """Return the periods to choose from, each with its address and whether it is looked at."""
    state = looked.state
    return tuple((kind, state.of_kind(kind).href(), kind == state.kind) for kind in KINDS)


def present_project(looked: Looked, read: OfProject) -> ProjectUse:
    """Present a project's products and days."""
    at, project = looked.at, read.project
    products = tuple(_product(looked, read, product) for product in _used(looked, read))
    days = _by_day(looked, read.windows)
    rows = tuple(_day(looked, read, products, day, days) for day in sorted(days, reverse=True))
    costs = [] if read.costs is None else [cost.amount for cost in read.costs.values()]
    last_hours = [window.last_hour_at for window in read.windows]
    return ProjectUse(
        code=project.code,
        name=project.name,
        status=project_status(project.plan, project.trial_until, project.limited_at, at.now),
        is_deleted=project.deleted_at is not None,
        labels=tuple(sorted(project.labels.items())),
        products=products,
        total_cost=sum(costs[1:], costs[0]) if costs else None,
        data_through=at.zone.local(max(last_hours) + HOUR) if last_hours else None,
        is_final=set(looked.period.months) <= set(looked.issued),
        days=rows,
        all_open=bool(rows) and all(row.is_open for row in rows),
        can_open_all=len(rows) <= DAYS_OPEN_MAX,
    )


def _row(
    looked: Looked, project: Project, used: Mapping[tuple[str, str], Decimal], chosen: Project | None
) -> ProjectRow:
    own = [(each, used[project.code, each.code]) for each in looked.products if (project.code, each.code) in used]
    timed = [quantity for product, quantity in own if product.meter.is_time_based]
    counted = [(quantity, product.unit) for product, quantity in own if not product.meter.is_time_based]
    quantity, unit = counted[0] if counted and not timed else (None, "")
    return ProjectRow(
        code=project.code,
        name=project.name,
        href=looked.state.of_project(project.code).href(),
        is_chosen=chosen is not None and project.id == chosen.id,
        is_deleted=project.deleted_at is not None,
        total_time=Fraction(sum(timed)) if timed else None,
        quantity=None if quantity is None else shown(Fraction(quantity)),
        unit=unit,
    )


def _used(looked: Looked, read: OfProject) -> list[Product]:
    meters = {window.meter for window in read.windows}
    return [each for each in looked.products if each.meter in meters or each.code in (read.costs or {})]


def _product(looked: Looked, read: OfProject, product: Product) -> ProductUse:
    cost = read.costs.get(product.code) if read.costs is not None else None
    account, period = looked.at.account.code, looked.period
    return ProductUse(
        code=product.code,
        name=product.name_in(looked.at.language),
        colour=colour_of(product.code, looked.positions),
        unit=formats(looked.at.language).unit(product.unit),
        product=product,
        used=quantity_of(product.meter, [window for window in read.windows if window.meter == product.meter]),
        cost=cost.amount if cost else None,
        waiver=cost.waiver if cost else None,
        href=metering_of(account, read.project.code, product.code, period.month).href()
        if period.month
        else days_href(account, read.project.code, product.code, period.first, period.last),
    )


def _by_day(looked: Looked, windows: Sequence[UsageWindow]) -> dict[date, list[UsageWindow]]:
    found: dict[date, list[UsageWindow]] = defaultdict(list)
    for window in windows:
        found[looked.at.zone.local(window.starts_at).date()].append(window)
    return found


def _day(
    looked: Looked,
    read: OfProject,
    products: Sequence[ProductUse],
    day: date,
    days: Mapping[date, Sequence[UsageWindow]],
) -> DayRow:
    is_open = day in read.opened
    toggled = looked.state.toggled(day, list(days))
    return DayRow(
        day=day,
        anchor=f"day-{day.isoformat()}",
        is_today=day == looked.period.today,
        is_open=is_open,
        href=toggled.href(),
        part=toggled.href("/usage/days"),
        cells=tuple(quantity_of_use(each, days[day]) for each in products),
        hours=tuple(_hours(looked, read, products, day)) if is_open else (),
    )


def _hours(looked: Looked, read: OfProject, products: Sequence[ProductUse], day: date) -> list[HourRow]:
    zone, account = looked.at.zone, looked.at.account.code
    begins, ends = day_bounds(day, zone)
    starts = list(window_starts(Window.hour, begins, min(ends, hour_ceil(looked.at.now, zone)), zone))
    columns = []
    for each in products:
        window = metering_of(account, read.project.code, each.code, BillingMonth(day.year, day.month))
        hours = read.hours.get(each.code, {})
        columns.append(shown_hours(starts, hours, each.product.meter, zone, window, window.of_day(day)))
    return [HourRow(cells[0].label, cells) for cells in zip(*columns, strict=True)]


def quantity_of_use(use: ProductUse, windows: Sequence[UsageWindow]) -> Quantity:
    """Return what windows of a project come to of one product."""
    meter = use.product.meter
    return quantity_of(meter, [window for window in windows if window.meter == meter])
