"""Months of use built by hand, for tests of the pure core: no store, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from meterbook.core.credits import Books
from meterbook.core.invoice import Adjustment, InvoiceDraft, draft
from meterbook.core.metering import Hourly, Meter, MeterKind
from meterbook.core.money import currency
from meterbook.core.period import HOUR, BillingMonth, billing_zone, hour_count
from meterbook.core.pricing import Per, Price, PriceModel, Product, Tier
from meterbook.core.promotion import AppliesTo, Promotion, PromotionKind
from meterbook.core.rating import Frame, Part, Waiver
from meterbook.core.terms import AccountTerms, ProjectTerms, Use, use_boundaries

LONG_AGO = datetime(2010, 1, 1, tzinfo=UTC)

# What is on between two instants: (project, product code, starts_at, ends_at, units); for a counter units are the sum.
Spell = tuple[str, str, datetime, datetime, Decimal]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def frame_of(month: str, zone: str = "UTC", allow_dst: bool = False) -> Frame:
    return Frame(BillingMonth.parse(month), billing_zone(zone, allow_dst))


def price(
    unit_price: str | None = None,
    *,
    currency: str = "USD",
    since: datetime = LONG_AGO,
    model: PriceModel = PriceModel.per_unit,
    per: Per = Per.month,
    tiers: Sequence[tuple[str | None, str]] = (),
    **rest: object,
) -> Price:
    steps = tuple(Tier(Decimal(up_to) if up_to else None, Decimal(each)) for up_to, each in tiers)
    unit = None if unit_price is None else Decimal(unit_price)
    return Price(currency, since, model, per, unit, steps, **rest)  # type: ignore[arg-type]


def product(code: str, *prices: Price, kind: MeterKind = MeterKind.presence, unit: str = "host") -> Product:
    retention = 3 if kind is MeterKind.stock else None
    return Product(code, {"en": code.title()}, unit, Meter(f"{code}.seen", kind, Hourly.max, retention), prices)


def promotion(kind: str, value: str, key: int = 1, *, applies_to: str = "line", **more: Any) -> Promotion:
    return Promotion(
        key, f"CODE{key}", "A promotion", PromotionKind(kind), AppliesTo(applies_to), Decimal(value), **more
    )


def drafted(
    frame: Frame,
    products: Sequence[Product],
    spells: Sequence[Spell],
    *,
    code: str = "USD",
    tax: str = "0",
    at: datetime | None = None,
    projects: Sequence[ProjectTerms] = (),
    extra_cuts: Sequence[datetime] = (),
    promotions: Sequence[Promotion] = (),
    adjustments: Sequence[Adjustment] = (),
    books: Books = Books(),  # noqa: B008 - a frozen value
) -> InvoiceDraft:
    """Draft a month in which each spell's units are on in every whole hour of it."""
    until = min(at or frame.ends_at, frame.ends_at)
    terms = {spell[0]: ProjectTerms(spell[0], spell[0]) for spell in spells} | {p.code: p for p in projects}
    money = currency(code)
    cuts = use_boundaries(frame, products, terms.values(), money, promotions) | {frame.starts_at, *extra_cuts}
    bounds = [*sorted(cut for cut in cuts if frame.starts_at <= cut < until), until]
    uses = [
        _use(project, item, [s for s in spells if (s[0], s[1]) == (project.code, item.code)], bounds)
        for project in terms.values()
        for item in products
    ]
    return draft(AccountTerms("acme", money, Decimal(tax)), frame, uses, until, None, promotions, adjustments, books)


def _use(project: ProjectTerms, item: Product, spells: Sequence[Spell], bounds: Sequence[datetime]) -> Use:
    parts = []
    for start, end in pairwise(bounds):
        quantity, hours = Fraction(0), set[datetime]()
        for _, _, on, off, units in spells:
            if item.meter.kind is MeterKind.counter:
                quantity += Fraction(units) if start <= on < end else 0
                hours |= {on} if start <= on < end else set()
                continue
            begins, length = max(on, start), max(0, hour_count(max(on, start), min(off, end)))
            quantity += length * Fraction(units)
            hours |= {begins + number * HOUR for number in range(length)}
        parts.append(Part(start, end, quantity, len(hours)))
    total = sum((part.quantity for part in parts), Fraction(0))
    return Use(project, item, tuple(parts), total / hour_count(bounds[0], bounds[-1]))


def trial(code: str, until: datetime) -> ProjectTerms:
    return ProjectTerms(code, code, until, Waiver.trial)
