"""Show a month: the invoice that was issued for it, or else its draft; whole, or as some projects may see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from meterbook.accounts.queries import zone_of
from meterbook.catalog.queries import current_catalog
from meterbook.core.daily import DailyCosts
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.period import BillingMonth
from meterbook.core.rating import Frame
from meterbook.invoicing.account_month import KeptMonths
from meterbook.invoicing.daily_use import costs_by_day, read_ahead
from meterbook.invoicing.draft import Payer, begin_drafts
from meterbook.invoicing.narrow import narrowed
from meterbook.invoicing.queries import draft_of, invoices_of_month
from meterbook.invoicing.tables import Invoice
from meterbook.usage.store import UsageStore


@dataclass(frozen=True, slots=True)
class ShownMonth:
    """A month's draft, with `issued` when it is what was issued; `daily` reads what each of its days cost."""

    draft: InvoiceDraft
    issued: Invoice | None
    daily: Callable[[], DailyCosts]


def show_month(session: Session, usage: UsageStore, payer: Payer, month: BillingMonth, at: datetime) -> ShownMonth:
    """Return what a reader of the payer's projects is shown of a month at a moment.

    Raises `Invalid` for a month that has not begun.
    """
    issued = invoices_of_month(session, [payer.account.id], month).get(payer.account.id)
    if issued is None or issued.issued_at is None or at < issued.issued_at:
        return begin_open_month(session, usage, payer, month, at)()
    draft = draft_issued(issued, payer)
    return ShownMonth(draft, issued, partial(costs_by_day, usage, payer, draft, at, issued.usage_through))


def begin_open_month(
    session: Session,
    usage: UsageStore,
    payer: Payer,
    month: BillingMonth,
    at: datetime,
    *,
    by_day: bool = False,
    kept: KeptMonths | None = None,
) -> Callable[[], ShownMonth]:
    """Begin to read a month that is not issued, and return what waits for it and returns what `show_month` does.

    With `by_day` its days are read beside it. What is `kept` is not made again. Raises `Invalid` for a month that has
    not begun.
    """
    account, products = payer.account, current_catalog(session)
    ahead = None
    if by_day and payer.whole:
        ahead = read_ahead(usage, account.id, products, Frame(month, zone_of(account)), at)
    drafts = begin_drafts(session, usage, [payer], month, at, products=products, kept=kept)

    def end() -> ShownMonth:
        draft = drafts()[0].draft
        return ShownMonth(draft, None, partial(costs_by_day, usage, payer, draft, at, ahead=ahead))

    return end


def draft_issued(issued: Invoice, payer: Payer) -> InvoiceDraft:
    """Return the draft of an issued month, narrowed to the payer's projects unless they are the whole account."""
    draft = draft_of(issued, payer.account.code)
    return draft if payer.whole else narrowed(draft, [project.code for project in payer.projects])
