"""Issued months, remembered as they were shown: an invoice never changes, so what was read of it is not read again.

Each process remembers its own. What has not been issued is read anew every time, and drafted when anything of it is
not as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from threading import Lock
from typing import Final

from cachetools import LRUCache
from sqlalchemy.orm import Session

from meterbook.core.daily import DailyCosts
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.period import BillingMonth
from meterbook.invoicing.account_month import KeptMonths
from meterbook.invoicing.daily_use import costs_by_day
from meterbook.invoicing.draft import Payer
from meterbook.invoicing.queries import invoices_of_month
from meterbook.invoicing.show import ShownMonth, begin_open_month, draft_issued
from meterbook.invoicing.tables import Invoice
from meterbook.usage.store import UsageStore

LINES_MAX: Final = 30_000  # of all drafts that are remembered together: some 60 MB
_LEAST: Final = 50  # what remembering anything weighs, in lines

_Key = tuple[object, ...]


class RememberedMonths:
    """What was read of issued months, those looked at last; used by many threads at once."""

    def __init__(self, lines_max: int = LINES_MAX) -> None:
        self.running = KeptMonths()
        self._drafts: LRUCache[_Key, InvoiceDraft] = LRUCache(lines_max, lambda draft: min(_weight(draft), lines_max))
        self._daily: LRUCache[_Key, DailyCosts] = LRUCache(lines_max // _LEAST)
        self._lock = Lock()

    def show(
        self,
        session: Session,
        usage: UsageStore,
        payer: Payer,
        month: BillingMonth,
        at: datetime,
        *,
        by_day: bool = False,
    ) -> ShownMonth:
        """Return what `show_month` does; with `by_day`, days of a month that is not issued are read beside it."""
        return self.begin(session, usage, payer, month, at, by_day=by_day)()

    def begin(
        self,
        session: Session,
        usage: UsageStore,
        payer: Payer,
        month: BillingMonth,
        at: datetime,
        *,
        by_day: bool = False,
    ) -> Callable[[], ShownMonth]:
        """Begin to read, and return what waits for it and returns what `show` does."""
        issued = invoices_of_month(session, [payer.account.id], month).get(payer.account.id)
        if issued is None or issued.issued_at is None or at < issued.issued_at:
            return begin_open_month(session, usage, payer, month, at, by_day=by_day, kept=self.running)
        return partial(self._issued, usage, payer, issued, at)

    def _issued(self, usage: UsageStore, payer: Payer, issued: Invoice, at: datetime) -> ShownMonth:
        draft = self.draft(issued, payer, None, lambda: draft_issued(issued, payer))
        return ShownMonth(draft, issued, partial(self._days, usage, payer, issued, draft, at))

    def _days(self, usage: UsageStore, payer: Payer, issued: Invoice, draft: InvoiceDraft, at: datetime) -> DailyCosts:
        key = _key(issued, payer, None)
        with self._lock:
            daily = self._daily.get(key)
        if daily is None:
            daily = costs_by_day(usage, payer, draft, at, issued.usage_through)
            with self._lock:
                self._daily[key] = daily
        return daily

    def draft(
        self, issued: Invoice, payer: Payer, until: datetime | None, read: Callable[[], InvoiceDraft]
    ) -> InvoiceDraft:
        """Return the draft of an issued month as readers of the payer's projects see it, up to an hour (None: all).

        `read` makes it when it is not remembered.
        """
        key = _key(issued, payer, until)
        with self._lock:
            draft = self._drafts.get(key)
        if draft is None:
            draft = read()
            with self._lock:
                self._drafts[key] = draft
        return draft


def _key(issued: Invoice, payer: Payer, until: datetime | None) -> _Key:
    # a project that came since has no part in what was issued
    ids = None if payer.whole else tuple([project.id for project in payer.projects])
    return issued.id, issued.number, issued.usage_through, payer.whole, until, ids


def _weight(draft: InvoiceDraft) -> int:
    return _LEAST + len(draft.lines) + len(draft.adjustments)
