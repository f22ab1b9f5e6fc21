"""What changed most from one month to the next, by project and product, and what it came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from heapq import nlargest
from itertools import pairwise
from typing import Final

from meterbook.core.adding import added_up
from meterbook.core.invoice import Adjustment, InvoiceDraft, Line, shown
from meterbook.core.levels import last_step
from meterbook.core.metering import MeterKind
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth, day_starts, hour_count
from meterbook.core.pricing import Per, Product
from meterbook.core.rating import Waiver
from meterbook.core.terms import ProjectTerms
from meterbook.invoicing.draft import Payer
from meterbook.usage.queries import UsageWindow, by_window
from meterbook.usage.store import UsageStore

CHANGES_SHOWN: Final = 5
_DAY_HOURS: Final = 24
# Codes of a project and a product, and the month that an adjustment is for.
_Key = tuple[str, str, BillingMonth | None]


class Cause(StrEnum):
    """What a change in cost comes from.

    new, gone: only the one month has it. trial: it was not charged then (or is not now). units: more or fewer were in
    use. price: the unit price. hours: a monthly price is that of a month with fewer or more hours. discount: what
    promotions take off. late: an adjustment for late usage of another month.
    """

    new = "new"
    gone = "gone"
    trial = "trial"
    units = "units"
    price = "price"
    hours = "hours"
    discount = "discount"
    late = "late"


@dataclass(frozen=True, slots=True)
class Change:
    """What a product cost a project in one month and in the next, after discounts.

    `units_before` and `units_after` are what was in use on average in the hours compared, of a counter the sums; with
    `since` they are the levels before and from that day on. Unit prices are set where they differ; `late_month` is the
    month that an adjustment is for.
    """

    project: ProjectTerms
    product: Product
    before: Money
    after: Money
    cause: Cause
    units_before: Decimal
    units_after: Decimal
    since: date | None = None
    price_before: Decimal | None = None
    price_after: Decimal | None = None
    late_month: BillingMonth | None = None

    @property
    def difference(self) -> Money:
        """What the later month costs more."""
        return self.after - self.before


@dataclass(slots=True)
class _Side:
    """One month's lines of a project and product, or what late usage of another month added to it."""

    lines: list[Line] = field(default_factory=list)
    late: Adjustment | None = None
    net: int = 0

    @property
    def gross(self) -> int:
        return sum(line.amount.minor for line in self.lines)

    @property
    def quantity(self) -> Fraction:
        return added_up(line.charge.quantity for line in self.lines)

    @property
    def free_part(self) -> Fraction:
        """What part of the quantity was not charged, because of a trial or a plan."""
        free = added_up(
            line.charge.quantity for line in self.lines if line.charge.waiver not in (None, Waiver.unpriced)
        )
        return free / self.quantity if self.quantity else Fraction(0)

    @property
    def is_time_based(self) -> bool:
        return any(line.is_time_based for line in self.lines)

    @property
    def is_monthly(self) -> bool:
        return any(line.charge.price is not None and line.charge.price.per is Per.month for line in self.lines)

    @property
    def unit_price(self) -> Decimal | None:
        prices = [line.charge.unit_price for line in self.lines if line.charge.waiver is None]
        return prices[-1] if prices else None

    @property
    def average_price(self) -> Fraction:
        """The unit price over all that was charged; nothing where some of it has none, as in tiers."""
        charged = [line.charge for line in self.lines if line.charge.waiver is None]
        quantity = added_up(charge.quantity for charge in charged)
        if not quantity or any(charge.unit_price is None for charge in charged):
            return Fraction(0)
        return added_up(Fraction(each.unit_price or 0) * each.quantity for each in charged) / quantity


def greatest_changes(draft: InvoiceDraft, before: InvoiceDraft, most: int = CHANGES_SHOWN) -> list[Change]:
    """Return what changed most between two drafts, by the size of the difference, without the days it began on.

    All differences together are that of the drafts' nets.
    """
    differences: dict[_Key, int] = {}
    for sign, each in ((-1, before), (1, draft)):
        for project, charge, discount in each.lines:
            key = (project.code, charge.product.code, None)
            differences[key] = differences.get(key, 0) + sign * (charge.amount.minor - discount.minor)
        for late in each.adjustments:
            adjusted = (late.project.code, late.product.code, late.month)
            differences[adjusted] = differences.get(adjusted, 0) + sign * late.amount.minor
    least = min(nlargest(most, map(abs, differences.values())), default=0)
    great = (key for key, difference in differences.items() if difference and abs(difference) >= least)
    greatest = sorted(great, key=lambda key: (-abs(differences[key]), str(key)))[:most]
    sides = [_sides(each, greatest) for each in (before, draft)]
    return [_change(sides[0][key], sides[1][key], draft, before) for key in greatest]


def _sides(draft: InvoiceDraft, keys: Sequence[_Key]) -> dict[_Key, _Side]:
    """Return what of a draft some projects and products are."""
    sides = {key: _Side() for key in keys}
    projects = {project for project, _, _ in keys}
    for line in draft.lines:
        project = line.project.code
        if project in projects and (side := sides.get((project, line.charge.product.code, None))):
            side.lines.append(line)
            side.net += line.net.minor
    for late in draft.adjustments:
        if side := sides.get((late.project.code, late.product.code, late.month)):
            side.late = late
            side.net += late.amount.minor
    return sides


def _change(then: _Side, now: _Side, draft: InvoiceDraft, before: InvoiceDraft) -> Change:
    amounts = Money(then.net, draft.currency), Money(now.net, draft.currency)
    if late := now.late or then.late:
        nothing = Decimal(0)
        return Change(late.project, late.product, *amounts, Cause.late, nothing, nothing, late_month=late.month)
    line = (now.lines or then.lines)[-1]
    cause = _cause(then, now, draft, before)
    price_before, price_after = (then.unit_price, now.unit_price) if cause is Cause.price else (None, None)
    return Change(
        line.project,
        line.charge.product,
        *amounts,
        cause,
        shown(_average_use(then, before)),
        shown(_average_use(now, draft)),
        price_before=price_before,
        price_after=price_after,
    )


def _cause(then: _Side, now: _Side, draft: InvoiceDraft, before: InvoiceDraft) -> Cause:
    if not then.lines:
        return Cause.new
    if not now.lines:
        return Cause.gone
    if abs(now.free_part - then.free_part) > Fraction(1, 10):
        return Cause.trial
    if then.gross == now.gross:
        return Cause.discount
    changes = {
        Cause.units: _ratio(_average_use(now, draft), _average_use(then, before)),
        Cause.price: _ratio(now.average_price, then.average_price),
        Cause.hours: _ratio(_part_of_month(draft), _part_of_month(before)) if now.is_monthly else Fraction(0),
    }
    return max(changes, key=lambda cause: abs(changes[cause]))


def _ratio(now: Fraction, then: Fraction) -> Fraction:
    """Return by what part something is more than it was; nothing where that cannot be said."""
    return now / then - 1 if then else Fraction(0)


def _average_use(side: _Side, draft: InvoiceDraft) -> Fraction:
    """Return the units in use on average in the draft's hours, of a counter the sum.

    A stock is kept for whole days, of which there are more hours than have passed: it is told as its usage is.
    """
    if not side.is_time_based:
        return side.quantity
    kept = [line.charge for line in side.lines if line.charge.product.meter.kind is MeterKind.stock]
    hours = sum(charge.usage_hours for charge in kept) or hour_count(draft.frame.starts_at, draft.until)
    return side.quantity / max(hours, 1)


def _part_of_month(draft: InvoiceDraft) -> Fraction:
    """Return what part of its month a draft covers, which is what of a monthly price one unit costs."""
    return Fraction(hour_count(draft.frame.starts_at, draft.until), draft.frame.month.reference_hours)


def with_days(changes: Iterable[Change], usage: UsageStore, payer: Payer, draft: InvoiceDraft) -> list[Change]:
    """Return the changes with the day on which the units went from one level to another, where there was one.

    Looked at are the complete days from the month before to the hour that the draft reaches.
    """
    told = list(changes)
    ids = {project.code: project.id for project in payer.projects}
    wanted = [change for change in told if change.cause in (Cause.units, Cause.new) and change.project.code in ids]
    zone, frame = draft.frame.zone, draft.frame
    starts_at = frame.month.previous().starts_at(zone)
    boundaries = [*day_starts(starts_at, draft.until, zone), draft.until]
    if boundaries[-1] - boundaries[-2] < timedelta(hours=_DAY_HOURS):
        # what comes in today changes nothing of this, and what was read of the days before is kept
        del boundaries[-1]
    rows = by_window(
        usage,
        [payer.account.id],
        sorted({ids[change.project.code] for change in wanted}),
        {change.product.meter for change in wanted},
        boundaries,
        zone,
        boundaries[-1],
    )
    return [_dated(change, rows, boundaries, ids, draft) if change in wanted else change for change in told]


def _dated(
    change: Change,
    rows: Iterable[UsageWindow],
    boundaries: Sequence[datetime],
    ids: dict[str, int],
    draft: InvoiceDraft,
) -> Change:
    meter = change.product.meter
    used = {
        row.starts_at: Fraction(row.quantity)
        for row in rows
        if row.project_id == ids[change.project.code] and row.meter == meter
    }
    complete = [start for start, end in pairwise(boundaries) if end - start >= timedelta(hours=_DAY_HOURS)]
    hours = _DAY_HOURS if meter.is_time_based else 1
    step = last_step([used.get(day, Fraction(0)) / hours for day in complete])
    if step is None or (step.after > step.before) != (change.difference.minor > 0):
        return change
    since = draft.frame.zone.local(complete[step.at]).date()
    if change.cause is Cause.new:
        return replace(change, since=since)
    return replace(change, since=since, units_before=shown(step.before), units_after=shown(step.after))
