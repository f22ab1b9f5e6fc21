"""Billing history: what the account owes, its invoices, and what it paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from meterbook.accounts.queries import payment_information_of
from meterbook.console.account_page import AccountPage, OfBilledAccount
from meterbook.console.languages import translations
from meterbook.console.my_usage.money_words import attempt_words, method_words, money_words, reason_words, status_words
from meterbook.console.my_usage.present_billing import (
    HISTORY,
    BillingHistory,
    HistoryState,
    InvoiceRow,
    PaymentRow,
    credit_note_row,
    how_to_pay,
    invoice_row,
    invoice_rows,
    payment_row,
    payment_rows,
)
from meterbook.console.requests import RowOrNone
from meterbook.console.sheet import ROWS_MAX, Cell, in_currency, sheet
from meterbook.core.period import BillingMonth
from meterbook.invoicing.debt import debt_of
from meterbook.invoicing.queries import credit_notes_of_account, issued_invoices, standings
from meterbook.payments.history import payment_stories, years_of
from meterbook.payments.next_payment import next_payment
from meterbook.payments.queries import payments_of

router = APIRouter(include_in_schema=False)

ROWS: Final = 24  # two years of invoices
Year = Annotated[int | None, Query(ge=1970, le=2999)]


@dataclass(frozen=True, slots=True)
class _Time:
    """A year on the account's clocks, as moments and as days."""

    moments: tuple[datetime, datetime]
    days: tuple[date, date]


@router.get(HISTORY)
def billing_history(
    at: OfBilledAccount, year: Year = None, before: RowOrNone = 0, payments_before: RowOrNone = 0
) -> Response:
    """Show what is unpaid, and a page of invoices and of payments, of a year or of all years."""
    state = HistoryState(at.account.code, year, before, payments_before)
    time = _time(at, year)
    invoices, ids = _invoices(at, time, before, ROWS + 1)
    settings = at.request.app.state.settings
    debt = debt_of(at.session, at.account, at.now)
    notes = credit_notes_of_account(at.session, at.account.id, within=time.moments if time else None)
    page = BillingHistory(
        state=state,
        currency=at.account.currency,
        zone=at.zone,
        as_of=at.zone.local(at.now),
        years=tuple(years_of(at.session, at.account, at.now)),
        debt=debt,
        payment=next_payment(at.session, at.now, settings, at.account, debt),
        how_to_pay=how_to_pay(payment_information_of(at.session, at.account.id), settings.payment_instruction),
        invoices=invoice_rows(invoices, ids, ROWS, state),
        payments=payment_rows(_payments(at, time, payments_before, ROWS + 1), ROWS, state),
        credit_notes=tuple(credit_note_row(note, invoice, at.zone) for note, invoice in notes),
    )
    return at.show("billing_history.html", "billing-history", page=page, words=money_words(at.language))


@router.get(f"{HISTORY}/invoices.csv")
def invoices_sheet(at: OfBilledAccount, year: Year = None) -> Response:
    """Return the invoices of a year, or all, as a sheet."""
    _ = translations(at.language).gettext
    currency = at.account.currency
    columns = [
        _("Target month"),
        _("Invoice ID"),
        _("Invoice date"),
        _("Payment due"),
        in_currency(_("Invoice amount"), currency),
        in_currency(_("Paid"), currency),
        in_currency(_("Credited"), currency),
        in_currency(_("Written off"), currency),
        in_currency(_("Unpaid"), currency),
        _("Status"),
    ]
    found, _ids = _invoices(at, _time(at, year), 0, ROWS_MAX)
    return sheet(f"invoices-{_name(at, year)}.csv", columns, _invoice_cells(found, status_words(at.language)))


@router.get(f"{HISTORY}/payments.csv")
def payments_sheet(at: OfBilledAccount, year: Year = None) -> Response:
    """Return the payments of a year, or all, as a sheet: a row for each part that went somewhere."""
    _ = translations(at.language).gettext
    currency = at.account.currency
    columns = [
        _("Payment date"),
        _("Payment method"),
        _("Reference"),
        in_currency(_("Payment amount"), currency),
        _("For"),
        in_currency(_("Of it"), currency),
    ]
    words = {
        "balance": _("Balance"),
        "refund": _("Refund"),
        "return": reason_words(at.language)["payment_return"],
        **method_words(at.language),
    }
    found = _payments(at, _time(at, year), 0, ROWS_MAX)
    cells = _payment_cells(found, words, attempt_words(at.language))
    return sheet(f"payments-{_name(at, year)}.csv", columns, cells)


def _invoice_cells(rows: list[InvoiceRow], words: Mapping[str, str]) -> Iterator[list[Cell]]:
    for row in rows:
        amounts = (row.amount, row.paid, row.credited, row.written_off, row.unpaid)
        yield [str(row.month), row.number, row.issued_on, row.due_on, *amounts, words[row.status]]


def _payment_cells(rows: list[PaymentRow], words: Mapping[str, str], became: Mapping[str, str]) -> Iterator[list[Cell]]:
    for row in rows:
        method: list[Cell] = [words[row.method], row.reference, row.amount]
        for paid in row.paid:
            yield [row.received_on, *method, paid.number, paid.amount]
        if row.to_balance.minor:
            yield [row.received_on, *method, words["balance"], row.to_balance]
        for given in row.refunds:
            yield [given.asked_on, *method, f"{words[given.kind]} ({became[given.status]})", -given.amount]


def _invoices(at: AccountPage, time: _Time | None, before: int, limit: int) -> tuple[list[InvoiceRow], list[int]]:
    """Return invoices, newest first, with their ids."""
    within = None if time is None else time.moments
    found = issued_invoices(at.session, [at.account.id], after=before, limit=limit, within=within)
    stand = standings(at.session, found, at.now)
    rows = [invoice_row(invoice, stand[invoice.id], at.zone) for invoice, _ in found]
    return rows, [invoice.id for invoice, _ in found]


def _payments(at: AccountPage, time: _Time | None, before: int, limit: int) -> list[PaymentRow]:
    within = None if time is None else time.days
    found = payments_of(at.session, at.account.id, after=before, limit=limit, within=within)
    return [payment_row(story, at.zone) for story in payment_stories(at.session, at.account, found)]


def _time(at: AccountPage, year: int | None) -> _Time | None:
    if year is None:
        return None
    first, next_first = (BillingMonth(each, 1) for each in (year, year + 1))
    return _Time((first.starts_at(at.zone), next_first.starts_at(at.zone)), (date(year, 1, 1), date(year + 1, 1, 1)))


def _name(at: AccountPage, year: int | None) -> str:
    return at.account.code if year is None else f"{at.account.code}-{year}"
