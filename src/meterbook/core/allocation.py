"""Allocation: cut an amount into parts that add up to it, to the minor unit (DOMAIN 5)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

from meterbook.core.money import Money


def allocate(amount: Money, weights: Sequence[Fraction | int], most: Sequence[int] | None = None) -> list[Money]:
    """Spread an amount over weights of zero or more by largest remainder, ties to the earlier.

    With no weight above zero all parts weigh the same. `weights` has to hold at least one. No part is above its
    `most`, in minor units: a whole number not below its weight, of weights that add up to the amount when rounded up.
    """
    assert weights, "an amount needs somewhere to go"
    common = lcm(*{weight.denominator for weight in weights})
    parts = [weight.numerator * (common // weight.denominator) for weight in weights]
    assert min(parts) >= 0, "a part cannot weigh less than nothing"
    if not any(parts):
        parts = [1] * len(parts)
    sign, whole, total = -1 if amount.minor < 0 else 1, abs(amount.minor), sum(parts)
    divided = [divmod(whole * part, total) for part in parts]
    minors = [minor for minor, _ in divided]
    left = whole - sum(minors)
    free = [i for i, minor in enumerate(minors) if most is None or minor < most[i]]
    by_remainder = sorted(free, key=lambda i: divided[i][1], reverse=True)
    for i in by_remainder[:left]:
        minors[i] += 1
    return [Money(sign * minor, amount.currency) for minor in minors]
