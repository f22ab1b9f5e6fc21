"""What the Usage page reads: a page of projects with their use of the period, and one project's days and costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Final

from meterbook.accounts import check
from meterbook.accounts.find_projects import count_projects, find_projects
from meterbook.accounts.queries import project_by_code
from meterbook.accounts.tables import Project
from meterbook.catalog.queries import current_catalog
from meterbook.console.account_page import AccountPage
from meterbook.console.my_usage.present_metering import DAYS_OPEN_MAX, day_bounds
from meterbook.console.my_usage.read_hours import hours_of_open_days
from meterbook.console.my_usage.read_metering import Late
from meterbook.console.my_usage.usage_state import Period, UsageAsked, UsageState, period_of, this_month
from meterbook.core.daily import DailyCosts
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.metering import Meter
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth, day_starts
from meterbook.core.pricing import Product
from meterbook.core.rating import Waiver
from meterbook.core.sentence import say
from meterbook.errors import Invalid, NotFound
from meterbook.invoicing.show_project import amounts_billed, costs_of_days, quantities_billed, show_project
from meterbook.invoicing.usage_shown import IssuedMonth, adjusting_invoices, issued_among, late_months, usage_shown
from meterbook.usage.hours import UsageHour
from meterbook.usage.queries import UsageWindow

PROJECTS_A_PAGE: Final = 25
RESOURCES_OF_HOUR: Final = 3


@dataclass(frozen=True, slots=True)
class Looked:
    """What is looked at: state and period of an address, and what of the address could not be understood."""

    at: AccountPage
    state: UsageState
    period: Period
    starts_at: datetime
    ends_at: datetime
    products: tuple[Product, ...]
    issued: Mapping[BillingMonth, IssuedMonth]
    refused: Invalid | None

    @property
    def positions(self) -> dict[str, int]:
        """The products' places in the catalog, which fix their colours."""
        return {product.code: place for place, product in enumerate(self.products)}

    def of_project(self, code: str) -> Looked:
        """Return the same of a project that was chosen."""
        return replace(self, state=replace(self.state, project=code))

    @property
    def meters(self) -> set[Meter]:
        """How the products are metered."""
        return {product.meter for product in self.products}


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of the projects that were found; `count` are all that the reader may see.

    `used` holds, by project and product (codes), unit-hours or a counter's sum, where something was metered.
    """

    projects: Sequence[Project]
    used: Mapping[tuple[str, str], Decimal]
    found: int
    count: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What a product costs in the period, before discounts; `waiver` is set when none of it is charged."""

    amount: Money
    waiver: Waiver | None


@dataclass(frozen=True, slots=True)
class OfProject:
    """One project's use: windows cut at days, the days that are `opened`, and their hours by product.

    `costs` by product are there when whole months are looked at, `daily` when it is one month. Of the `late_months`
    usage came after they were issued.
    """

    project: Project
    windows: Sequence[UsageWindow]
    opened: frozenset[date]
    hours: Mapping[str, Mapping[datetime, UsageHour]]
    costs: Mapping[str, Cost] | None = None
    daily: DailyCosts | None = None
    late_months: Sequence[IssuedMonth] = ()
    late: Sequence[Late] = ()


def look(at: AccountPage, asked: UsageAsked) -> Looked:
    """Understand an address; of a period that is none, the running month is shown with what was wrong."""
    refused = None
    try:
        period, typed = period_of(at, asked)
    except Invalid as error:
        if error.details.get("field") not in ("from", "until"):
            raise
        period, typed, refused = this_month(at), asked.typed, error
    state = asked.state(at.account.code, "custom" if refused else period.kind, typed)
    starts_at, ends_at = day_bounds(period.first, at.zone)[0], day_bounds(period.last, at.zone)[1]
    products = current_catalog(at.session)
    issued = issued_among(at.session, at.account, period.months, at.now)
    return Looked(at, state, period, starts_at, ends_at, products, issued, refused)


def listed(looked: Looked) -> Listed:
    """Read the page of projects that the search finds."""
    at, state = looked.at, looked.state
    access, account = at.reader.access, at.account
    projects, found = find_projects(
        at.session,
        account.id,
        access,
        state.search,
        offset=(state.page - 1) * PROJECTS_A_PAGE,
        limit=PROJECTS_A_PAGE,
    )
    count = count_projects(at.session, account.id, access) if state.search else found
    return Listed(projects, _used(looked, projects), found, count)


def chosen(looked: Looked, projects: Listed | None = None) -> Project | None:
    """Return the project of the address, or the first that the list has with usage; None when the list is empty.

    Raises `NotFound` for one that the reader may not see.
    """
    at, code = looked.at, looked.state.project
    if code:
        project = project_by_code(at.session, code, at.reader.access)
        if project.account_id != at.account.id:
            raise NotFound(say("There is no project %(code)s.", code=check.shown(code)), "unknown-project")
        return project
    if projects is None:
        return next(iter(find_projects(at.session, at.account.id, at.reader.access, limit=1)[0]), None)
    with_usage = {code for code, _ in projects.used}
    used = (project for project in projects.projects if project.code in with_usage)
    return next(used, next(iter(projects.projects), None))


def days_of(looked: Looked, project: Project, cuts: Collection[datetime] = ()) -> OfProject:
    """Read a project's days, cut inside as well, and the hours of those that are open.

    Issued months are read as they were billed, which makes a difference only where usage came late.
    """
    zone, at = looked.at.zone, looked.at
    usage = at.request.app.state.usage
    late = late_months(usage, at.account, project, looked.meters, looked.issued.values())
    looked = replace(looked, issued={each.month: each for each in late})
    starts = day_starts(looked.starts_at, looked.ends_at, zone)
    windows = _windows(looked, [project.id], sorted({*starts, *cuts, looked.ends_at}))
    used = {zone.local(window.starts_at).date() for window in windows}
    wanted = {start: zone.local(start).date() for start in starts if looked.state.shows(zone.local(start).date())}
    opened = [start for start, day in wanted.items() if day in used][-DAYS_OPEN_MAX:]
    reading = {
        product.code: usage.begin(partial(_hours, looked, project, product, opened))
        for product in looked.products
        if opened and any(window.meter == product.meter for window in windows)
    }
    hours = {product: found.result() for product, found in reading.items()}
    return OfProject(project, windows, frozenset(wanted[start] for start in opened), hours, late_months=late)


def of_project(looked: Looked, project: Project) -> OfProject:
    """Read a project's days with what they cost and what came late."""
    costs, draft = _costs(looked, project)
    lines = () if draft is None else draft.lines
    inside = {each for line in lines for each in (line.charge.starts_at, line.charge.ends_at)}
    days = days_of(looked, project, {each for each in inside if looked.starts_at < each < looked.ends_at})
    daily = None
    if draft is not None:
        starts = day_starts(looked.starts_at, looked.ends_at, looked.at.zone)
        daily = costs_of_days(draft, sorted({*starts, *inside, looked.ends_at}), days.windows)
    return replace(days, costs=costs, daily=daily, late=_late(looked, project, days.late_months))


def _used(looked: Looked, projects: Sequence[Project]) -> dict[tuple[str, str], Decimal]:
    """Read what projects used: of issued months as their invoices say, of the rest what was metered."""
    at, zone = looked.at, looked.at.zone
    billed = [
        each
        for month, each in looked.issued.items()
        if looked.starts_at <= month.starts_at(zone) and month.ends_at(zone) <= looked.ends_at
    ]
    used = quantities_billed(at.session, billed, projects) if billed else {}
    codes = {project.id: project.code for project in projects}
    bounds = [looked.starts_at, looked.ends_at]
    for window in _windows(looked, list(codes), bounds, without=[each.month for each in billed]):
        for product in looked.products:
            if product.meter == window.meter:
                key = codes[window.project_id], product.code
                used[key] = used.get(key, Decimal(0)) + window.quantity
    return used


def _windows(
    looked: Looked,
    project_ids: Collection[int],
    boundaries: Sequence[datetime],
    without: Collection[BillingMonth] = (),
) -> list[UsageWindow]:
    return usage_shown(
        looked.at.request.app.state.usage,
        looked.at.account,
        project_ids,
        looked.meters,
        boundaries,
        looked.issued,
        looked.at.now,
        without=without,
    )


def _hours(looked: Looked, project: Project, product: Product, opened: Sequence[datetime]) -> dict[datetime, UsageHour]:
    at = looked.at
    hours = hours_of_open_days(
        at.request.app.state.usage,
        at.account.id,
        project.id,
        product.meter,
        opened,
        at.zone,
        at.now,
        {month: each.usage_through for month, each in looked.issued.items()},
        resources_max=RESOURCES_OF_HOUR,
    )
    return {hour.starts_at: hour for hour in hours}


def _costs(looked: Looked, project: Project) -> tuple[dict[str, Cost] | None, InvoiceDraft | None]:
    """Take the amounts of whole months from what their invoices charge, or would charge now; of one month its lines."""
    if not looked.period.is_whole:
        return None, None
    at, months = looked.at, looked.period.months
    amounts: dict[str, int] = defaultdict(int)
    waivers: dict[str, set[Waiver | None]] = defaultdict(set)
    billed = [] if len(months) == 1 else [looked.issued[month] for month in months if month in looked.issued]
    for product, (minor, reasons) in amounts_billed(at.session, billed, project).items():
        amounts[product] += minor
        waivers[product] |= reasons
    draft = None
    for month in months if len(months) == 1 else set(months) - looked.issued.keys():
        usage, issued = at.request.app.state.usage, looked.issued.get(month)
        draft = show_project(at.session, usage, at.account, project, month, issued, at.now)
        for line in draft.lines:
            amounts[line.charge.product.code] += line.amount.minor
            waivers[line.charge.product.code].add(line.charge.waiver)
    costs = {
        product: Cost(Money(minor, at.currency), next(iter(waivers[product])) if len(waivers[product]) == 1 else None)
        for product, minor in amounts.items()
    }
    return costs, draft if len(months) == 1 else None


def _late(looked: Looked, project: Project, late: Sequence[IssuedMonth]) -> list[Late]:
    at = looked.at
    if not at.sees_account:
        return [Late(each.month, None, ()) for each in late]
    return [
        Late(each.month, each.number, tuple(adjusting_invoices(at.session, at.account, project, [each.month])))
        for each in late
    ]
