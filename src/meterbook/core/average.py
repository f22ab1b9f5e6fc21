"""The average cost of an hour: for display alone, never used in a calculation (DOMAIN 3)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from meterbook.core.money import Money, half_up


def average_cost(cost: Money, hours: Fraction) -> Decimal:
    """Return what an hour of time-based usage cost, in major units with two digits more than the currency has."""
    exact = Fraction(cost.decimal) / hours if hours else Fraction(0)
    return half_up(exact, cost.currency.digits + 2)
