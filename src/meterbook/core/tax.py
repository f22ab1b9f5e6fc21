"""Tax: once per rate of an invoice, on the net of all lines with that rate (DOMAIN 4)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from meterbook.core.money import Money, rounded


@dataclass(frozen=True, slots=True)
class TaxLine:
    """The tax of one rate, in percent, on `base`."""

    rate: Decimal
    base: Money
    amount: Money


def tax_on(net: Money, rate: Decimal) -> TaxLine:
    """Return the tax of `rate` percent on the net of one invoice, rounded once."""
    return TaxLine(rate, net, rounded(Fraction(net.decimal) * Fraction(rate) / 100, net.currency))
