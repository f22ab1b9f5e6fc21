"""Figures as text: numbers with their units, and the table that a run ends with."""

from __future__ import annotations

from collections.abc import Iterable

from bench.figures import Result
from bench.history import Run


def number(value: float) -> str:
    """Return a figure as people read it."""
    return f"{value:,.0f}" if abs(value) >= 1_000 or value == int(value) else f"{value:,.4g}"


def quantity(value: float, unit: str) -> str:
    """Return a figure with its unit."""
    return f"{number(value)} {unit}".strip()


def wanted(result: Result) -> str:
    """Return what is wanted of a figure, or nothing."""
    if result.target is None:
        return ""
    return f"{'≥' if result.better == 'more' else '≤'} {quantity(result.target, result.unit)}"


def verdict(result: Result) -> str:
    """Return whether a figure is as wanted, or nothing."""
    return "" if result.met is None else "met" if result.met else "MISSED"


def lines(run: Run, before: Run | None) -> Iterable[str]:
    """Yield a run's table for a terminal; `before` is an earlier run to compare it with."""
    rows = [("", "measured", "wanted", "", "before")]
    for one in run.results:
        then = before.value(one.part, one.name) if before else None
        told = "" if then is None else quantity(then, one.unit)
        rows.append((f"{one.part}: {one.name}", quantity(one.value, one.unit), wanted(one), verdict(one), told))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for part, why in run.failed.items():
        yield f"{part}: FAILED, {why}"
