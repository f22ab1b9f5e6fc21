"""Adding many exact quantities up."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction


def added_up(quantities: Iterable[Fraction]) -> Fraction:
    """Return the sum: of those with one denominator first, as a `Fraction` seeks its lowest terms at each step."""
    numerators: dict[int, int] = {}
    for each in quantities:
        denominator = each.denominator
        numerators[denominator] = numerators.get(denominator, 0) + each.numerator
    return sum((Fraction(numerator, denominator) for denominator, numerator in numerators.items()), Fraction(0))
