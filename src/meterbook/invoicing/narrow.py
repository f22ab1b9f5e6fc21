"""Narrow an issued invoice to some projects: what those who may not see the whole account are shown of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from meterbook.core.discounts import Discount
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.money import Money
from meterbook.core.tax import tax_on
from meterbook.invoicing.facts import seen_alone


def narrowed(draft: InvoiceDraft, projects: Collection[str]) -> InvoiceDraft:
    """Return the lines of some projects (codes), with nothing that tells of other projects.

    Discounts that are the same whatever the others used stay as they were billed; those that depend on the others, and
    what was taken off after them, are left out. So are open items, which are the account's.
    """
    nothing = Money.zero(draft.currency)
    seen = [place for place, line in enumerate(draft.lines) if line.project.code in projects]
    discounts = tuple(_discounts(draft, projects, {place: number for number, place in enumerate(seen)}))
    taken = [nothing] * len(seen)
    for discount in discounts:
        for place, share in discount.shares:
            taken[place] += share
    lines = tuple(draft.lines[place]._replace(discount=off) for place, off in zip(seen, taken, strict=True))
    late = tuple(each for each in draft.adjustments if each.project.code in projects)
    later = sum((each.amount for each in late), nothing)
    subtotal = sum((line.amount for line in lines), later)
    net = sum((line.net for line in lines), later)
    tax = (tax_on(net, draft.account.applied_tax_rate),)
    total = net + tax[0].amount
    return replace(
        draft,
        lines=lines,
        adjustments=late,
        promotions=tuple(each.promotion for each in discounts),
        discounts=discounts,
        subtotal=subtotal,
        net=net,
        tax=tax,
        total=total,
        unpaid=nothing,
        credit_used=nothing,
        balance_used=nothing,
        deferred_months=(),
        forecast=total,
    )


def _discounts(draft: InvoiceDraft, projects: Collection[str], numbers: Mapping[int, int]) -> Iterator[Discount]:
    """Yield what was taken off the seen lines, by their new numbers, until something tells of other projects."""
    alone = {each.key for each in seen_alone(draft.promotions, projects)}
    for discount in draft.discounts:
        shares = tuple([(numbers[place], share) for place, share in discount.shares if place in numbers])
        if not shares:
            continue
        if discount.promotion.key not in alone:
            return
        amount = sum((share for _, share in shares), Money.zero(draft.currency))
        yield replace(discount, shares=shares, amount=amount)
