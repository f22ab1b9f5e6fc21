"""The hours a line was billed for: the usage of its period as it was known when the invoice was drafted."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account, Project
from meterbook.core.period import BillingMonth
from meterbook.core.sentence import say
from meterbook.core.windows import Window, window_starts
from meterbook.errors import NotFound
from meterbook.invoicing.queries import frame_of_invoice
from meterbook.invoicing.tables import Invoice, InvoiceLine
from meterbook.invoicing.terms import thawed_product
from meterbook.usage.queries import UsageWindow, by_window
from meterbook.usage.store import UsageStore

_LARGEST_POSITION: Final = 2**31 - 1  # that the store can hold


def billed_usage(
    session: Session,
    usage: UsageStore,
    invoice: Invoice,
    account: Account,
    position: int,
    window: Window,
    *,
    by_resource: bool = False,
) -> tuple[list[UsageWindow], InvoiceLine]:
    """Return the windows of usage behind a line, with the line; of an adjustment, those of the month it re-rated.

    Raises `NotFound` for a line that is not there.
    """
    line = session.get(InvoiceLine, (invoice.id, position)) if position <= _LARGEST_POSITION else None
    if line is None:
        raise NotFound(
            say("%(invoice)s has no line %(place)s.", invoice=invoice.number, place=position), "unknown-line"
        )
    zone, month = frame_of_invoice(invoice).zone, BillingMonth.parse(line.adjusts_month or invoice.month)
    starts_at, ends_at = line.starts_at, line.ends_at
    if line.adjusts_month is not None:
        starts_at, ends_at = month.starts_at(zone), month.ends_at(zone)
    assert starts_at is not None, "a charge has its period"
    assert ends_at is not None, "a charge has its period"
    own = select(Project.id).where(Project.account_id == account.id, Project.code == line.project_code)
    rows = by_window(
        usage,
        [account.id],
        [session.scalars(own).one()],
        {thawed_product(line.product_code, line.product).meter},
        [*window_starts(window, starts_at, ends_at, zone), ends_at],
        zone,
        ends_at,
        by_resource=by_resource,
        hours_max=month.reference_hours,
        received_through=invoice.usage_through,
    )
    return rows, line
