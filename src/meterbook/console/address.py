"""Addresses: the state of a page in its URL, and the safe way back after signing in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final
from urllib.parse import urlencode

from meterbook.console.plot_state import UNTOUCHED, PlotState
from meterbook.core.invoice import GroupBy
from meterbook.core.period import BillingMonth
from meterbook.errors import Invalid

HOME: Final = "/"
PREVIEW: Final = "/invoice-preview"
PROJECT_USAGE: Final = "/project-usage"
FOCUS: Final = "/focus.csv"
EVERYTHING: Final = "*"
_GROUPINGS: Final[dict[str, GroupBy]] = {"project": "project", "product": "product"}
_LONGEST: Final = 2_000  # characters of a way back


@dataclass(frozen=True, slots=True)
class PreviewState:
    """What the reader looks at: an account's month, how it is grouped, and which groups are open.

    `opened` holds group keys, or `EVERYTHING` alone. `wanted` is what was searched for, `page` counts from 1. The same
    state, at another `path`, is that of the project usage.
    """

    account: str
    month: BillingMonth
    by: GroupBy
    opened: frozenset[str]
    wanted: str = ""
    page: int = 1
    path: str = PREVIEW
    plot: PlotState = UNTOUCHED

    def href(self) -> str:
        """Return the address of this state."""
        return address_of(
            self.path,
            account=self.account,
            month=self.month,
            by=self.by,
            open=self.opened_text,
            q=self.wanted,
            page=self.page if self.page > 1 else None,
            **self.plot.fields,
        )

    def csv_href(self) -> str:
        """Return the address of the sheet of this state, which has every page with all groups open."""
        return replace(self, path=f"{self.path}.csv", opened=frozenset(), page=1, plot=UNTOUCHED).href()

    def focus_href(self) -> str:
        """Return the address of the month's charges in the columns of FOCUS."""
        return address_of(FOCUS, account=self.account, month=self.month)

    @property
    def opened_text(self) -> str:
        """The open groups as the address carries them: "shop,web"."""
        return ",".join(sorted(self.opened))

    @property
    def everything_is_open(self) -> bool:
        """Whether all groups are open, whatever they are."""
        return EVERYTHING in self.opened

    def in_month(self, month: BillingMonth) -> PreviewState:
        """Return the state with another month."""
        return replace(self, month=month, page=1)

    def grouped(self, by: GroupBy) -> PreviewState:
        """Return the state grouped the other way; the groups that were open do not exist there."""
        return replace(self, by=by, opened=self.opened & {EVERYTHING}, wanted="", page=1)

    def on_page(self, page: int) -> PreviewState:
        """Return the state on another page, where other groups are."""
        return replace(self, opened=self.opened & {EVERYTHING}, page=page)

    def plotted(self, plot: PlotState) -> PreviewState:
        """Return the state with another state of the plot."""
        return replace(self, plot=plot)

    def toggled(self, key: str, keys: frozenset[str]) -> PreviewState:
        """Return the state with one group, or `EVERYTHING`, opened or closed; `keys` are the groups there are."""
        if key == EVERYTHING:
            all_open = self.everything_is_open or self.opened >= keys
            return replace(self, opened=frozenset() if all_open else frozenset({EVERYTHING}))
        opened = keys if self.everything_is_open else self.opened & keys
        return replace(self, opened=opened ^ ({key} & keys))


def address_of(path: str, **state: object) -> str:
    """Return the address of a page in a state; values that are None or empty are left out."""
    texts = ((name, str(value)) for name, value in state.items() if value is not None)
    fields = [_field(name, text) for name, text in texts if text]
    return f"{path}?{'&'.join(fields)}" if fields else path


@lru_cache(maxsize=10_000)
def _field(name: str, text: str) -> str:
    """Write a field of an address; the links of a page differ in one of theirs."""
    return urlencode([(name, text)], safe=",*")


def grouping_in(text: str) -> GroupBy:
    """Read how an address groups an invoice. Raises `Invalid`."""
    found = _GROUPINGS.get(text)
    if found is None:
        raise Invalid("The invoice is grouped by project or by product.", field="by")
    return found


def opened_in(text: str) -> frozenset[str]:
    """Read the open groups of an address."""
    return frozenset(key for key in text.split(",") if key)


def way_back(wanted: str) -> str:
    """Return where to go after signing in: an address of this console, or the first page; never another site."""
    # Browsers read a backslash as a slash and skip tabs and line ends, so none of them is let through.
    plain = wanted.isprintable() and "\\" not in wanted and len(wanted) <= _LONGEST
    inside = plain and wanted.startswith("/") and not wanted.startswith(("//", "/sign-"))
    return wanted if inside else HOME
