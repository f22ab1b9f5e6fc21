"""Reads of invoices and credit notes, narrowed to what the access may see, and an invoice read back as its draft."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from meterbook.accounts import check
from meterbook.accounts.access import Access
from meterbook.accounts.queries import zone_of
from meterbook.accounts.tables import Account
from meterbook.core.discounts import Discount
from meterbook.core.invoice import Adjustment, InvoiceDraft, Line, ProjectTerms
from meterbook.core.money import Currency, Money, Rounding, currency
from meterbook.core.period import BillingMonth, billing_zone
from meterbook.core.rating import Charge, Frame, Waiver
from meterbook.core.tax import TaxLine
from meterbook.errors import NotFound
from meterbook.invoicing.tables import CreditNote, Invoice, InvoiceLine
from meterbook.invoicing.terms import (
    thawed_account,
    thawed_price,
    thawed_product,
    thawed_promotion,
    thawed_promotions,
)
from meterbook.ledger.queries import unpaid_of

PAGE: Final = 100


def invoice_by_number(session: Session, number: str, access: Access) -> tuple[Invoice, Account]:
    """Return an issued invoice whose account's billing the caller may see; raises `NotFound`."""
    wanted = check.comparable(number).upper()
    row = session.execute(
        select(Invoice, Account).join(Account, Account.id == Invoice.account_id).where(Invoice.number == wanted)
    ).one_or_none()
    if row is None or not access.has_account_billing(row.Account.id):
        raise NotFound(f"There is no invoice {check.shown(number)}.", "unknown-invoice")
    return row.Invoice, row.Account


def credit_note_by_number(session: Session, number: str, access: Access) -> tuple[CreditNote, Invoice, Account]:
    """Return a credit note whose account's billing the caller may see; raises `NotFound`."""
    row = session.execute(
        select(CreditNote, Invoice, Account)
        .join(Invoice, Invoice.id == CreditNote.invoice_id)
        .join(Account, Account.id == Invoice.account_id)
        .where(CreditNote.number == check.comparable(number).upper())
    ).one_or_none()
    if row is None or not access.has_account_billing(row.Account.id):
        raise NotFound(f"There is no credit note {check.shown(number)}.", "unknown-credit-note")
    return row.CreditNote, row.Invoice, row.Account


def issued_invoices(
    session: Session, account_ids: Collection[int] | None, *, after: int = 0, limit: int = PAGE
) -> list[tuple[Invoice, Account]]:
    """Return issued invoices of the accounts (None: of all), newest first, those before the invoice `after`."""
    query = (
        select(Invoice, Account)
        .join(Account, Account.id == Invoice.account_id)
        .where(Invoice.number.is_not(None))
        .order_by(Invoice.id.desc())
        .limit(limit)
    )
    if account_ids is not None:
        query = query.where(Invoice.account_id.in_(account_ids))
    if after:
        query = query.where(Invoice.id < after)
    return [(row.Invoice, row.Account) for row in session.execute(query)]


def invoices_of_month(session: Session, account_ids: Collection[int], month: BillingMonth) -> dict[int, Invoice]:
    """Return the invoices and drafts of a month, by account."""
    rows = session.scalars(select(Invoice).where(Invoice.account_id.in_(account_ids), Invoice.month == str(month)))
    return {row.account_id: row for row in rows}


def invoices_by_id(session: Session, ids: Collection[int]) -> dict[int, Invoice]:
    """Return invoices by id."""
    return {row.id: row for row in session.scalars(select(Invoice).where(Invoice.id.in_(ids)))}


def issued_history(session: Session, account_ids: Collection[int], before: BillingMonth) -> dict[int, list[Invoice]]:
    """Return by account the issued invoices of months before one, oldest first."""
    found: dict[int, list[Invoice]] = {}
    rows = session.scalars(
        select(Invoice)
        .where(Invoice.account_id.in_(account_ids), Invoice.number.is_not(None), Invoice.month < str(before))
        .order_by(Invoice.month)
    )
    for row in rows:
        found.setdefault(row.account_id, []).append(row)
    return found


def months_issued_after(session: Session, account_id: int, month: BillingMonth) -> str | None:
    """Return a later month of an account that is issued, None if there is none."""
    query = select(Invoice.month).where(
        Invoice.account_id == account_id, Invoice.number.is_not(None), Invoice.month > str(month)
    )
    return session.scalars(query.limit(1)).first()


def kept_months(session: Session, account_ids: Collection[int]) -> dict[int, list[str]]:
    """Return by account the months of which a draft is kept, in order."""
    found: dict[int, list[str]] = {}
    rows = session.execute(
        select(Invoice.account_id, Invoice.month)
        .where(Invoice.account_id.in_(account_ids), Invoice.number.is_(None))
        .order_by(Invoice.month)
    )
    for account_id, month in rows:
        found.setdefault(account_id, []).append(month)
    return found


def issued_until(session: Session, currency: str) -> datetime | None:
    """Return the end of the latest month that was issued in a currency, None if none was."""
    query = select(Invoice.ends_at).where(Invoice.currency == currency, Invoice.number.is_not(None))
    return session.scalars(query.order_by(Invoice.ends_at.desc()).limit(1)).first()


def credit_notes_of(session: Session, invoice_ids: Collection[int]) -> dict[int, list[CreditNote]]:
    """Return the credit notes of invoices, by invoice and oldest first, with their lines and taxes."""
    found: dict[int, list[CreditNote]] = {}
    rows = session.scalars(
        select(CreditNote)
        .where(CreditNote.invoice_id.in_(invoice_ids))
        .options(selectinload(CreditNote.lines), selectinload(CreditNote.taxes))
        .order_by(CreditNote.id)
    )
    for row in rows:
        found.setdefault(row.invoice_id, []).append(row)
    return found


def currency_of_invoice(invoice: Invoice) -> Currency:
    """Return the currency of an invoice with the rounding frozen on it."""
    return currency(invoice.currency, Rounding(invoice.rounding))


def frame_of_invoice(invoice: Invoice) -> Frame:
    """Return the month of an invoice in the zone frozen on it."""
    return Frame(BillingMonth.parse(invoice.month), billing_zone(invoice.time_zone, True))


def status_of(invoice: Invoice, unpaid_minor: int, today: date) -> str:
    """Return where an issued invoice stands: paid, overdue, partially_paid or issued; a kept draft is a draft."""
    if invoice.number is None:
        return "draft"
    if unpaid_minor == 0:
        return "paid"
    if invoice.due_on is not None and invoice.due_on < today:
        return "overdue"
    return "partially_paid" if unpaid_minor < invoice.total_minor else "issued"


def standing_of(session: Session, invoice: Invoice, account: Account, now: datetime) -> tuple[Money, str]:
    """Return what is unpaid now of an issued invoice, and where it stands."""
    unpaid = unpaid_of(session, invoice.id, account.id)
    return Money(unpaid, currency_of_invoice(invoice)), status_of(invoice, unpaid, zone_of(account).local(now).date())


def draft_of(invoice: Invoice, account_code: str) -> InvoiceDraft:
    """Read a kept draft or an issued invoice back as the draft it was, equal in every amount and word."""
    money, frame = currency_of_invoice(invoice), frame_of_invoice(invoice)

    def amount(minor: int) -> Money:
        return Money(minor, money)

    lines = [row for row in invoice.lines if row.adjusts_month is None]
    discounts = tuple(
        Discount(
            thawed_promotion(row.promotion),
            amount(row.amount_minor),
            tuple((int(position) - 1, amount(minor)) for position, minor in row.shares.items()),
            None if row.quantity is None else Fraction(row.quantity),
        )
        for row in invoice.discounts
    )
    return InvoiceDraft(
        account=thawed_account(account_code, money, invoice.terms),
        frame=frame,
        until=invoice.ends_at,
        data_through=invoice.data_through,
        lines=tuple(_line(row, invoice, money) for row in lines),
        adjustments=tuple(_adjustment(row, money) for row in invoice.lines if row.adjusts_month is not None),
        promotions=thawed_promotions(invoice.terms),
        discounts=discounts,
        subtotal=amount(invoice.subtotal_minor),
        net=amount(invoice.net_minor),
        tax=tuple(TaxLine(row.rate, amount(row.base_minor), amount(row.amount_minor)) for row in invoice.taxes),
        total=amount(invoice.total_minor),
        unpaid=amount(invoice.unpaid_minor),
        credit_used=amount(invoice.credit_used_minor),
        balance_used=amount(invoice.balance_used_minor),
        deferred_months=tuple(BillingMonth.parse(month) for month in invoice.deferred_months),
        forecast=amount(invoice.total_minor),
    )


def _line(row: InvoiceLine, invoice: Invoice, money: Currency) -> Line:
    assert row.starts_at is not None, "a charge has its period"
    assert row.ends_at is not None, "a charge has its period"
    charge = Charge(
        product=thawed_product(row.product_code, row.product),
        price=thawed_price(row.price),
        waiver=None if row.waiver is None else Waiver(row.waiver),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        quantity=Fraction(row.quantity or 0),
        usage_hours=row.usage_hours or 0,
        unit_price=row.unit_price,
        formula=row.formula,
        amount=Money(row.amount_minor, money),
    )
    known = invoice.terms["projects"].get(row.project_code)
    project = ProjectTerms(row.project_code, row.project_name)
    if known is not None:
        ends = datetime.fromisoformat(known["free_until"])
        project = ProjectTerms(row.project_code, row.project_name, ends, Waiver(known["free_as"]))
    return Line(project, charge, Money(row.discount_minor, money))


def _adjustment(row: InvoiceLine, money: Currency) -> Adjustment:
    assert row.adjusts_month is not None, "an adjustment names its month"
    return Adjustment(
        project=ProjectTerms(row.project_code, row.project_name),
        product=thawed_product(row.product_code, row.product),
        month=BillingMonth.parse(row.adjusts_month),
        rerated=Money(row.rerated_minor or 0, money),
        billed=Money(row.billed_minor or 0, money),
        amount=Money(row.amount_minor, money),
        tax_rate=Decimal(row.tax_rate),
    )
