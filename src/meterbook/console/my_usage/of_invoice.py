"""Pages of one invoice: the invoice of the address and its account, which the address need not name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Form, Path, Query, Request
from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.tables import Account
from meterbook.console.account_page import AccountPage
from meterbook.console.apart import Apart
from meterbook.console.requests import Books, Now, Reader, SignedIn, posted, signed_in
from meterbook.core.sentence import say
from meterbook.errors import NotFound
from meterbook.invoicing.queries import invoice_by_number
from meterbook.invoicing.tables import Invoice

Number = Annotated[str, Path(max_length=64)]
_AccountCode = Annotated[str, Query(max_length=100)]


@dataclass(frozen=True, slots=True)
class InvoicePage:
    """What a page of an issued invoice starts from."""

    at: AccountPage
    invoice: Invoice

    def href(self, path: str = "", **state: object) -> str:
        """Return the address of this invoice's page, or of one under it, in a state."""
        return self.at.href(f"/invoices/{self.invoice.number}{path}", **state)


def _found(session: Session, reader: Reader, number: str, account: str) -> tuple[Invoice, Account]:
    """Find an invoice that the reader may see; one of another account than the address names is not there."""
    invoice, payer = invoice_by_number(session, number, reader.access)
    if account and check.comparable(account) != payer.code:
        raise NotFound(say("There is no invoice %(number)s.", number=check.shown(number)), "unknown-invoice")
    return invoice, payer


def _invoice_page(
    request: Request, session: Books, reader: SignedIn, now: Now, number: Number, account: _AccountCode = ""
) -> InvoicePage:
    invoice, payer = _found(session, reader, number, account)
    return InvoicePage(AccountPage(request, session, reader, payer, now), invoice)


OfInvoice = Annotated[InvoicePage, Depends(_invoice_page, scope="function")]


@dataclass(frozen=True, slots=True)
class InvoiceApart:
    """A reader who posted a form about an invoice, outside of any transaction."""

    apart: Apart
    invoice: Invoice


def _posted_invoice(
    request: Request, now: Now, number: Number, form_token: Annotated[str, Form()] = "", account: _AccountCode = ""
) -> InvoiceApart:
    with request.app.state.database.transaction() as session:
        reader = signed_in(request, session, now)
        invoice, payer = _found(session, reader, number, account)
    posted(request, reader, form_token)
    return InvoiceApart(Apart(request, reader, payer, now), invoice)


# A form about an invoice that asks a gateway depends on this, in place of `Posted`.
PostedInvoice = Annotated[InvoiceApart, Depends(_posted_invoice)]
