"""Adding many exact quantities up."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import zip_longest
from typing import Final

_NOTHING: Final = Fraction(0)


def added_up(quantities: Iterable[Fraction | int]) -> Fraction:
    """Return the sum: of those with one denominator first, as a `Fraction` seeks its lowest terms at each step.

    Sums of different denominators are added in pairs, as their terms grow with each that is added.
    """
    numerators: dict[int, int] = {}
    for each in quantities:
        denominator = each.denominator
        numerators[denominator] = numerators.get(denominator, 0) + each.numerator
    sums = [Fraction(numerator, denominator) for denominator, numerator in numerators.items()]
    while len(sums) > 1:
        sums = [one + other for one, other in zip_longest(sums[::2], sums[1::2], fillvalue=_NOTHING)]
    return sums[0] if sums else _NOTHING
