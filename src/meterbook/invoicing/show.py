"""Show a month: the invoice that was issued for it, or else its draft; whole, or as some projects may see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from meterbook.accounts.queries import zone_of
from meterbook.accounts.tables import Account, Project
from meterbook.catalog.queries import current_catalog
from meterbook.core.daily import DailyCosts
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.period import BillingMonth
from meterbook.core.rating import Frame
from meterbook.invoicing.daily_use import costs_by_day, read_ahead
from meterbook.invoicing.draft import Payer, begin_drafts
from meterbook.invoicing.narrow import narrowed
from meterbook.invoicing.queries import draft_of, invoices_of_month
from meterbook.invoicing.tables import Invoice
from meterbook.usage.store import UsageStore


@dataclass(frozen=True, slots=True)
class ShownMonth:
    """A month's draft, with `issued` when it is what was issued; `daily` only if it was asked for."""

    draft: InvoiceDraft
    issued: Invoice | None
    daily: DailyCosts | None


def show_month(
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
    """Return what a reader of these projects is shown of a month at a moment; `whole` when they may see the account.

    Raises `Invalid` for a month that has not begun.
    """
    issued = invoices_of_month(session, [account.id], month).get(account.id)
    if issued is None or issued.issued_at is None or at < issued.issued_at:
        return begin_open_month(session, usage, account, projects, month, at, whole=whole, by_day=by_day)()
    draft = draft_of(issued, account.code)
    if not whole:
        draft = narrowed(draft, [project.code for project in projects])
    through = issued.usage_through
    daily = costs_by_day(usage, account.id, projects, draft, at, through, whole=whole) if by_day else None
    return ShownMonth(draft, issued, daily)


def begin_open_month(
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
    """Begin to read a month that is not issued, and return what waits for it and returns what `show_month` does.

    Raises `Invalid` for a month that has not begun.
    """
    products = current_catalog(session)
    ahead = read_ahead(usage, account.id, products, Frame(month, zone_of(account)), at) if by_day and whole else None
    drafts = begin_drafts(session, usage, [Payer(account, projects, whole)], month, at, products=products)

    def end() -> ShownMonth:
        draft = drafts()[0].draft
        daily = costs_by_day(usage, account.id, projects, draft, at, whole=whole, ahead=ahead) if by_day else None
        return ShownMonth(draft, None, daily)

    return end
