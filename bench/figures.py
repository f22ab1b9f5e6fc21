"""What a part of the benchmark returns: figures, each with its unit, how it was measured, and what is wanted of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

SIZES = ("full", "small")
SIZE = os.environ.get("SIZE") or "full"
SMALL = SIZE == "small"
assert SIZE in SIZES, f"SIZE is one of {', '.join(SIZES)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing measured; `run(folder)` of a part returns a list of them.

    `name` is unique in its part and stays the same from run to run: the history is followed by it. `at_least` or
    `at_most` is what is wanted of `value`. `limit` names the figure of the part "limits" that this one stands against
    in the same run; `limit_share` of that is enough too, whichever is lower.
    """

    name: str
    value: float
    unit: str
    how: str
    at_least: float | None = None
    at_most: float | None = None
    limit: str | None = None
    limit_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A figure as a run keeps it: with its part, the `target` that held in this run, and whether it was `met`.

    `better` is "more" or "less"; `of_limit` is the share of the machine's own limit that was reached.
    """

    part: str
    name: str
    value: float
    unit: str
    how: str
    better: str | None = None
    target: float | None = None
    met: bool | None = None
    limit: str | None = None
    of_limit: float | None = None


def judge(figures: Mapping[str, list[Figure]]) -> list[Result]:
    """Hold the figures of each part against what is wanted of them, and against the limits of the same run."""
    limits = {figure.name: figure.value for figure in figures.get("limits", [])}
    return [_result(part, figure, limits) for part, found in figures.items() for figure in found]


def _result(part: str, figure: Figure, limits: Mapping[str, float]) -> Result:
    limit = limits.get(figure.limit or "")
    target, met = figure.at_most if figure.at_least is None else figure.at_least, None
    if target is not None and limit is not None and figure.limit_share is not None:
        target = min(target, figure.limit_share * limit)
    if target is not None:
        met = figure.value <= target if figure.at_least is None else figure.value >= target
    return Result(
        part=part,
        name=figure.name,
        value=rounded(figure.value),
        unit=figure.unit,
        how=figure.how,
        better=None if target is None else "less" if figure.at_least is None else "more",
        target=None if target is None else rounded(target),
        met=met,
        limit=None if limit is None else figure.limit,
        of_limit=None if limit is None else rounded(figure.value / limit),
    )


def rounded(value: float) -> float:
    """Return a value with four digits that count, whole if it is a thousand or more."""
    return round(value) if abs(value) >= 1_000 else float(f"{value:.4g}")


def say(words: str) -> None:
    """Tell how far the run is; figures go to standard output, this does not."""
    print(f"  {words}", file=sys.stderr, flush=True)
