"""An account's month that is not issued: what was used in it, and its draft; kept while all that decides it stays.

What decides a draft is compared whole, by its values, at each reading: counted usage, terms, catalog, late usage, open
items. So a draft that was kept is what one made anew would be; nothing has to be told of a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Final

from cachetools import LRUCache

from meterbook.core import invoice
from meterbook.core.credits import Books
from meterbook.core.invoice import Adjustment, InvoiceDraft
from meterbook.core.rating import Frame
from meterbook.invoicing.use import CountedUse, Terms, Used

LINES_MAX: Final = 15_000  # of all months that are kept together
_LEAST: Final = 50  # what keeping anything weighs, in lines

_Place = tuple[object, ...]
_Late = tuple[Adjustment, ...]


class AccountMonth:
    """What one account used in a month, and what it was last drafted with; used by many threads at once."""

    def __init__(self, terms: Terms, frame: Frame, used: Used) -> None:
        self.used = used
        self._terms, self._frame = terms, frame
        self._made: tuple[_Late, Books, InvoiceDraft] | None = None

    def draft(self, late: _Late, books: Books) -> InvoiceDraft:
        """Return the month's draft with late usage of earlier months and with what is open."""
        made = self._made
        if made is None or made[:2] != (late, books):
            terms, used = self._terms, self.used
            promotions = terms.promotions
            draft = invoice.draft(
                terms.account, self._frame, used.uses, used.until, used.data_through, promotions, late, books
            )
            self._made = made = late, books, draft
        return made[2]


def account_months(counted: CountedUse) -> dict[int, AccountMonth]:
    """Put the months of several accounts together, by id."""
    used = counted.by_account()
    return {id_: AccountMonth(terms, counted.frame, used[id_]) for id_, terms in counted.terms.items()}


class KeptMonths:
    """Months that are not issued, those looked at last; used by many threads at once. Each process keeps its own."""

    def __init__(self, lines_max: int = LINES_MAX) -> None:
        self._months: LRUCache[_Place, tuple[CountedUse, Mapping[int, AccountMonth]]] = LRUCache(
            lines_max, lambda kept: min(_weight(kept[0]), lines_max)
        )
        self._lock = Lock()

    def account_months(self, counted: CountedUse) -> Mapping[int, AccountMonth]:
        """Return what `account_months` does, as it was put together when the same was counted before."""
        place = _place(counted)
        with self._lock:
            kept = self._months.get(place)
        if kept is None or kept[0] != counted:
            kept = counted, account_months(counted)
            with self._lock:
                self._months[place] = kept
        return kept[1]


def _place(counted: CountedUse) -> _Place:
    return counted.frame, counted.until, tuple([(id_, *terms.projects) for id_, terms in counted.terms.items()])


def _weight(counted: CountedUse) -> int:
    return _LEAST + sum(len(each.windows) for each in counted.counted)
