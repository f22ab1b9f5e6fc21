"""What was sent for an account, counted by the tests themselves, and the month that follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from meterbook.core.invoice import Adjustment, InvoiceDraft, draft
from meterbook.core.metering import MeterKind
from meterbook.core.period import BillingMonth, BillingZone, hour_floor
from meterbook.core.pricing import Product
from meterbook.core.promotion import Promotion
from meterbook.core.rating import Frame, Part
from meterbook.core.terms import AccountTerms, ProjectTerms, Use, use_boundaries


@dataclass(frozen=True)
class Reading:
    """One event as it was sent."""

    id: str
    project: str
    type: str
    resource: str
    at: datetime
    value: Decimal


@dataclass
class Tally:
    """Every reading that was sent, in order; one whose id is known counts no more."""

    zone: BillingZone
    readings: list[Reading] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def take(self, readings: Iterable[Reading]) -> int:
        """Note what was sent and return how many of it are new."""
        new = 0
        for reading in readings:
            if reading.id not in self.known:
                self.known.add(reading.id)
                self.readings.append(reading)
                new += 1
        return new

    def months(self) -> set[BillingMonth]:
        return {BillingMonth.of(reading.at, self.zone) for reading in self.readings}

    def drafted(
        self,
        frame: Frame,
        account: AccountTerms,
        projects: Sequence[ProjectTerms],
        products: Sequence[Product],
        promotions: Sequence[Promotion],
        adjustments: Sequence[Adjustment],
        count: int,
    ) -> InvoiceDraft:
        """Draft a whole month from the first `count` readings."""
        cuts = use_boundaries(frame, products, projects, account.currency, promotions)
        bounds = [frame.starts_at, *sorted(cuts), frame.ends_at]
        found: dict[tuple[str, str], list[Reading]] = {}
        for reading in self.readings[:count]:
            if frame.starts_at <= reading.at < frame.ends_at:
                found.setdefault((reading.project, reading.type), []).append(reading)
        uses = [
            Use(project, product, self._parts(product, found[project.code, product.meter.type], bounds))
            for project in projects
            for product in products
            if (project.code, product.meter.type) in found
        ]
        return draft(account, frame, uses, frame.ends_at, None, promotions, adjustments)

    def _parts(self, product: Product, readings: Sequence[Reading], bounds: Sequence[datetime]) -> tuple[Part, ...]:
        hours: dict[datetime, dict[str, list[Decimal]]] = {}
        for reading in readings:
            of_hour = hours.setdefault(hour_floor(reading.at, self.zone), {})
            of_hour.setdefault(reading.resource, []).append(reading.value)
        units = {hour: sum(_hourly(product, values) for values in found.values()) for hour, found in hours.items()}
        return tuple(
            Part(
                start,
                end,
                sum((Fraction(units[hour]) for hour in units if start <= hour < end), Fraction(0)),
                sum(start <= hour < end for hour in units),
            )
            for start, end in pairwise(bounds)
        )


def _hourly(product: Product, values: Sequence[Decimal]) -> Decimal:
    match product.meter.kind:
        case MeterKind.presence:
            return Decimal(1)
        case MeterKind.gauge:
            return max(values)
        case _:
            return sum(values, Decimal(0))
