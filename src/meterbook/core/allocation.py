"""Allocation: cut an amount into parts that add up to it, to the minor unit (DOMAIN 5)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import Final, NamedTuple

from meterbook.core.money import Money

# So many weights of different denominators have a common one of so many digits that dividing by it takes long.
_FEW: Final = 20
# Bits after the point that weights and shares are known to then.
_WEIGHT_BITS: Final = 256
_SHARE_BITS: Final = 192


class _Shares(NamedTuple):
    """Exact shares of an amount: whole units, and bounds of what is left over of each, in a unit of their own."""

    whole: list[int]
    least: list[int]
    most: list[int]


def allocate(amount: Money, weights: Sequence[Fraction | int], most: Sequence[int] | None = None) -> list[Money]:
    """Spread an amount over weights of zero or more by largest remainder, ties to the earlier.

    With no weight above zero all parts weigh the same. `weights` has to hold at least one. No part is above its
    `most`, in minor units: a whole number not below its weight, of weights that add up to the amount when rounded up.
    """
    assert weights, "an amount needs somewhere to go"
    assert min(weights) >= 0, "a part cannot weigh less than nothing"
    if not any(weights):
        weights = [1] * len(weights)
    sign, minor = -1 if amount.minor < 0 else 1, abs(amount.minor)
    bounded = _bounded(minor, weights) if len({weight.denominator for weight in weights}) > _FEW else None
    parts = (bounded and _rounded(minor, bounded, most)) or _rounded(minor, _exact(minor, weights), most)
    assert parts, "exact remainders are in order"
    return [Money(sign * part, amount.currency) for part in parts]


def _rounded(minor: int, shares: _Shares, most: Sequence[int] | None) -> list[int] | None:
    """Return the shares with the units left over given to the largest remainders; None if their bounds overlap."""
    parts = list(shares.whole)
    free = [i for i, part in enumerate(parts) if most is None or part < most[i]]
    free.sort(key=shares.least.__getitem__, reverse=True)
    left = minor - sum(parts)
    given, others = free[:left], free[left:]
    is_exact = shares.least is shares.most
    if given and others and not is_exact and shares.least[given[-1]] <= max(shares.most[i] for i in others):
        return None
    for i in given:
        parts[i] += 1
    return parts


def _exact(minor: int, weights: Sequence[Fraction | int]) -> _Shares:
    common = lcm(*{weight.denominator for weight in weights})
    units = [weight.numerator * (common // weight.denominator) for weight in weights]
    total = sum(units)
    divided = [divmod(minor * unit, total) for unit in units]
    remainders = [remainder for _, remainder in divided]
    return _Shares([whole for whole, _ in divided], remainders, remainders)


def _bounded(minor: int, weights: Sequence[Fraction | int]) -> _Shares | None:
    """Return the shares with bounds of their remainders; None if some may be one whole unit or the next."""
    units = [(weight.numerator << _WEIGHT_BITS) // weight.denominator for weight in weights]
    total = sum(units)
    if not total:
        return None
    least = [(minor * unit << _SHARE_BITS) // (total + len(units)) for unit in units]
    most = [(minor * (unit + 1) << _SHARE_BITS) // total + 1 for unit in units]
    whole = [share >> _SHARE_BITS for share in least]
    if whole != [share >> _SHARE_BITS for share in most]:
        return None
    fraction = (1 << _SHARE_BITS) - 1
    return _Shares(whole, [share & fraction for share in least], [share & fraction for share in most])
