"""An invoice as it was issued: what it charges line by line, what is unpaid of it, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from meterbook.accounts.queries import payment_information_of
from meterbook.catalog.queries import product_positions
from meterbook.console.address import grouping_in, opened_in
from meterbook.console.formats import formats
from meterbook.console.languages import translations
from meterbook.console.my_usage.money_words import money_words
from meterbook.console.my_usage.of_invoice import InvoicePage, Number, OfInvoice
from meterbook.console.my_usage.present_billing import credit_note_row, how_to_pay, invoice_row
from meterbook.console.my_usage.present_invoice import (
    GroupRow,
    InvoiceDetail,
    InvoiceState,
    Pager,
    group_rows,
    is_open,
    last_day,
    pager,
    party,
)
from meterbook.console.my_usage.present_preview import waterfall
from meterbook.console.requests import Books, SignedIn
from meterbook.console.sheet import Cell, in_currency, sheet
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.money import Money
from meterbook.errors import NotFound
from meterbook.invoicing.line_groups import LONGEST_GROUP, PAGE, group_page, lines_of_groups
from meterbook.invoicing.paper import credit_note_pdf, invoice_pdf
from meterbook.invoicing.queries import (
    credit_note_by_number,
    credit_notes_of,
    currency_of_invoice,
    draft_of,
    frame_of_invoice,
    standing_of,
)
from meterbook.invoicing.queue import deliveries_of
from meterbook.invoicing.tables import Invoice, InvoiceLine
from meterbook.payments.collect import attempts_of
from meterbook.payments.history import settlings_of
from meterbook.payments.timeline import timeline_of

router = APIRouter(include_in_schema=False)

PDF: Final = "application/pdf"
Text = Annotated[str, Query(max_length=200)]


@router.get("/invoices/{number}")
def invoice(
    of: OfInvoice,
    by: Text = "project",
    opened: Annotated[str, Query(alias="open", max_length=5_000)] = "",
    only: Text = "",
    find: Text = "",
    page: Annotated[int, Query(ge=1, le=1_000)] = 1,
    done: Text = "",
) -> Response:
    """Show an invoice; groups of lines open by their keys, `done` says that a payment was just asked for."""
    state = InvoiceState(
        of.at.account.code,
        str(of.invoice.number),
        grouping_in(by),
        opened_in(opened),
        only,
        find.strip() if by == "project" and not only else "",
        page,
    )
    detail = _detail(of, state)
    words = money_words(of.at.language)
    return of.at.show("invoice.html", "billing-history", page=detail, asked_to_pay=done == "payment", words=words)


@router.get("/invoices/{number}/lines.csv")
def lines_sheet(of: OfInvoice) -> Response:
    """Return every line of an invoice as a sheet."""
    _ = translations(of.at.language).gettext
    currency = of.invoice.currency
    columns = [
        _("Line"),
        _("Project code"),
        _("Project"),
        _("Product"),
        _("Target month"),
        _("From"),
        _("Until"),
        _("Unit"),
        _("Total time (h)"),
        _("Quantity"),
        _("Usage hours"),
        in_currency(_("Unit price"), currency),
        _("Formula"),
        in_currency(_("Charge"), currency),
        in_currency(_("Discount"), currency),
        in_currency(_("Charge after discount"), currency),
        _("Tax (%)"),
    ]
    # rows are written after the transaction is over: they are read before
    lines = list(of.invoice.lines)
    return sheet(f"{of.invoice.number}.csv", columns, _line_cells(lines, of.invoice, of.at.language))


@router.get("/invoices/{number}/pdf")
def invoice_paper(of: OfInvoice) -> Response:
    """Return an invoice's paper, in the language it was issued in."""
    return _paper(invoice_pdf(of.invoice, of.at.account), str(of.invoice.number))


@router.get("/credit-notes/{number}/pdf")
def credit_note_paper(number: Number, session: Books, reader: SignedIn) -> Response:
    """Return a credit note's paper."""
    note, corrected, account = credit_note_by_number(session, number, reader.access)
    return _paper(credit_note_pdf(note, corrected, account), note.number)


def _detail(of: InvoicePage, state: InvoiceState) -> InvoiceDetail:
    at, row = of.at, of.invoice
    session, account = at.session, at.account
    draft, shown = draft_of(row, account.code, with_lines=False), row.document
    zone = draft.frame.zone
    notes = credit_notes_of(session, [row.id]).get(row.id, [])
    settlings = settlings_of(session, account, row, notes)
    attempts = attempts_of(session, row.id)
    groups, pages = _groups(of, state, draft)
    settings = at.request.app.state.settings
    return InvoiceDetail(
        state=state,
        row=invoice_row(row, standing_of(session, row, account, at.now), at.zone),
        currency=row.currency,
        zone=zone,
        as_of=at.zone.local(at.now),
        data_through=zone.local(draft.data_through) if draft.data_through else None,
        first_day=zone.local(row.starts_at).date(),
        last_day=last_day(row.ends_at, zone),
        seller=party(shown["seller"]),
        buyer=party(shown["buyer"]),
        payment_method=shown["payment_method"],
        payment_label=shown["payment_label"],
        reference_hours=draft.frame.month.reference_hours,
        total=draft.total,
        unpaid_at_issue=draft.unpaid,
        including_unpaid=draft.amount_including_unpaid,
        due=draft.due,
        subtotal=draft.subtotal,
        waterfall=waterfall(draft),
        groups=groups,
        pager=pages,
        is_long=pages.is_needed or bool(state.find),
        settlings=tuple(settlings),
        credit_notes=tuple(credit_note_row(note, row, at.zone) for note in notes),
        timeline=tuple(timeline_of(row, settlings, notes, deliveries_of(session, row.id), attempts)),
        how_to_pay=how_to_pay(payment_information_of(session, account.id), settings.payment_instruction),
        last_attempt=attempts[-1] if attempts else None,
    )


def _groups(of: InvoicePage, state: InvoiceState, draft: InvoiceDraft) -> tuple[tuple[GroupRow, ...], Pager]:
    session = of.at.session
    skip = 0 if state.only else (state.page - 1) * PAGE
    only, find = state.only or None, state.find
    groups, count = group_page(session, of.invoice, state.by, find=find, only=only, skip=skip)
    if not groups and (state.only or state.page > 1):
        raise NotFound("There is no such part of the invoice.")
    keys = [group.key for group in groups if is_open(state, group.key)]
    inside = (state.page - 1) * LONGEST_GROUP if state.only else 0
    lines = lines_of_groups(session, of.invoice, state.by, keys, skip=inside) if keys else {}
    positions = product_positions(session)
    rows = group_rows(groups, lines, state, draft, of.at.language, positions)
    if state.only:
        return rows, pager(state, len(rows[0].lines), groups[0].line_count, LONGEST_GROUP)
    return rows, pager(state, len(rows), count, PAGE)


def _line_cells(lines: Sequence[InvoiceLine], invoice: Invoice, language: str) -> Iterator[list[Cell]]:
    money, zone = currency_of_invoice(invoice), frame_of_invoice(invoice).zone
    for row in lines:
        names = row.product["name"]
        is_counter = row.product["meter"]["kind"] == "counter"
        yield [
            row.position,
            row.project_code,
            row.project_name,
            names.get(language) or names["en"],
            row.adjusts_month or invoice.month,
            zone.local(row.starts_at) if row.starts_at else None,
            zone.local(row.ends_at) if row.ends_at else None,
            formats(language).unit(row.product["unit"]),
            None if is_counter else row.quantity,
            row.quantity if is_counter else None,
            row.usage_hours,
            row.unit_price,
            row.formula,
            Money(row.amount_minor, money),
            Money(row.discount_minor, money),
            Money(row.net_minor, money),
            row.tax_rate,
        ]


def _paper(content: bytes, name: str) -> Response:
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{name}.pdf"'}
    return Response(content, 200, headers, PDF)
