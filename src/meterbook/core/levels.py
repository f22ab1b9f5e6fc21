"""Levels: where a series of daily units went from one level to another and stayed there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import lcm
from typing import Final

_LOOK_BACK: Final = 7  # days that say what the level was before
_STEADY: Final = 4  # days of one level differ by at most this part of the step


@dataclass(frozen=True, slots=True)
class Step:
    """A step in a series: the position of its first value on the new level, and the averages before and since."""

    at: int
    before: Fraction
    after: Fraction


def last_step(levels: Sequence[Fraction]) -> Step | None:
    """Return the greatest step after which a series stayed on its level to the end; `None` if it only wavers."""
    scale = lcm(*(level.denominator for level in levels))
    values = [int(level * scale) for level in levels]
    sums, highest, lowest = (_to_the_end(values, how) for how in (int.__add__, max, min))
    best: Step | None = None
    for at in range(1, len(values)):
        before = values[max(0, at - _LOOK_BACK) : at]
        days_before, days_after = len(before), len(values) - at
        # the height of the step, times both numbers of days so that it is whole
        height = abs(sums[at] * days_before - sum(before) * days_after)
        wavers = max(max(before) - min(before), highest[at] - lowest[at])
        if height and wavers * _STEADY * days_before * days_after <= height:
            step = Step(at, Fraction(sum(before), days_before * scale), Fraction(sums[at], days_after * scale))
            if best is None or abs(step.after - step.before) > abs(best.after - best.before):
                best = step
    return best


def _to_the_end(values: Sequence[int], how: Callable[[int, int], int]) -> list[int]:
    """Return what each value and all after it come to."""
    return list(accumulate(reversed(values), how))[::-1]
