"""The same hours of the month before: what an account's month is compared with.

A month that was issued is cut out of what its invoice counted, by its own prices and terms; any other is drafted anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from sqlalchemy.orm import Session

from meterbook.catalog.queries import current_catalog
from meterbook.core.credits import Books
from meterbook.core.daily import DailyCosts
from meterbook.core.invoice import Adjustment, InvoiceDraft
from meterbook.core.money import Money, half_up
from meterbook.core.period import hour_ceil
from meterbook.core.rating import Frame
from meterbook.invoicing.account_month import account_months
from meterbook.invoicing.adjust import issued_terms
from meterbook.invoicing.draft import Payer, draft_month
from meterbook.invoicing.facts import seen_alone
from meterbook.invoicing.queries import frame_of_invoice
from meterbook.invoicing.remembered import RememberedMonths
from meterbook.invoicing.tables import Invoice
from meterbook.invoicing.use import Terms, count_use
from meterbook.usage.store import UsageStore

PERCENT_PLACES: Final = 1


@dataclass(frozen=True, slots=True)
class SameHours:
    """The month before, up to the hour that the month reached: its draft for these hours.

    `daily` reads what each of its days cost. `until` is where it was cut. `issued` is the invoice it was cut out
    of, `None` while there is none; `is_whole` when the month is over and compared with all of the one before.
    """

    draft: InvoiceDraft
    until: datetime
    daily: Callable[[], DailyCosts]
    issued: Invoice | None
    is_whole: bool

    @property
    def has_usage(self) -> bool:
        """Whether there is anything to compare with."""
        return bool(self.draft.lines or self.draft.adjustments)

    def percent_more(self, total: Money) -> Decimal | None:
        """Return by how many percent a total is more than that of these hours; `None` when these cost nothing."""
        before = self.draft.total.minor
        return half_up(Fraction(100 * (total.minor - before), before), PERCENT_PLACES) if before > 0 else None


def same_hours(
    session: Session, usage: UsageStore, payer: Payer, frame: Frame, at: datetime, remembered: RememberedMonths
) -> SameHours:
    """Return the month before that of `frame` up to the same elapsed hours at a moment; all of it once `frame` is over.

    The hour that is running counts, as it does in `frame`. The hours of a longer month end with the month before.
    """
    month = frame.month.previous()
    shown = remembered.show(session, usage, payer, month, at, by_day=True)
    before = shown.draft.frame
    is_whole = at >= frame.ends_at
    elapsed = hour_ceil(at, frame.zone) - frame.starts_at
    until = before.ends_at if is_whole else min(before.starts_at + elapsed, before.ends_at)
    issued = shown.issued
    if is_whole or until == before.ends_at:
        draft = shown.draft
    elif issued is None:
        draft = draft_month(session, usage, payer, month, until, kept=remembered.running)
    else:
        late = shown.draft.adjustments
        draft = remembered.draft(issued, payer, until, lambda: _cut(session, usage, payer, issued, late, until))
    return SameHours(draft, until, shown.daily, issued, is_whole)


def _cut(
    session: Session,
    usage: UsageStore,
    payer: Payer,
    issued: Invoice,
    late: Sequence[Adjustment],
    until: datetime,
) -> InvoiceDraft:
    """Draft an issued month up to an hour of it: its own terms and adjustments, and the usage that it counted."""
    ids = {project.id for project in payer.projects}
    then = issued_terms(session, issued, payer.account)
    alone = seen_alone(then.promotions, [project.code for project in payer.projects])
    promotions = then.promotions if payer.whole else alone
    terms = Terms(then.account, {id_: each for id_, each in then.projects.items() if id_ in ids}, promotions)
    frame = frame_of_invoice(issued)
    counted = count_use(
        usage,
        {payer.account.id: terms},
        current_catalog(session),
        frame,
        until,
        received_through=issued.usage_through,
    )
    return account_months(counted)[payer.account.id].draft(tuple(late), Books())
