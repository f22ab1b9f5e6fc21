"""Wire shapes of drafts and usage: money and quantities as strings, instants in ISO 8601 (INTERFACES)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from fastapi import Response

from meterbook.core.discounts import Discount
from meterbook.core.invoice import Adjustment, Group, GroupBy, InvoiceDraft, Line, shown
from meterbook.core.money import Money, plain
from meterbook.core.period import BillingZone
from meterbook.core.pricing import Price
from meterbook.invoicing.project_use import ProjectUse

Json = dict[str, object]


def answer(body: object, status: int = 200) -> Response:
    """Encode a body; what an account sees is never kept by a cache on the way."""
    return Response(msgspec.json.encode(body), status, {"Cache-Control": "no-store"}, "application/json")


def instant(at: datetime, zone: BillingZone | None = None) -> str:
    """Write an instant on the zone's clocks, with Z for UTC: "2014-02-28T15:00:00Z"."""
    local = zone.local(at) if zone else at.astimezone(UTC)
    return local.isoformat().removesuffix("+00:00") + ("" if local.utcoffset() else "Z")


def preview(draft: InvoiceDraft, by: GroupBy) -> Json:
    """Return the preview of INTERFACES: the draft's groups, lines, and the way from subtotal to due."""
    zone = draft.frame.zone
    numbers = {id(line): number for number, line in enumerate((*draft.lines, *draft.adjustments), start=1)}
    return {
        "account": draft.account.code,
        "month": str(draft.frame.month),
        "currency": draft.currency.code,
        "time_zone": zone.name,
        "reference_hours": draft.frame.month.reference_hours,
        "status": "estimated",
        "until": instant(draft.until, zone),
        "data_through": instant(draft.data_through, zone) if draft.data_through else None,
        "groups": [group_of(group, by, zone, numbers) for group in draft.groups(by)],
        "subtotal": str(draft.subtotal),
        "discounts": [_discount(discount) for discount in draft.discounts],
        "net": str(draft.net),
        "tax_class": draft.account.tax_class,
        "tax": [{"rate": plain(tax.rate), "amount": str(tax.amount)} for tax in draft.tax],
        "total": str(draft.total),
        "unpaid": str(draft.unpaid),
        "amount_including_unpaid": str(draft.amount_including_unpaid),
        "credit_used": str(draft.credit_used),
        "balance_used": str(draft.balance_used),
        "due": str(draft.due),
        "forecast": str(draft.forecast),
    }


def group_of(group: Group, by: GroupBy, zone: BillingZone, numbers: Mapping[int, int]) -> Json:
    """Return a group with its sums; `null` where it has no time-based line to sum. `numbers` of lines by identity."""
    return {
        by: group.key,
        "total_time": None if group.total_time is None else plain(group.total_time),
        "average_cost": None if group.average_cost is None else str(group.average_cost),
        "total_cost": str(group.total_cost),
        "net_cost": str(group.net_cost),
        "lines": [
            *({"line": numbers[id(line)], **use_of(line, zone), **cost_of(line)} for line in group.lines),
            *({"line": numbers[id(late)], **_adjustment(late)} for late in group.adjustments),
        ],
    }


def _adjustment(late: Adjustment) -> Json:
    return {
        "project": late.project.code,
        "product": late.product.code,
        "adjusts_month": str(late.month),
        "formula": late.formula,
        "tax_rate": plain(late.tax_rate),
        "amount": str(late.amount),
        "discount": str(Money.zero(late.amount.currency)),
        "net": str(late.amount),
    }


def _discount(discount: Discount) -> Json:
    promotion = discount.promotion
    return {
        "code": promotion.code,
        "name": promotion.name,
        "kind": promotion.kind,
        "applies_to": promotion.applies_to,
        "value": plain(promotion.value),
        "amount": str(discount.amount),
        "quantity": None if discount.quantity is None else plain(shown(discount.quantity)),
        "lines": [{"line": place + 1, "amount": str(share)} for place, share in discount.shares],
    }


def use_of(line: Line, zone: BillingZone) -> Json:
    """Return what a line metered."""
    charge = line.charge
    counted = "unit_hours" if line.is_time_based else "quantity"
    return {
        "project": line.project.code,
        "product": charge.product.code,
        "unit": charge.product.unit,
        "metered_units": plain(line.metered_units),
        "usage_hours": str(charge.usage_hours),
        counted: plain(charge.quantity),
        "from": instant(charge.starts_at, zone),
        "until": instant(charge.ends_at, zone),
        "waiver": charge.waiver,
    }


def cost_of(line: Line) -> Json:
    """Return what a line costs, with the price and the formula behind it."""
    charge = line.charge
    return {
        "unit_price": None if charge.unit_price is None else f"{charge.unit_price:f}",
        "per": charge.price.per if charge.price else None,
        "model": charge.price.model if charge.price else None,
        "tiers": _tiers(charge.price),
        "amount": str(line.amount),
        "discount": str(line.discount),
        "net": str(line.net),
        "formula": charge.formula,
    }


def project_usage(use: ProjectUse, by: GroupBy) -> Json:
    """Return use by project or product; costs only of projects whose amounts may be seen (DOMAIN 1)."""
    draft, zone = use.used, use.used.frame.zone
    groups = []
    for each in use.groups(by):
        group, billed = each.used, None if each.hidden_count else each.billed
        average = None if billed is None else billed.average_cost
        groups.append(
            {
                by: group.key,
                "total_time": None if group.total_time is None else plain(group.total_time),
                "average_cost": None if average is None else str(average),
                "total_cost": None if billed is None else str(billed.total_cost),
                "net_cost": None if billed is None else str(billed.net_cost),
                "lines": [
                    *(
                        {**use_of(line, zone), **(cost_of(line) if use.shows_amount(line) else {})}
                        for line in group.lines
                    ),
                    *(_adjustment(late) for late in group.adjustments),
                ],
            }
        )
    return {
        "account": draft.account.code,
        "month": str(draft.frame.month),
        "currency": draft.currency.code,
        "time_zone": zone.name,
        "status": "final" if use.issued is not None else "estimated",
        "data_through": instant(draft.data_through, zone) if draft.data_through else None,
        "groups": groups,
    }


def _tiers(price: Price | None) -> list[Json] | None:
    if price is None or not price.tiers:
        return None
    return [
        {"up_to": None if tier.up_to is None else f"{tier.up_to:f}", "unit_price": f"{tier.unit_price:f}"}
        for tier in price.tiers
    ]
