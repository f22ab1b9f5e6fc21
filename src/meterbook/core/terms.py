"""What decides an invoice: the terms of its account and projects, and what they used; and where they cut usage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from meterbook.core.money import Currency
from meterbook.core.pricing import Product
from meterbook.core.promotion import Promotion, promotion_boundaries
from meterbook.core.rating import Frame, Part, Waiver, price_boundaries


class TaxClass(StrEnum):
    """How an account is taxed; all but standard pay none, for the reason the invoice states (DOMAIN 4)."""

    standard = "standard"
    zero_rated = "zero_rated"
    reverse_charge = "reverse_charge"
    exempt = "exempt"


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """What of an account decides its invoice; `tax_rate` is in percent, of the standard class."""

    code: str
    currency: Currency
    tax_rate: Decimal
    tax_class: TaxClass = TaxClass.standard

    @property
    def applied_tax_rate(self) -> Decimal:
        """The rate that its lines are taxed with."""
        return self.tax_rate if self.tax_class is TaxClass.standard else Decimal(0)


class ProjectTerms(NamedTuple):
    """What of a project decides its charges: usage before `free_until` costs nothing, for the reason `free_as`."""

    code: str
    name: str
    free_until: datetime | None = None
    free_as: Waiver = Waiver.trial


class Use(NamedTuple):
    """What one project used of one product in the open month, in parts from the month's start without a gap.

    `pace` is the quantity an hour that the forecast continues with.
    """

    project: ProjectTerms
    product: Product
    parts: tuple[Part, ...]
    pace: Fraction = Fraction(0)


def use_boundaries(
    frame: Frame,
    products: Iterable[Product],
    projects: Iterable[ProjectTerms],
    currency: Currency,
    promotions: Iterable[Promotion] = (),
) -> set[datetime]:
    """Return the hours strictly inside the month at which usage has to be cut.

    They are price changes, ends of trials, and the beginnings and ends of promotions.
    """
    cuts = {cut for product in products for cut in price_boundaries(product, currency, frame)}
    ends = {project.free_until for project in projects if project.free_until is not None}
    cuts |= promotion_boundaries(promotions, frame)
    return cuts | {end for end in ends if frame.starts_at < end < frame.ends_at}
