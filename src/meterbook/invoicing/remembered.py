"""Issued months, remembered as they were shown: an invoice never changes, so what was read of it is not read again.

Each process remembers its own. What has not been issued is read anew every time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Lock
from typing import Final

from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account, Project
from meterbook.core.daily import DailyCosts
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.period import BillingMonth
from meterbook.invoicing.daily_use import costs_by_day
from meterbook.invoicing.narrow import narrowed
from meterbook.invoicing.queries import draft_of, invoices_of_month
from meterbook.invoicing.show import ShownMonth, begin_open_month
from meterbook.invoicing.tables import Invoice
from meterbook.usage.store import UsageStore

LINES_MAX: Final = 30_000  # of all drafts that are remembered together: some 60 MB
_LEAST: Final = 50  # what remembering anything weighs, in lines

_Key = tuple[object, ...]


class RememberedMonths:
    """What was read of issued months, those looked at last; used by many threads at once."""

    def __init__(self, lines_max: int = LINES_MAX) -> None:
        self._drafts: OrderedDict[_Key, InvoiceDraft] = OrderedDict()
        self._daily: OrderedDict[_Key, DailyCosts] = OrderedDict()
        self._lines_max, self._lines, self._lock = lines_max, 0, Lock()

    def show(
        self,
        session: Session,
        usage: UsageStore,
        account: Account,
        projects: Sequence[Project],
        month: BillingMonth,
        at: datetime,
        *,
        whole: bool,
        by_day: bool = False,
    ) -> ShownMonth:
        """Return what `show_month` does."""
        return self.begin(session, usage, account, projects, month, at, whole=whole, by_day=by_day)()

    def begin(
        self,
        session: Session,
        usage: UsageStore,
        account: Account,
        projects: Sequence[Project],
        month: BillingMonth,
        at: datetime,
        *,
        whole: bool,
        by_day: bool = False,
    ) -> Callable[[], ShownMonth]:
        """Begin to read, and return what waits for it and returns what `show_month` does."""
        issued = invoices_of_month(session, [account.id], month).get(account.id)
        if issued is None or issued.issued_at is None or at < issued.issued_at:
            return begin_open_month(session, usage, account, projects, month, at, whole=whole, by_day=by_day)
        return lambda: self._issued(usage, account, projects, issued, at, whole=whole, by_day=by_day)

    def _issued(
        self,
        usage: UsageStore,
        account: Account,
        projects: Sequence[Project],
        issued: Invoice,
        at: datetime,
        *,
        whole: bool,
        by_day: bool,
    ) -> ShownMonth:
        draft = self.draft(issued, projects, whole, None, lambda: _issued_draft(issued, account, projects, whole))
        if not by_day:
            return ShownMonth(draft, issued, None)
        key = _key(issued, projects, whole, None)
        with self._lock:
            daily = self._daily.get(key)
        if daily is None:
            daily = costs_by_day(usage, account.id, projects, draft, at, issued.usage_through, whole=whole)
            with self._lock:
                self._daily[key] = daily
                if len(self._daily) > self._lines_max // _LEAST:
                    self._daily.popitem(last=False)
        return ShownMonth(draft, issued, daily)

    def draft(
        self,
        issued: Invoice,
        projects: Sequence[Project],
        whole: bool,
        until: datetime | None,
        read: Callable[[], InvoiceDraft],
    ) -> InvoiceDraft:
        """Return the draft of an issued month as some projects' readers see it, up to an hour (None: all of it).

        `read` makes it when it is not remembered.
        """
        key = _key(issued, projects, whole, until)
        with self._lock:
            if key in self._drafts:
                self._drafts.move_to_end(key)
                return self._drafts[key]
        made = read()
        with self._lock:
            if key not in self._drafts:
                self._drafts[key] = made
                self._lines += _weight(made)
            while self._lines > self._lines_max and len(self._drafts) > 1:
                _, oldest = self._drafts.popitem(last=False)
                self._lines -= _weight(oldest)
        return made


def _issued_draft(issued: Invoice, account: Account, projects: Sequence[Project], whole: bool) -> InvoiceDraft:
    draft = draft_of(issued, account.code)
    return draft if whole else narrowed(draft, [project.code for project in projects])


def _key(issued: Invoice, projects: Sequence[Project], whole: bool, until: datetime | None) -> _Key:
    ids = tuple(project.id for project in projects)
    return issued.id, issued.number, issued.usage_through, whole, until, ids


def _weight(draft: InvoiceDraft) -> int:
    return _LEAST + len(draft.lines) + len(draft.adjustments)
