"""Routes of invoices: the preview of a month, issued invoices with their papers and hours, and their corrections."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from meterbook.accounts.queries import currency_of, visible_projects, zone_of
from meterbook.accounts.tables import Account
from meterbook.api.paging import Cursor, Limit, after_number
from meterbook.api.permission import Config, Now, Operator, Reader, Transaction, Usage
from meterbook.api.repeat import Key, answered_once
from meterbook.api.scope import AccountCode, account_of_caller, payer_of_caller
from meterbook.api.shapes import Json, answer, instant, preview, project_usage
from meterbook.api.shapes_money import credit_note_shape, invoice_shape, listed_invoices
from meterbook.api.times import moment_of, month_of
from meterbook.core.money import Money
from meterbook.core.windows import Window
from meterbook.errors import Invalid
from meterbook.invoicing.billed_usage import billed_usage
from meterbook.invoicing.correct import credit
from meterbook.invoicing.draft import Payer
from meterbook.invoicing.paper import credit_note_pdf, invoice_pdf
from meterbook.invoicing.project_use import project_use
from meterbook.invoicing.queries import (
    credit_note_by_number,
    draft_of,
    invoice_by_number,
    issued_invoices,
)
from meterbook.invoicing.show import show_month
from meterbook.invoicing.write_off import reinstate, write_off
from meterbook.payments.next_payment import awaited_before

router = APIRouter(tags=["invoices"])

Month = Annotated[str | None, Query(description="A month such as 2014-02; the running one if left out.")]
At = Annotated[str | None, Query(description="Replays a moment: usage before it counts. Operators only.")]
By = Annotated[Literal["project", "product"], Query(description="How lines are grouped.")]
Number = Annotated[str, Path(max_length=64, description="The invoice's number.")]
PDF = "application/pdf"


class CreditedLine(BaseModel):
    """A line of the invoice, and what of its net is given back."""

    model_config = ConfigDict(extra="forbid")

    line: int = Field(ge=1)
    net: str = Field(max_length=40)


class NewCreditNote(BaseModel):
    """What is given back, and why."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(max_length=500)
    lines: list[CreditedLine] = Field(min_length=1, max_length=10_000)


class Nothing(BaseModel):
    """Nothing more than the wish: what is written off or reinstated is told by the books."""

    model_config = ConfigDict(extra="forbid")


@router.get("/invoices/preview", summary="The month's invoice as it stands")
def get_preview(
    session: Transaction,
    usage: Usage,
    access: Reader,
    now: Now,
    config: Config,
    account: AccountCode = None,
    month: Month = None,
    at: At = None,
    group_by: By = "project",
) -> Response:
    """Draft the invoice of a month from day 1 to now, with every line's formula.

    It covers the projects whose billing the caller may see. The very same draft is issued when the month closes; of a
    month that is issued, the invoice is shown as it is ("final"). While the month before the running one is not issued
    yet, `awaited_month` names it: credit and balance pay it first.
    """
    payer, moment = payer_of_caller(session, access, account), moment_of(at, access, now)
    shown = show_month(session, usage, payer, month_of(month, zone_of(payer.account), moment), moment)
    body = preview(shown.draft, group_by)
    if payer.whole:
        awaited = awaited_before(session, moment, config, payer.account, shown.draft.frame.month)
        body |= {"awaited_month": None if awaited is None else str(awaited)}
    if shown.issued is not None:
        body |= {"status": "final", "number": shown.issued.number if payer.whole else None}
    return answer(body)


@router.get("/project-usage", summary="What every project used in a month")
def get_project_usage(
    session: Transaction,
    usage: Usage,
    access: Reader,
    now: Now,
    account: AccountCode = None,
    month: Month = None,
    group_by: By = "project",
) -> Response:
    """Return the month's use of all projects the caller takes part in; costs only where it may see billing.

    Use and costs of a month that is issued are those of the invoice.
    """
    owner = account_of_caller(session, access, account)
    projects = visible_projects(session, owner.id, access, need="member")
    billed = visible_projects(session, owner.id, access, need="billing")
    payer = Payer(owner, billed, access.has_account_billing(owner.id))
    used = project_use(session, usage, payer, projects, month_of(month, zone_of(owner), now), now)
    return answer(project_usage(used, group_by))


@router.get("/invoices", summary="List invoices")
def get_invoices(
    session: Transaction,
    access: Reader,
    now: Now,
    account: AccountCode = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List issued invoices whose account's billing the caller may see, newest first."""
    ids = None
    if account is not None or not access.may_operate():
        payer = account_of_caller(session, access, account)
        ids = [payer.id] if access.has_account_billing(payer.id) else []
    rows = issued_invoices(session, ids, after=after_number(cursor), limit=limit + 1)
    return answer(listed_invoices(session, rows, limit, now))


@router.get("/invoices/{number}", summary="Read an invoice")
def get_invoice(number: Number, session: Transaction, access: Reader, now: Now, group_by: By = "project") -> Response:
    """Return an invoice as it was issued, what is unpaid of it now, its payments, credit notes and letters."""
    invoice, account = invoice_by_number(session, number, access)
    return answer(invoice_shape(session, invoice, account, now, group_by))


@router.get("/invoices/{number}/pdf", summary="An invoice as PDF", response_class=Response)
def get_invoice_pdf(number: Number, session: Transaction, access: Reader) -> Response:
    """Return the paper of an invoice, in the language it was issued in."""
    invoice, account = invoice_by_number(session, number, access)
    return _pdf(invoice_pdf(invoice, account), str(invoice.number))


@router.get("/invoices/{number}/lines/{line}/usage", summary="The hours a line was billed for")
def get_line_usage(
    number: Number,
    line: Annotated[int, Path(ge=1)],
    session: Transaction,
    usage: Usage,
    access: Reader,
    window: Window = Window.hour,
    group_by: Literal["product", "resource"] = "product",
) -> Response:
    """Return the usage that a line was billed for, as it was known then; what came late is not in it."""
    invoice, account = invoice_by_number(session, number, access)
    rows, row = billed_usage(session, usage, invoice, account, line, window, by_resource=group_by == "resource")
    zone = draft_of(invoice, account.code).frame.zone
    timed = row.product["meter"]["kind"] != "counter"
    items: list[Json] = [
        {
            "starts_at": instant(each.starts_at, zone),
            "ends_at": instant(each.ends_at, zone),
            **({"resource": each.resource} if group_by == "resource" else {}),
            "usage_hours": str(each.usage_hours),
            "unit_hours" if timed else "quantity": f"{each.quantity.normalize():f}",
        }
        for each in rows
    ]
    return answer(
        {
            "invoice": invoice.number,
            "line": line,
            "project": row.project_code,
            "product": row.product_code,
            "unit": row.product["unit"],
            "status": "final",
            "window": window,
            "time_zone": zone.name,
            "items": items,
        }
    )


@router.post("/invoices/{number}/credit-notes", status_code=201, summary="Correct an invoice")
def post_credit_note(
    number: Number,
    body: NewCreditNote,
    request: Request,
    session: Transaction,
    access: Operator,
    now: Now,
    settings: Config,
    key: Key = None,
) -> Response:
    """Give back parts of lines, with their tax, by a credit note; what was paid goes back into the balance."""
    invoice, account = invoice_by_number(session, number, access)
    nets: dict[int, Money] = {}
    for each in body.lines:
        if each.line in nets:
            raise Invalid(f"Line {each.line} is named twice.", "wrong-lines", field="lines")
        nets[each.line] = _net(each, account)

    def act() -> Response:
        note = credit(session, now, settings, account=account, invoice=invoice, reason=body.reason, nets=nets)
        return answer(credit_note_shape(note, invoice, account), 201)

    return answered_once(request, session, now, access, key, body, act)


@router.post("/invoices/{number}/write-off", summary="Write off what is unpaid")
def post_write_off(
    number: Number,
    body: Nothing,
    request: Request,
    session: Transaction,
    access: Operator,
    now: Now,
    key: Key = None,
) -> Response:
    """Turn what is unpaid of an invoice into bad debt."""
    invoice, account = invoice_by_number(session, number, access)

    def act() -> Response:
        amount = write_off(session, now, account=account, invoice=invoice)
        return answer({"invoice": invoice.number, "written_off": str(amount)})

    return answered_once(request, session, now, access, key, body, act)


@router.post("/invoices/{number}/reinstatement", summary="Undo a write-off")
def post_reinstatement(
    number: Number,
    body: Nothing,
    request: Request,
    session: Transaction,
    access: Operator,
    now: Now,
    key: Key = None,
) -> Response:
    """Make what was written off of an invoice unpaid again; credit and balance pay what they can."""
    invoice, account = invoice_by_number(session, number, access)

    def act() -> Response:
        amount = reinstate(session, now, account=account, invoice=invoice)
        return answer({"invoice": invoice.number, "reinstated": str(amount)})

    return answered_once(request, session, now, access, key, body, act)


@router.get("/credit-notes/{number}", summary="Read a credit note")
def get_credit_note(number: Number, session: Transaction, access: Reader) -> Response:
    """Return a credit note."""
    return answer(credit_note_shape(*credit_note_by_number(session, number, access)))


@router.get("/credit-notes/{number}/pdf", summary="A credit note as PDF", response_class=Response)
def get_credit_note_pdf(number: Number, session: Transaction, access: Reader) -> Response:
    """Return the paper of a credit note."""
    note, invoice, account = credit_note_by_number(session, number, access)
    return _pdf(credit_note_pdf(note, invoice, account), note.number)


def _net(given: CreditedLine, account: Account) -> Money:
    try:
        return Money.parse(given.net, currency_of(account))
    except ValueError as error:
        raise Invalid(f"Line {given.line}: {error}.", "wrong-amount", field="lines") from None


def _pdf(content: bytes, name: str) -> Response:
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}.pdf"'}
    return Response(content, 200, headers, PDF)
