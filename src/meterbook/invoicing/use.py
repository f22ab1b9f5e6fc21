"""Read what accounts used in a month, cut wherever their terms change, as the core rates it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from meterbook.accounts.tables import Project
from meterbook.core.discounts import Promotion
from meterbook.core.invoice import AccountTerms, ProjectTerms, Use, use_boundaries
from meterbook.core.metering import Meter, Metered
from meterbook.core.period import HOUR, day_starts, hour_ceil, hour_count
from meterbook.core.pricing import Product
from meterbook.core.rating import Frame, Part, Waiver
from meterbook.usage import queries
from meterbook.usage.store import UsageStore

PACE_DAYS: Final = 7  # the forecast goes on as the last seven days went


@dataclass(frozen=True, slots=True)
class Terms:
    """What of one account decides what its usage in a month costs; projects by id."""

    account: AccountTerms
    projects: Mapping[int, ProjectTerms]
    promotions: tuple[Promotion, ...]


@dataclass(frozen=True, slots=True)
class Used:
    """What one account used in a month, and through when its data reaches."""

    uses: tuple[Use, ...]
    until: datetime
    data_through: datetime | None


def project_terms(project: Project, frame: Frame) -> ProjectTerms:
    """Return a project's terms as they hold today."""
    if project.plan == "free":
        return ProjectTerms(project.code, project.name, frame.ends_at, Waiver.free)
    return ProjectTerms(project.code, project.name, project.trial_until, Waiver.trial)


def read_use(
    usage: UsageStore,
    terms: Mapping[int, Terms],
    products: Sequence[Product],
    frame: Frame,
    at: datetime,
    *,
    received_through: datetime | None = None,
    by_day: bool = False,
) -> dict[int, Used]:
    """Read what accounts (by id) used in a month before `at`.

    It is cut wherever a price, a trial, a promotion or (`by_day`) a day begins or ends for any of them.
    """
    until = min(hour_ceil(at, frame.zone), frame.ends_at)
    pace_from = _pace_from(frame, until)
    boundaries = _boundaries(terms, products, frame, until, {pace_from, frame.starts_at}, by_day)
    project_ids = [project_id for each in terms.values() for project_id in each.projects]
    rows = queries.metered(
        usage,
        terms.keys(),
        project_ids,
        {product.meter for product in products},
        boundaries,
        frame.zone,
        min(at, until),
        frame.month.reference_hours,
        received_through,
    )
    found: dict[tuple[int, Meter], list[Metered]] = {}
    for project_id, meter, metered in rows:
        found.setdefault((project_id, meter), []).append(metered)
    return {account_id: _used(each, products, found, pace_from, until) for account_id, each in terms.items()}


def _boundaries(
    terms: Mapping[int, Terms],
    products: Sequence[Product],
    frame: Frame,
    until: datetime,
    cuts: set[datetime],
    by_day: bool,
) -> list[datetime]:
    for money in {each.account.currency for each in terms.values()}:
        cuts |= use_boundaries(frame, products, (), money)
    projects = [project for each in terms.values() for project in each.projects.values()]
    promotions = [promotion for each in terms.values() for promotion in each.promotions]
    anyone = next(iter(terms.values())).account.currency
    cuts |= use_boundaries(frame, (), projects, anyone, promotions)
    if by_day:
        cuts |= set(day_starts(frame.starts_at, until, frame.zone))
    return [*sorted(cut for cut in cuts if cut < until), until]


def _used(
    terms: Terms,
    products: Sequence[Product],
    found: Mapping[tuple[int, Meter], Sequence[Metered]],
    pace_from: datetime,
    until: datetime,
) -> Used:
    uses = tuple(
        _use(project, product, found[project_id, product.meter], pace_from)
        for project_id, project in terms.projects.items()
        for product in products
        if (project_id, product.meter) in found
    )
    meters = {product.meter for product in products}
    last_hours = [
        metered.last_hour_at
        for project_id in terms.projects
        for meter in meters
        for metered in found.get((project_id, meter), ())
        if metered.last_hour_at is not None
    ]
    return Used(uses, until, max(last_hours) + HOUR if last_hours else None)


def _pace_from(frame: Frame, until: datetime) -> datetime:
    days = day_starts(until - timedelta(days=PACE_DAYS), until, frame.zone)
    return max(frame.starts_at, days[1] if len(days) > 1 else days[0])


def _use(project: ProjectTerms, product: Product, rows: Sequence[Metered], pace_from: datetime) -> Use:
    parts = tuple(Part(row.starts_at, row.ends_at, Fraction(row.quantity), row.usage_hours) for row in rows)
    recent = sum((part.quantity for part in parts if part.starts_at >= pace_from), Fraction(0))
    return Use(project, product, parts, recent / hour_count(pace_from, parts[-1].ends_at))
