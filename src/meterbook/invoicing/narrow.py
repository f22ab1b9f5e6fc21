"""Narrow an issued invoice to some projects: what those who may not see the whole account are shown of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from meterbook.core.invoice import InvoiceDraft
from meterbook.core.money import Money
from meterbook.core.tax import tax_on


def narrowed(draft: InvoiceDraft, projects: Collection[str]) -> InvoiceDraft:
    """Return the lines of some projects (codes) at list price, with nothing that tells of other projects.

    Discounts are left out: their shares depend on what the others used. So are open items, which are the account's.
    """
    nothing = Money.zero(draft.currency)
    lines = tuple(line._replace(discount=nothing) for line in draft.lines if line.project.code in projects)
    late = tuple(each for each in draft.adjustments if each.project.code in projects)
    subtotal = sum((line.amount for line in lines), sum((each.amount for each in late), nothing))
    tax = (tax_on(subtotal, draft.account.applied_tax_rate),)
    total = subtotal + tax[0].amount
    return replace(
        draft,
        lines=lines,
        adjustments=late,
        promotions=(),
        discounts=(),
        subtotal=subtotal,
        net=subtotal,
        tax=tax,
        total=total,
        unpaid=nothing,
        credit_used=nothing,
        balance_used=nothing,
        deferred_months=(),
        forecast=total,
    )
