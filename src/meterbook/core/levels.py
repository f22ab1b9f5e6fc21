"""Levels: where a series of daily units went from one level to another and stayed there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
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
    best: Step | None = None
    for at in range(1, len(levels)):
        before, after = levels[max(0, at - _LOOK_BACK) : at], levels[at:]
        step = Step(at, _average(before), _average(after))
        height = abs(step.after - step.before)
        steady = max(max(part) - min(part) for part in (before, after)) * _STEADY <= height
        if height and steady and (best is None or height > abs(best.after - best.before)):
            best = step
    return best


def _average(values: Sequence[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)
