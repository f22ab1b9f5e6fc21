"""A budget of a month: which part of it is used, and which of the thresholds that is told at were reached."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

from meterbook.core.money import Money, half_up

THRESHOLDS: Final = (50, 80, 100)  # percent, in order (DOMAIN 8)


def used_percent(spent: Money, budget: Money) -> Decimal:
    """Return how many percent of a budget are used, to one decimal, for display."""
    return half_up(Fraction(spent.minor * 100, budget.minor), 1)


def reached(spent: Money, budget: Money) -> tuple[int, ...]:
    """Return the thresholds (percent) that are reached, compared exactly."""
    return tuple(percent for percent in THRESHOLDS if spent.minor * 100 >= budget.minor * percent)
