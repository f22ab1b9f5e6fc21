"""A month to export: what a reader of an account is shown of it, with the credit notes that were issued in it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from sqlalchemy.orm import Session

from meterbook.core.invoice import Adjustment, Line
from meterbook.core.money import Money
from meterbook.core.rating import Frame
from meterbook.core.tax import TaxLine
from meterbook.exports.focus import Billed, Correction
from meterbook.invoicing.draft import Payer
from meterbook.invoicing.queries import (
    adjustment_of_row,
    credit_notes_of_account,
    currency_of_invoice,
    line_of_row,
)
from meterbook.invoicing.show import ShownMonth
from meterbook.invoicing.tables import CreditNote, Invoice
from meterbook.settings import Settings


def billed(session: Session, settings: Settings, payer: Payer, shown: ShownMonth) -> Billed:
    """Return what is billed in a month that is shown; its number and credit notes are the whole account's alone."""
    issuer = settings.legal_entity_name
    if shown.issued is not None:
        issuer = str(shown.issued.document["seller"]["name"])
    return Billed(
        account_code=payer.account.code,
        account_name=payer.account.name,
        issuer=issuer,
        category=settings.focus_service_category,
        draft=shown.draft,
        number=shown.issued.number if shown.issued is not None and payer.whole else None,
        is_final=shown.issued is not None,
        labels={project.code: project.labels for project in payer.projects},
        corrections=tuple(_corrections(session, payer, shown.draft.frame)) if payer.whole else (),
    )


def _corrections(session: Session, payer: Payer, frame: Frame) -> Iterator[Correction]:
    found = credit_notes_of_account(session, payer.account.id, within=(frame.starts_at, frame.ends_at))
    for note, invoice in reversed(found):
        yield from _of_note(note, invoice)


def _of_note(note: CreditNote, invoice: Invoice) -> Iterator[Correction]:
    money, number = currency_of_invoice(invoice), str(invoice.number)
    rows = {row.position: row for row in invoice.lines}
    for given in note.lines:
        row = rows[given.line_position]
        of: Line | Adjustment = adjustment_of_row(row, invoice) if row.adjusts_month else line_of_row(row, invoice)
        amount = Money(given.net_minor, money)
        yield Correction(note.number, number, str(given.line_position), of, amount)
    for tax in note.taxes:
        if tax.amount_minor:
            amount, rate = Money(tax.amount_minor, money), Decimal(tax.rate)
            of_rate = TaxLine(rate, Money(tax.base_minor, money), amount)
            yield Correction(note.number, number, f"tax-{rate.normalize():f}", of_rate, amount)
