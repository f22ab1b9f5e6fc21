"""Keep drafts: a month as it was drafted becomes a row that awaits its number (DOMAIN 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from meterbook.core.discounts import Discount
from meterbook.core.invoice import Adjustment, InvoiceDraft, Line
from meterbook.core.money import plain
from meterbook.database import among, insert_rows
from meterbook.invoicing.draft import Drafted
from meterbook.invoicing.tables import Invoice, InvoiceDiscount, InvoiceLine, InvoiceTax
from meterbook.invoicing.terms import frozen_price, frozen_product, frozen_promotion, frozen_terms


def keep(session: Session, now: datetime, drafted: Sequence[Drafted], usage_through: datetime) -> dict[int, int]:
    """Keep accounts' drafts of one month in place of those kept before, and return their ids by account.

    Where there is nothing to bill nothing is kept. `usage_through` is the moment of receipt through which usage was
    counted. The month must not be issued.
    """
    if not drafted:
        return {}
    ids = [each.payer.account.id for each in drafted]
    month = str(drafted[0].draft.frame.month)
    session.execute(
        delete(Invoice).where(among(Invoice.account_id, ids), Invoice.month == month, Invoice.number.is_(None))
    )
    kept = [each for each in drafted if each.draft.lines or each.draft.adjustments]
    rows = [_row(each, now, usage_through) for each in kept]
    session.add_all(rows)
    session.flush()
    drafts = [(row.id, each.draft) for row, each in zip(rows, kept, strict=True)]
    insert_rows(session, InvoiceLine, [line for id_, draft in drafts for line in _lines(id_, draft)])
    insert_rows(session, InvoiceDiscount, [row for id_, draft in drafts for row in _discounts(id_, draft.discounts)])
    insert_rows(session, InvoiceTax, [row for id_, draft in drafts for row in _taxes(id_, draft)])
    return {row.account_id: row.id for row in rows}


def _row(drafted: Drafted, now: datetime, usage_through: datetime) -> Invoice:
    draft = drafted.draft
    return Invoice(
        account_id=drafted.payer.account.id,
        month=str(draft.frame.month),
        currency=draft.currency.code,
        rounding=draft.currency.rounding.value,
        time_zone=draft.frame.zone.name,
        starts_at=draft.frame.starts_at,
        ends_at=draft.frame.ends_at,
        drafted_at=now,
        data_through=draft.data_through,
        usage_through=usage_through,
        subtotal_minor=draft.subtotal.minor,
        net_minor=draft.net.minor,
        tax_minor=sum(tax.amount.minor for tax in draft.tax),
        total_minor=draft.total.minor,
        unpaid_minor=draft.unpaid.minor,
        credit_used_minor=draft.credit_used.minor,
        balance_used_minor=draft.balance_used.minor,
        terms=frozen_terms(draft.account, drafted.project_terms, draft.promotions),
        document={},
        deferred_months=[str(each) for each in draft.deferred_months],
    )


def _lines(invoice_id: int, draft: InvoiceDraft) -> Iterator[dict[str, Any]]:
    charges = [_charge(line, draft) for line in draft.lines]
    late = [_adjustment(each) for each in draft.adjustments]
    for position, row in enumerate([*charges, *late], start=1):
        yield {"invoice_id": invoice_id, "position": position, **row}


def _charge(line: Line, draft: InvoiceDraft) -> dict[str, Any]:
    charge = line.charge
    return {
        "project_code": line.project.code,
        "project_name": line.project.name,
        "product_code": charge.product.code,
        "product": frozen_product(charge.product),
        "price": frozen_price(charge.price),
        "waiver": charge.waiver,
        "adjusts_month": None,
        "starts_at": charge.starts_at,
        "ends_at": charge.ends_at,
        "quantity": plain(charge.quantity),
        "usage_hours": charge.usage_hours,
        "unit_price": charge.unit_price,
        "formula": charge.formula,
        "rerated_minor": None,
        "billed_minor": None,
        "amount_minor": line.amount.minor,
        "discount_minor": line.discount.minor,
        "tax_rate": draft.account.applied_tax_rate,
    }


def _adjustment(late: Adjustment) -> dict[str, Any]:
    return {
        "project_code": late.project.code,
        "project_name": late.project.name,
        "product_code": late.product.code,
        "product": frozen_product(late.product),
        "price": None,
        "waiver": None,
        "adjusts_month": str(late.month),
        "starts_at": None,
        "ends_at": None,
        "quantity": None,
        "usage_hours": None,
        "unit_price": None,
        "formula": late.formula,
        "rerated_minor": late.rerated.minor,
        "billed_minor": late.billed.minor,
        "amount_minor": late.amount.minor,
        "discount_minor": 0,
        "tax_rate": late.tax_rate,
    }


def _discounts(invoice_id: int, discounts: tuple[Discount, ...]) -> Iterator[dict[str, Any]]:
    for position, discount in enumerate(discounts, start=1):
        yield {
            "invoice_id": invoice_id,
            "position": position,
            "redemption_id": discount.promotion.key,
            "promotion": frozen_promotion(discount.promotion),
            "amount_minor": discount.amount.minor,
            "quantity": None if discount.quantity is None else str(discount.quantity),
            "shares": {str(place + 1): share.minor for place, share in discount.shares},
        }


def _taxes(invoice_id: int, draft: InvoiceDraft) -> Iterator[dict[str, Any]]:
    for tax in draft.tax:
        yield {
            "invoice_id": invoice_id,
            "rate": tax.rate,
            "base_minor": tax.base.minor,
            "amount_minor": tax.amount.minor,
        }
