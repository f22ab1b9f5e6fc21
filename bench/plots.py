"""Plots as SVG, written by hand as the console's charts are: for light and dark screens, readable without colour."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from bench.table import quantity

_STYLE = """
svg { font: 12px system-ui, sans-serif; }
text { fill: #1d1d1b; } .faint { fill: #63625d; } .title { font-weight: 600; }
.end { text-anchor: end; } .mid { text-anchor: middle; }
.paper { fill: #fcfcfb; } .good { fill: #2a78d6; } .bad { fill: #c8402f; }
path { fill: none; stroke: #2a78d6; stroke-width: 2; stroke-linejoin: round; }
.rule { stroke: #dddcd6; } .goal { stroke: #63625d; stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #f1f0ec; } .faint { fill: #a9a89f; }
  .paper { fill: #1a1a19; } .good { fill: #4f96ea; } .bad { fill: #f0705c; }
  path { stroke: #4f96ea; } .rule { stroke: #3a3a37; } .goal { stroke: #a9a89f; }
}
"""
_LABELS_MAX = 4  # more points have words under the first and the last alone
_ANCHORS = ("faint", "faint mid", "faint end")


@dataclass(frozen=True, slots=True)
class Share:
    """How much of what is allowed a figure takes, 1 being all of it; `told` is the figure beside what is wanted."""

    name: str
    share: float
    told: str


@dataclass(frozen=True, slots=True)
class Series:
    """A figure over something: words under its name and under its points, its values, and what is wanted of them."""

    name: str
    told: str
    unit: str
    labels: Sequence[str]
    values: Sequence[float]
    target: float | None


def shares(title: str, rows: Sequence[Share]) -> str:
    """Draw a bar each: up to the line is as wanted, beyond it is not; one of twice and more is cut off."""
    left, wide, high, most = 310, 240, 22, 2.0
    goal = left + wide / most
    parts = [_text(16, 24, title, "title"), _text(goal, 44, "wanted", "faint mid")]
    parts.append(f'<line class="goal" x1="{goal}" y1="50" x2="{goal}" y2="{56 + high * len(rows)}"/>')
    for place, row in enumerate(rows):
        y, is_met = 56 + high * place, row.share <= 1
        length, kind = max(2.0, min(row.share, most) / most * wide), "good" if is_met else "bad"
        parts += [
            _text(left - 10, y + 14, row.name, "end"),
            f'<rect class="{kind}" x="{left}" y="{y + 3}" width="{length:.1f}" height="14" rx="2"/>',
            _text(left + wide + 10, y + 14, row.told if is_met else f"{row.told}, missed", "faint"),
        ]
    return _svg(880, 68 + high * len(rows), title, parts)


def lines(title: str, each: Sequence[Series], columns: int = 3) -> str:
    """Draw small plots side by side, one of each series, all from zero; a dashed line is what is wanted."""
    wide, high = 960 // columns, 170
    parts = [_text(16, 24, title, "title")]
    for place, series in enumerate(each):
        across, down = place % columns, place // columns
        parts.append(f'<g transform="translate({16 + across * wide} {40 + down * high})">')
        parts += _plot(series, wide - 24, high - 24)
        parts.append("</g>")
    rows = math.ceil(len(each) / columns)
    return _svg(16 + wide * min(columns, max(1, len(each))), 48 + high * rows, title, parts)


def _plot(series: Series, wide: int, high: int) -> Iterable[str]:
    top, bottom = 40, high - 18
    most = max(*series.values, series.target or 0, 1e-9) * 1.1
    step = wide / max(1, len(series.values) - 1)

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / most

    yield _text(0, 10, series.name)
    yield _text(0, 26, series.told, "faint")
    yield f'<line class="rule" x1="0" y1="{bottom}" x2="{wide}" y2="{bottom}"/>'
    if series.target is not None:
        at = y(series.target)
        yield f'<line class="goal" x1="0" y1="{at:.1f}" x2="{wide}" y2="{at:.1f}"/>'
    points = [(place * step, y(value)) for place, value in enumerate(series.values)]
    yield f'<path d="M{" L".join(f"{x:.1f} {at:.1f}" for x, at in points)}"/>'
    for (x, at), label, value in zip(points, series.labels, series.values, strict=True):
        told = escape(f"{label}: {quantity(value, series.unit)}")
        yield f'<circle class="good" cx="{x:.1f}" cy="{at:.1f}" r="3"><title>{told}</title></circle>'
    last = len(points) - 1
    for place in range(last + 1) if last < _LABELS_MAX else (0, last):
        yield _text(points[place][0], high - 2, series.labels[place], _ANCHORS[(place > 0) + (place == last > 0)])


def _text(x: float, y: float, words: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def _svg(wide: int, high: int, title: str, parts: Iterable[str]) -> str:
    size = f'viewBox="0 0 {wide} {high}" width="{wide}" height="{high}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    paper = f'<rect class="paper" width="{wide}" height="{high}" rx="6"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", f"<style>{_STYLE}</style>", paper, *parts, "</svg>", ""])
