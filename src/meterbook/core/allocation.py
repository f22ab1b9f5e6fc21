"""Allocation: cut an amount into parts that add up to it, to the minor unit (DOMAIN 5)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from meterbook.core.money import Money


def allocate(amount: Money, weights: Sequence[Fraction], most: Sequence[int] | None = None) -> list[Money]:
    """Spread an amount over weights of zero or more by largest remainder, ties to the earlier.

    With no weight above zero all parts weigh the same. `weights` has to hold at least one. No part is above its
    `most`, in minor units: a whole number not below its weight, of weights that add up to the amount when rounded up.
    """
    assert weights, "an amount needs somewhere to go"
    assert min(weights) >= 0, "a part cannot weigh less than nothing"
    total = sum(weights, Fraction(0))
    if total == 0:
        weights, total = [Fraction(1)] * len(weights), Fraction(len(weights))
    sign = -1 if amount.minor < 0 else 1
    exact = [abs(amount.minor) * weight / total for weight in weights]
    minors = [int(part) for part in exact]
    left = abs(amount.minor) - sum(minors)
    free = [i for i, minor in enumerate(minors) if most is None or minor < most[i]]
    by_remainder = sorted(free, key=lambda i: minors[i] - exact[i])
    for i in by_remainder[:left]:
        minors[i] += 1
    return [Money(sign * minor, amount.currency) for minor in minors]
