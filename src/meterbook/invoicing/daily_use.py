"""Read what an account used day by day, to spread the lines of its month over: by project only where that matters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

from meterbook.accounts.tables import SeenProject
from meterbook.core.daily import DailyCosts, Together, daily_costs
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.metering import Meter
from meterbook.core.period import day_starts, hour_ceil
from meterbook.core.pricing import Product
from meterbook.core.rating import Frame, Waiver
from meterbook.core.terms import ProjectTerms, Use
from meterbook.invoicing.draft import Payer
from meterbook.usage.queries import MeteredParts, metered
from meterbook.usage.store import UsageStore


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """A reading of all that an account used of meters between boundaries, begun before it is known to be needed."""

    meters: frozenset[Meter]
    boundaries: tuple[datetime, ...]
    found: Future[Mapping[Meter, Mapping[int, MeteredParts]]]


def read_ahead(
    usage: UsageStore, account_id: int, products: Sequence[Product], frame: Frame, at: datetime
) -> ReadAhead | None:
    """Begin the reading that `costs_by_day` needs of most months, beside their drafting; None of one not begun."""
    if at <= frame.starts_at:
        return None
    reading = _Reading(usage, account_id, frame, at, None, cuts=(), ahead=None)
    meters = frozenset(product.meter for product in products)
    return ReadAhead(meters, tuple(reading.boundaries), usage.begin(lambda: reading.all_together(meters)))


def costs_by_day(
    usage: UsageStore,
    payer: Payer,
    draft: InvoiceDraft,
    at: datetime,
    received_through: datetime | None = None,
    *,
    ahead: ReadAhead | None = None,
) -> DailyCosts:
    """Spread the lines of a month's draft over its days, by what the payer's projects used before `at`.

    `ahead` is what was read of it already. What costs in proportion to its use is read of all projects together, but
    for those with usage that was waived.
    """
    products: dict[str, Product] = {}
    terms: dict[str, ProjectTerms] = {}
    singly, apart, cuts = set(), set(), set()
    for project, charge, _ in draft.lines:
        products[charge.product.code] = charge.product
        terms[project.code] = project
        cuts.add(charge.starts_at)
        cuts.add(charge.ends_at)
        if charge.waiver is None:
            if charge.price is None or not charge.price.is_proportional:
                singly.add(charge.product.code)
        elif charge.waiver is not Waiver.unpriced:
            apart.add(project.code)
    reading = _Reading(usage, payer.account.id, draft.frame, at, received_through, cuts=cuts, ahead=ahead)
    shared = [product for code, product in products.items() if code not in singly]
    others = (
        None if payer.whole and not apart else [project.id for project in payer.projects if project.code not in apart]
    )
    together = [Together(product, frozenset(apart), found.parts) for product, found in reading.together(shared, others)]
    uses = [
        *reading.by_project(shared, [project for project in payer.projects if project.code in apart], terms),
        *reading.by_project([product for code, product in products.items() if code in singly], payer.projects, terms),
    ]
    return daily_costs(draft, uses, together)


class _Reading:
    """Readings of one month, cut at days and wherever a line begins or ends."""

    def __init__(
        self,
        usage: UsageStore,
        account_id: int,
        frame: Frame,
        at: datetime,
        received_through: datetime | None,
        *,
        cuts: Collection[datetime],
        ahead: ReadAhead | None,
    ) -> None:
        self._usage, self._account_id, self._frame, self._received_through = usage, account_id, frame, received_through
        until = min(hour_ceil(at, frame.zone), frame.ends_at)
        all_cuts = {*day_starts(frame.starts_at, until, frame.zone), *cuts}
        self.boundaries = [*sorted(cut for cut in all_cuts if cut < until), until]
        self._until = min(at, until)
        self._ahead = ahead

    def together(
        self, products: Sequence[Product], project_ids: Collection[int] | None
    ) -> list[tuple[Product, MeteredParts]]:
        """Return what all of the projects together used of products."""
        meters, ahead = {product.meter for product in products}, self._ahead
        if ahead and project_ids is None and meters <= ahead.meters and self.boundaries == list(ahead.boundaries):
            found = ahead.found.result()
        elif project_ids is None:
            found = self.all_together(meters)
        else:
            found = self._read(meters, project_ids, together=True)
        return [(product, each) for product in products for each in found.get(product.meter, {}).values()]

    def all_together(self, meters: Collection[Meter]) -> Mapping[Meter, Mapping[int, MeteredParts]]:
        """Return by meter what all projects of the account together used, as project 0."""
        return self._read(meters, None, together=True)

    def by_project(
        self, products: Sequence[Product], projects: Sequence[SeenProject], terms: Mapping[str, ProjectTerms]
    ) -> list[Use]:
        """Return what each of the projects used of products; `terms` are those with lines, by code."""
        found = self._read({product.meter for product in products}, [project.id for project in projects])
        return [
            Use(terms[project.code], product, used.parts)
            for product in products
            for project in projects
            if project.code in terms
            for used in [found.get(product.meter, {}).get(project.id)]
            if used is not None
        ]

    def _read(
        self, meters: Collection[Meter], project_ids: Collection[int] | None, *, together: bool = False
    ) -> Mapping[Meter, Mapping[int, MeteredParts]]:
        return metered(
            self._usage,
            [self._account_id],
            project_ids,
            meters,
            self.boundaries,
            self._frame.zone,
            self._until,
            hours_max=self._frame.month.reference_hours,
            received_through=self._received_through,
            together=together,
        )
