"""Reads of invoices and credit notes, narrowed to what the access may see, and an invoice read back as its draft."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from meterbook.accounts import check
from meterbook.accounts.access import Access
from meterbook.accounts.queries import zone_of
from meterbook.accounts.tables import Account
from meterbook.core.discounts import Discount
from meterbook.core.invoice import Adjustment, InvoiceDraft, Line
from meterbook.core.money import Currency, Money, Rounding, currency
from meterbook.core.period import BillingMonth, billing_zone
from meterbook.core.rating import Charge, Frame, Waiver
from meterbook.core.sentence import say
from meterbook.core.tax import TaxLine
from meterbook.core.terms import ProjectTerms
from meterbook.database import among, asked_once
from meterbook.errors import NotFound
from meterbook.invoicing.tables import CreditNote, Invoice, InvoiceLine
from meterbook.invoicing.terms import (
    thawed_account,
    thawed_price,
    thawed_product,
    thawed_promotion,
    thawed_promotions,
)
from meterbook.ledger.queries import Receivable, receivables

PAGE: Final = 100


def invoice_by_number(session: Session, number: str, access: Access) -> tuple[Invoice, Account]:
    """Return an issued invoice whose account's billing the caller may see; raises `NotFound`."""
    wanted = check.comparable(number).upper()
    row = session.execute(
        select(Invoice, Account).join(Account, Account.id == Invoice.account_id).where(Invoice.number == wanted)
    ).one_or_none()
    if row is None or not access.has_account_billing(row.Account.id):
        raise NotFound(say("There is no invoice %(number)s.", number=check.shown(number)), "unknown-invoice")
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
        raise NotFound(say("There is no credit note %(number)s.", number=check.shown(number)), "unknown-credit-note")
    return row.CreditNote, row.Invoice, row.Account


def issued_invoices(
    session: Session,
    account_ids: Collection[int] | None,
    *,
    after: int = 0,
    limit: int = PAGE,
    within: tuple[datetime, datetime] | None = None,
) -> list[tuple[Invoice, Account]]:
    """Return issued invoices of the accounts (None: of all), newest first, those before the invoice `after`.

    `within` names a time of issue: from its first moment until its second, which is not in it.
    """
    query = (
        select(Invoice, Account)
        .join(Account, Account.id == Invoice.account_id)
        .where(Invoice.number.is_not(None))
        .order_by(Invoice.id.desc())
        .limit(limit)
    )
    if account_ids is not None:
        query = query.where(among(Invoice.account_id, account_ids))
    if after:
        query = query.where(Invoice.id < after)
    if within is not None:
        query = query.where(Invoice.issued_at >= within[0], Invoice.issued_at < within[1])
    return [(row.Invoice, row.Account) for row in session.execute(query)]


def invoices_of_month(session: Session, account_ids: Collection[int], month: BillingMonth) -> dict[int, Invoice]:
    """Return the invoices and drafts of a month, by account."""
    rows = session.scalars(select(Invoice).where(among(Invoice.account_id, account_ids), Invoice.month == str(month)))
    return {row.account_id: row for row in rows}


def drafts_with_lines(session: Session, account_ids: Collection[int], month: BillingMonth) -> dict[int, Invoice]:
    """Return the drafts that are kept of a month, by account in the order they were kept, with lines and discounts."""
    rows = session.scalars(
        select(Invoice)
        .where(among(Invoice.account_id, account_ids), Invoice.month == str(month), Invoice.number.is_(None))
        .order_by(Invoice.id)
        .options(selectinload(Invoice.lines), selectinload(Invoice.discounts))
    )
    return {row.account_id: row for row in rows}


@asked_once
def invoices_by_id(session: Session, ids: Collection[int]) -> Mapping[int, Invoice]:
    """Return invoices by id."""
    if not ids:
        return {}
    return {row.id: row for row in session.scalars(select(Invoice).where(among(Invoice.id, ids)))}


def issued_history(session: Session, account_ids: Collection[int], before: BillingMonth) -> dict[int, list[Invoice]]:
    """Return by account the issued invoices of months before one, oldest first."""
    found: dict[int, list[Invoice]] = {}
    rows = session.scalars(
        select(Invoice)
        .where(among(Invoice.account_id, account_ids), Invoice.number.is_not(None), Invoice.month < str(before))
        .order_by(Invoice.month)
    )
    for row in rows:
        found.setdefault(row.account_id, []).append(row)
    return found


@asked_once
def kept_months(session: Session, account_ids: Collection[int]) -> Mapping[int, list[str]]:
    """Return by account the months of which a draft is kept, in order."""
    found: dict[int, list[str]] = {}
    rows = session.execute(
        select(Invoice.account_id, Invoice.month)
        .where(among(Invoice.account_id, account_ids), Invoice.number.is_(None))
        .order_by(Invoice.month)
    )
    for account_id, month in rows:
        found.setdefault(account_id, []).append(month)
    return found


def oldest_month(session: Session, account_id: int) -> BillingMonth | None:
    """Return the first month that an account has an invoice or a kept draft of, None while it has none."""
    month = session.scalar(select(func.min(Invoice.month)).where(Invoice.account_id == account_id))
    return None if month is None else BillingMonth.parse(month)


def issued_until(session: Session, currency: str) -> datetime | None:
    """Return the end of the latest month that was issued in a currency, None if none was."""
    query = select(Invoice.ends_at).where(Invoice.currency == currency, Invoice.number.is_not(None))
    return session.scalars(query.order_by(Invoice.ends_at.desc()).limit(1)).first()


def credit_notes_by_id(session: Session, ids: Collection[int]) -> dict[int, CreditNote]:
    """Return credit notes by id."""
    return {row.id: row for row in session.scalars(select(CreditNote).where(among(CreditNote.id, ids)))}


def credit_notes_of_account(
    session: Session, account_id: int, *, within: tuple[datetime, datetime] | None = None
) -> list[tuple[CreditNote, Invoice]]:
    """Return an account's credit notes with their invoices, newest first; `within` names a time of issue."""
    query = (
        select(CreditNote, Invoice)
        .join(Invoice, Invoice.id == CreditNote.invoice_id)
        .where(Invoice.account_id == account_id)
        .order_by(CreditNote.id.desc())
    )
    if within is not None:
        query = query.where(CreditNote.issued_at >= within[0], CreditNote.issued_at < within[1])
    return [(row.CreditNote, row.Invoice) for row in session.execute(query)]


def credit_notes_of(session: Session, invoice_ids: Collection[int]) -> dict[int, list[CreditNote]]:
    """Return the credit notes of invoices, by invoice and oldest first, with their lines and taxes."""
    found: dict[int, list[CreditNote]] = {}
    rows = session.scalars(
        select(CreditNote)
        .where(among(CreditNote.invoice_id, invoice_ids))
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


@dataclass(frozen=True, slots=True)
class Standing:
    """How an issued invoice stands now: its four amounts add up to its total; `status` as of `status_of`.

    `paid` is by money, balance and credit; `credited` is what credit notes took off while it was unpaid.
    """

    unpaid: Money
    paid: Money
    credited: Money
    written_off: Money
    status: str


def status_of(invoice: Invoice, unpaid_minor: int, today: date, written_off_minor: int = 0) -> str:
    """Return where an issued invoice stands: paid, written_off, overdue, partially_paid or issued.

    Paid is one of which nothing is unpaid, by whatever means but that it was given up. A kept draft is a draft.
    """
    if invoice.number is None:
        return "draft"
    if unpaid_minor == 0:
        return "written_off" if written_off_minor else "paid"
    if invoice.due_on is not None and invoice.due_on < today:
        return "overdue"
    return "partially_paid" if unpaid_minor < invoice.total_minor else "issued"


def standings(session: Session, rows: Collection[tuple[Invoice, Account]], now: datetime) -> dict[int, Standing]:
    """Return how issued invoices stand, by id."""
    found = receivables(session, {account.id for _, account in rows}, [invoice.id for invoice, _ in rows])
    return {
        invoice.id: _standing(invoice, found.get(invoice.id, Receivable()), zone_of(account).local(now).date())
        for invoice, account in rows
    }


def standing_of(session: Session, invoice: Invoice, account: Account, now: datetime) -> Standing:
    """Return how one issued invoice stands."""
    return standings(session, [(invoice, account)], now)[invoice.id]


def _standing(invoice: Invoice, became: Receivable, today: date) -> Standing:
    money = currency_of_invoice(invoice)
    return Standing(
        unpaid=Money(became.unpaid, money),
        paid=Money(became.paid, money),
        credited=Money(became.credited, money),
        written_off=Money(became.written_off, money),
        status=status_of(invoice, became.unpaid, today, became.written_off),
    )


def draft_of(invoice: Invoice, account_code: str, *, with_lines: bool = True) -> InvoiceDraft:
    """Read a kept draft or an issued invoice back as the draft it was, equal in every amount and word.

    Its sums can be read without its lines, which may be thousands; discounts are then not spread over any.
    """
    money, frame = currency_of_invoice(invoice), frame_of_invoice(invoice)

    def amount(minor: int) -> Money:
        return Money(minor, money)

    rows = invoice.lines if with_lines else []
    discounts = tuple(
        Discount(
            thawed_promotion(row.promotion),
            amount(row.amount_minor),
            tuple((int(position) - 1, amount(minor)) for position, minor in row.shares.items()) if with_lines else (),
            None if row.quantity is None else Fraction(row.quantity),
        )
        for row in invoice.discounts
    )
    return InvoiceDraft(
        account=thawed_account(account_code, money, invoice.terms),
        frame=frame,
        until=invoice.ends_at,
        data_through=invoice.data_through,
        lines=tuple(line_of_row(row, invoice) for row in rows if row.adjusts_month is None),
        adjustments=tuple(adjustment_of_row(row, invoice) for row in rows if row.adjusts_month is not None),
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


def line_of_row(row: InvoiceLine, invoice: Invoice) -> Line:
    """Read a charge of an invoice back as the line it was."""
    money = currency_of_invoice(invoice)
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
        pattern=row.formula,
        amount=Money(row.amount_minor, money),
    )
    known = invoice.terms["projects"].get(row.project_code)
    project = ProjectTerms(row.project_code, row.project_name)
    if known is not None:
        ends = datetime.fromisoformat(known["free_until"])
        project = ProjectTerms(row.project_code, row.project_name, ends, Waiver(known["free_as"]))
    return Line(project, charge, Money(row.discount_minor, money))


def adjustment_of_row(row: InvoiceLine, invoice: Invoice) -> Adjustment:
    """Read an adjustment on an invoice back as it was."""
    money = currency_of_invoice(invoice)
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
