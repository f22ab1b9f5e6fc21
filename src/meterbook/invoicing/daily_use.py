"""Read what an account used day by day, to spread the lines of its month over: by project only where that matters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from meterbook.accounts.tables import Project
from meterbook.core.daily import DailyCosts, Together, daily_costs
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.metering import Meter
from meterbook.core.period import day_starts, hour_ceil
from meterbook.core.pricing import Product
from meterbook.core.rating import Waiver
from meterbook.core.terms import Use
from meterbook.usage.queries import MeteredParts, metered
from meterbook.usage.store import UsageStore


def costs_by_day(
    usage: UsageStore,
    account_id: int,
    projects: Sequence[Project],
    draft: InvoiceDraft,
    at: datetime,
    received_through: datetime | None = None,
    *,
    whole: bool = False,
) -> DailyCosts:
    """Spread the lines of a month's draft over its days, by what these projects used before `at`.

    `whole` when they are all of the account's.
    What costs in proportion to its use is read of all projects together, but for those with usage that was waived.
    """
    products = {line.charge.product.code: line.charge.product for line in draft.lines}
    prices = [(line.charge.product.code, line.charge.price) for line in draft.lines if line.charge.waiver is None]
    singly = {code for code, price in prices if price is None or not price.is_proportional}
    apart = {line.project.code for line in draft.lines if line.charge.waiver not in (None, Waiver.unpriced)}
    reading = _Reading(usage, account_id, draft, at, received_through)
    shared = [product for code, product in products.items() if code not in singly]
    others = None if whole and not apart else [project.id for project in projects if project.code not in apart]
    together = [Together(product, frozenset(apart), found.parts) for product, found in reading.together(shared, others)]
    uses = [
        *reading.by_project(shared, [project for project in projects if project.code in apart]),
        *reading.by_project([product for code, product in products.items() if code in singly], projects),
    ]
    return daily_costs(draft, uses, together)


class _Reading:
    """Readings of one month, cut at days and wherever a line begins or ends."""

    def __init__(
        self, usage: UsageStore, account_id: int, draft: InvoiceDraft, at: datetime, received_through: datetime | None
    ) -> None:
        frame = draft.frame
        self._usage, self._account_id, self._frame, self._received_through = usage, account_id, frame, received_through
        self._terms = {line.project.code: line.project for line in draft.lines}
        until = min(hour_ceil(at, frame.zone), frame.ends_at)
        lines = {bound for line in draft.lines for bound in (line.charge.starts_at, line.charge.ends_at)}
        cuts = {*day_starts(frame.starts_at, until, frame.zone), *lines}
        self._boundaries = [*sorted(cut for cut in cuts if cut < until), until]
        self._until = min(at, until)

    def together(
        self, products: Sequence[Product], project_ids: Collection[int] | None
    ) -> list[tuple[Product, MeteredParts]]:
        """Return what all of the projects together used of products."""
        found = self._read({product.meter for product in products}, project_ids, together=True)
        return [(product, each) for product in products for each in found.get(product.meter, {}).values()]

    def by_project(self, products: Sequence[Product], projects: Sequence[Project]) -> list[Use]:
        """Return what each of the projects used of products, those that have lines."""
        found = self._read({product.meter for product in products}, [project.id for project in projects])
        return [
            Use(self._terms[project.code], product, used.parts)
            for product in products
            for project in projects
            if project.code in self._terms
            for used in [found.get(product.meter, {}).get(project.id)]
            if used is not None
        ]

    def _read(
        self, meters: Collection[Meter], project_ids: Collection[int] | None, *, together: bool = False
    ) -> dict[Meter, dict[int, MeteredParts]]:
        return metered(
            self._usage,
            [self._account_id],
            project_ids,
            meters,
            self._boundaries,
            self._frame.zone,
            self._until,
            hours_max=self._frame.month.reference_hours,
            received_through=self._received_through,
            together=together,
        )
