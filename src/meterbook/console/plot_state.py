"""What the reader made of a page's plot, in its address: products left out of the bars, and the table behind them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Final

from fastapi import Depends, Query

LONGEST_HIDDEN: Final = 10_000  # characters that name products


@dataclass(frozen=True, slots=True)
class PlotState:
    """Products (codes) that are left out, and whether the table is open; other codes leave nothing out."""

    hidden: frozenset[str] = frozenset()
    with_table: bool = False

    @property
    def fields(self) -> dict[str, str]:
        """The fields of an address that carry it; empty ones say nothing."""
        return {"hide": ",".join(sorted(self.hidden)), "table": "1" if self.with_table else ""}

    def toggled(self, product: str) -> PlotState:
        """Return the state with a product left out, or in again."""
        return replace(self, hidden=self.hidden ^ {product})


UNTOUCHED: Final = PlotState()


def plot_asked(
    hide: Annotated[str, Query(max_length=LONGEST_HIDDEN)] = "", table: Annotated[str, Query(max_length=1)] = ""
) -> PlotState:
    """Read an address."""
    return PlotState(frozenset(code for code in hide.split(",") if code), table == "1")


OfPlot = Annotated[PlotState, Depends(plot_asked)]
