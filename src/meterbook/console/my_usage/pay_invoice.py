"""Pay an invoice by the registered card: a page that states what will be charged, and the charge, once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from meterbook.accounts.queries import payment_information_of
from meterbook.console.my_usage.money_words import money_words
from meterbook.console.my_usage.of_invoice import InvoiceApart, InvoicePage, OfInvoice, PostedInvoice
from meterbook.console.my_usage.present_billing import HowToPay, InvoiceRow, how_to_pay, invoice_row
from meterbook.core.money import Money
from meterbook.errors import Busy, Refused
from meterbook.idempotency import Answer
from meterbook.invoicing.queries import currency_of_invoice, standing_of
from meterbook.ledger.queries import unpaid_of
from meterbook.payments.collect import attempts_of
from meterbook.payments.gateways.open import open_gateway
from meterbook.payments.pay import Wish, pay
from meterbook.payments.tables import PaymentAttempt

router = APIRouter(include_in_schema=False)

PATH = "/invoices/{number}/pay"


@dataclass(frozen=True, slots=True)
class Asking:
    """What will be charged to which card, the key that makes it happen once, and the last attempt there was."""

    row: InvoiceRow
    href: str
    back_href: str
    how_to_pay: HowToPay
    key: str
    last_attempt: PaymentAttempt | None


@router.get(PATH)
def ask(of: OfInvoice) -> Response:
    """Show what would be charged, and to which card."""
    return _asked(of, _new_key())


@router.post(PATH)
def charge(
    posted: PostedInvoice,
    key: Annotated[str, Form(min_length=16, max_length=64)],
    amount: Annotated[str, Form(max_length=40)],
) -> Response:
    """Charge what is unpaid, if it still is what the page said; the same form again is answered as before."""
    apart, invoice = posted.apart, posted.invoice
    with apart.transactions() as session:
        unpaid = Money(unpaid_of(session, invoice.id, apart.account.id), currency_of_invoice(invoice))
    if unpaid.minor and str(unpaid) != amount:
        return _again(posted, _new_key(), "amount-changed", 409)

    def tell(_session: Session, _attempt: PaymentAttempt) -> Answer:
        return Answer(303, apart.href(f"/invoices/{invoice.number}", done="payment").encode())

    try:
        answer = pay(
            apart.transactions,
            lambda name: open_gateway(name, apart.settings, apart.database),
            apart.settings,
            apart.request.app.state.clock,
            invoice_id=invoice.id,
            wish=Wish(apart.reader.access.subject, key, f"pay {invoice.number} {amount}".encode()),
            tell=tell,
        )
    except Busy:
        return _again(posted, key, "busy", 503)
    except Refused as error:
        return _again(posted, _new_key(), error.slug, 409)
    return RedirectResponse(answer.body.decode(), answer.status)


def _again(posted: InvoiceApart, key: str, problem: str, status: int) -> Response:
    with posted.apart.page() as at:
        return _asked(InvoicePage(at, posted.invoice), key, problem, status)


def _asked(of: InvoicePage, key: str, problem: str | None = None, status: int = 200) -> Response:
    at, invoice = of.at, of.invoice
    attempts = attempts_of(at.session, invoice.id)
    information = payment_information_of(at.session, at.account.id)
    page = Asking(
        row=invoice_row(invoice, standing_of(at.session, invoice, at.account, at.now), at.zone),
        href=of.href("/pay"),
        back_href=of.href(),
        how_to_pay=how_to_pay(information, at.request.app.state.settings.payment_instruction),
        key=key,
        last_attempt=attempts[-1] if attempts else None,
    )
    return at.show(
        "pay_invoice.html", "billing-history", status, page=page, problem=problem, words=money_words(at.language)
    )


def _new_key() -> str:
    return secrets.token_urlsafe(18)
