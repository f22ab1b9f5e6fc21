"""Papers: an issued invoice or credit note, from its rows to its PDF."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from meterbook.accounts.tables import Account
from meterbook.core.discounts import Discount
from meterbook.core.invoice import Adjustment, InvoiceDraft, Line
from meterbook.core.money import Money, plain
from meterbook.core.period import BillingZone
from meterbook.core.promotion import AppliesTo, PromotionKind
from meterbook.core.tax import TaxLine
from meterbook.invoicing.document import Document, DocumentDiscount, DocumentLine, Party, render
from meterbook.invoicing.queries import draft_of
from meterbook.invoicing.tables import CreditNote, Invoice


def invoice_pdf(invoice: Invoice, account: Account) -> bytes:
    """Return an issued invoice's PDF; the same invoice gives the same bytes."""
    return render(invoice_document(invoice, account))


def credit_note_pdf(note: CreditNote, invoice: Invoice, account: Account) -> bytes:
    """Return a credit note's PDF."""
    return render(credit_note_document(note, invoice, account))


def invoice_document(invoice: Invoice, account: Account) -> Document:
    """Return an issued invoice as its paper shows it."""
    assert invoice.number is not None, "only what is issued has a paper"
    assert invoice.issued_at is not None, "only what is issued has a paper"
    draft, shown = draft_of(invoice, account.code), invoice.document
    zone, language = draft.frame.zone, shown["language"]
    return Document(
        kind="invoice",
        language=language,
        number=invoice.number,
        issued_on=zone.local(invoice.issued_at).date(),
        due_on=invoice.due_on,
        month=draft.frame.month,
        zone=zone,
        seller=_seller(shown),
        buyer=_buyer(shown),
        lines=tuple(_lines(draft, language)),
        discounts=tuple(_discount(each) for each in draft.discounts),
        subtotal=draft.subtotal,
        net=draft.net,
        tax=draft.tax,
        tax_class=draft.account.tax_class,
        total=draft.total,
        unpaid=draft.unpaid,
        credit_used=draft.credit_used,
        balance_used=draft.balance_used,
        payment_method=shown["payment_method"],
        payment_label=shown["payment_label"],
        payment_instruction=shown["payment_instruction"],
    )


def credit_note_document(note: CreditNote, invoice: Invoice, account: Account) -> Document:
    """Return a credit note as its paper shows it: what it gives back of each line of its invoice."""
    draft, shown = draft_of(invoice, account.code), note.document
    zone, language, money = draft.frame.zone, shown["language"], draft.currency
    nothing = Money.zero(money)
    by_place = {row.line_position: Money(row.net_minor, money) for row in note.lines}
    lines = tuple(
        DocumentLine(
            number=line.number,
            project_code=line.project_code,
            project_name=line.project_name,
            product=line.product,
            formula=line.formula,
            amount=by_place[line.number],
            discount=nothing,
            unit=line.unit,
            is_time_based=line.is_time_based,
            quantity=line.quantity,
            unit_price=line.unit_price,
            period=line.period,
            adjusts_month=line.adjusts_month,
        )
        for line in _lines(draft, language)
        if line.number in by_place
    )
    return Document(
        kind="credit_note",
        language=language,
        number=note.number,
        issued_on=zone.local(note.issued_at).date(),
        month=draft.frame.month,
        zone=zone,
        seller=_seller(shown),
        buyer=_buyer(shown),
        lines=lines,
        subtotal=Money(note.net_minor, money),
        net=Money(note.net_minor, money),
        tax=tuple(TaxLine(t.rate, Money(t.base_minor, money), Money(t.amount_minor, money)) for t in note.taxes),
        tax_class=draft.account.tax_class,
        total=Money(note.total_minor, money),
        unpaid=nothing,
        credit_used=nothing,
        balance_used=nothing,
        corrects=invoice.number,
        reason=note.reason,
    )


def _seller(shown: dict[str, Any]) -> Party:
    seller = shown["seller"]
    return Party(seller["name"], tuple(seller["lines"]), seller["registration_number"])


def _buyer(shown: dict[str, Any]) -> Party:
    buyer = shown["buyer"]
    return Party(
        buyer["name"], (buyer["recipient"],) if buyer["recipient"] else (), buyer["registration_number"], buyer["email"]
    )


def _lines(draft: InvoiceDraft, language: str) -> list[DocumentLine]:
    charges = [_charge(number, line, draft, language) for number, line in enumerate(draft.lines, start=1)]
    first = len(charges) + 1
    return charges + [_late(number, each, language) for number, each in enumerate(draft.adjustments, start=first)]


def _charge(number: int, line: Line, draft: InvoiceDraft, language: str) -> DocumentLine:
    charge, zone = line.charge, draft.frame.zone
    return DocumentLine(
        number=number,
        project_code=line.project.code,
        project_name=line.project.name,
        product=charge.product.name_in(language),
        formula=charge.formula,
        amount=line.amount,
        discount=line.discount,
        unit=charge.product.unit,
        is_time_based=line.is_time_based,
        quantity=Decimal(plain(charge.quantity)),
        unit_price=charge.unit_price,
        period=(zone.local(charge.starts_at).date(), _last_day(charge.ends_at, zone)),
    )


def _last_day(ends_at: datetime, zone: BillingZone) -> date:
    return zone.local(ends_at - timedelta(seconds=1)).date()


def _late(number: int, late: Adjustment, language: str) -> DocumentLine:
    return DocumentLine(
        number=number,
        project_code=late.project.code,
        project_name=late.project.name,
        product=late.product.name_in(language),
        formula=late.formula,
        amount=late.amount,
        discount=Money.zero(late.amount.currency),
        unit=late.product.unit,
        is_time_based=late.product.meter.is_time_based,
        adjusts_month=late.month,
    )


def _discount(discount: Discount) -> DocumentDiscount:
    promotion = discount.promotion
    value = plain(promotion.value)
    what = f"{value}%" if promotion.kind is PromotionKind.percent else value
    places = [*sorted(promotion.products), *sorted(promotion.projects)]
    detail = f"{what} ({', '.join(places)})" if places and promotion.applies_to is AppliesTo.line else what
    return DocumentDiscount(promotion.name, promotion.code, detail, discount.amount)
