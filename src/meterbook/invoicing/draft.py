"""Draft a month's invoice: gather terms, prices and metered usage, and let the core decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of, zone_of
from meterbook.accounts.tables import Account, Project
from meterbook.catalog.queries import current_catalog
from meterbook.core import invoice
from meterbook.core.daily import DailyCosts, daily_costs
from meterbook.core.invoice import AccountTerms, InvoiceDraft, ProjectTerms, Use, use_boundaries
from meterbook.core.metering import Meter, Metered
from meterbook.core.money import Currency
from meterbook.core.period import HOUR, BillingMonth, day_starts, hour_ceil, hour_count
from meterbook.core.pricing import Product
from meterbook.core.rating import Frame, Part, Waiver
from meterbook.errors import Invalid
from meterbook.usage import queries
from meterbook.usage.store import UsageStore

PACE_DAYS = 7  # the forecast goes on as the last seven days went


@dataclass(frozen=True, slots=True)
class MonthOfUse:
    """The facts an invoice is drafted from: terms, and what each project used of each product."""

    terms: AccountTerms
    frame: Frame
    until: datetime
    data_through: datetime | None
    uses: tuple[Use, ...]


def draft_month(
    session: Session,
    usage: UsageStore,
    account: Account,
    projects: Sequence[Project],
    month: BillingMonth,
    at: datetime,
) -> InvoiceDraft:
    """Return the invoice of `month` for these projects of the account, for what was used before `at`.

    Raises `Invalid` for a month that has not begun at `at`.
    """
    return _drafted(gather(session, usage, account, projects, month, at))


def draft_month_by_day(
    session: Session,
    usage: UsageStore,
    account: Account,
    projects: Sequence[Project],
    month: BillingMonth,
    at: datetime,
) -> tuple[InvoiceDraft, DailyCosts]:
    """Return the same draft as `draft_month` with its amounts spread over the month's days."""
    facts = gather(session, usage, account, projects, month, at, by_day=True)
    draft = _drafted(facts)
    return draft, daily_costs(draft, facts.uses)


def gather(
    session: Session,
    usage: UsageStore,
    account: Account,
    projects: Sequence[Project],
    month: BillingMonth,
    at: datetime,
    by_day: bool = False,
) -> MonthOfUse:
    """Read what the month's draft needs, usage cut wherever a price, a trial or (`by_day`) a day begins or ends."""
    frame = Frame(month, zone_of(account))
    if at <= frame.starts_at:
        raise Invalid(f"{month} has not begun yet: ask for a month up to now", "month-not-begun")
    until = min(hour_ceil(at, frame.zone), frame.ends_at)
    money = currency_of(account)
    products = current_catalog(session)
    terms = {project.id: _terms(project, frame) for project in projects}
    pace_from = _pace_from(frame, until)
    cuts = use_boundaries(frame, products, terms.values(), money) | {pace_from, frame.starts_at}
    if by_day:
        cuts |= set(day_starts(frame.starts_at, until, frame.zone))
    boundaries = [*sorted(cut for cut in cuts if cut < until), until]
    rows = queries.metered(
        usage,
        account.id,
        terms.keys(),
        {product.meter for product in products},
        boundaries,
        frame.zone,
        min(at, until),
        month.reference_hours,
    )
    found: dict[tuple[int, Meter], list[Metered]] = {}
    for project_id, meter, metered in rows:
        found.setdefault((project_id, meter), []).append(metered)
    uses = tuple(
        _use(terms[project.id], product, found[project.id, product.meter], pace_from)
        for project in projects
        for product in products
        if (project.id, product.meter) in found
    )
    last_hours = [metered.last_hour_at for _, _, metered in rows if metered.last_hour_at is not None]
    data_through = max(last_hours) + HOUR if last_hours else None
    return MonthOfUse(_account_terms(account, money), frame, until, data_through, uses)


def _drafted(facts: MonthOfUse) -> InvoiceDraft:
    return invoice.draft(facts.terms, facts.frame, facts.uses, facts.until, facts.data_through)


def _account_terms(account: Account, money: Currency) -> AccountTerms:
    return AccountTerms(account.code, money, account.tax_percent)


def _terms(project: Project, frame: Frame) -> ProjectTerms:
    if project.plan == "free":
        return ProjectTerms(project.code, project.name, frame.ends_at, Waiver.free)
    return ProjectTerms(project.code, project.name, project.trial_until, Waiver.trial)


def _pace_from(frame: Frame, until: datetime) -> datetime:
    days = day_starts(until - timedelta(days=PACE_DAYS), until, frame.zone)
    return max(frame.starts_at, days[1] if len(days) > 1 else days[0])


def _use(project: ProjectTerms, product: Product, rows: Sequence[Metered], pace_from: datetime) -> Use:
    parts = tuple(Part(row.starts_at, row.ends_at, Fraction(row.quantity), row.usage_hours) for row in rows)
    recent = sum((part.quantity for part in parts if part.starts_at >= pace_from), Fraction(0))
    return Use(project, product, parts, recent / hour_count(pace_from, parts[-1].ends_at))
