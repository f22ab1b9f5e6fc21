"""An issued invoice as the staff corrects it: credit notes, write-off, and the letters that told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from meterbook.accounts.queries import payment_information_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.console.formats import formats
from meterbook.console.operator.fields import Asked, Fields, Sent
from meterbook.console.operator.money import named
from meterbook.console.operator.money_act import HERE, MoneyAct, Outcome, carry_out, look
from meterbook.console.operator.operator_page import HOME, AsOperator, OperatorPage, Problems, led_to
from meterbook.console.operator.present_credit import LINE, LINES_A_PAGE, CreditableLines, creditable_lines
from meterbook.console.requests import Posted, RowId
from meterbook.core.money import Money
from meterbook.core.period import BillingMonth
from meterbook.core.sentence import say
from meterbook.errors import Invalid, NotFound, Refused
from meterbook.invoicing.correct import credit, left_to_credit
from meterbook.invoicing.effect import with_effect
from meterbook.invoicing.queries import credit_notes_of, currency_of_invoice, invoice_by_number, standing_of
from meterbook.invoicing.queue import deliveries_of, queue_again
from meterbook.invoicing.tables import Invoice
from meterbook.invoicing.write_off import reinstate, write_off

router = APIRouter(include_in_schema=False)

Number = Annotated[str, Path(max_length=64)]


@router.get("/invoices/{number}")
def show_invoice(at: AsOperator, number: Number) -> Response:
    """Show how an invoice stands, what corrected it, and its letters."""
    return _page(at, *_found(at, number))


@router.get("/invoices/{number}/write-off")
def show_write_off(at: AsOperator, number: Number) -> Response:
    """Show what would be written off."""
    return look(at, _writing_off(at, number), Fields({"look": ("1",)}))


@router.post("/invoices/{number}/write-off")
def post_write_off(at: AsOperator, _posted: Posted, sent: Sent, number: Number) -> Response:
    """Write off what is unpaid."""
    return carry_out(at, _writing_off(at, number), sent)


@router.get("/invoices/{number}/reinstatement")
def show_reinstatement(at: AsOperator, number: Number) -> Response:
    """Show what would be unpaid again."""
    return look(at, _reinstating(at, number), Fields({"look": ("1",)}))


@router.post("/invoices/{number}/reinstatement")
def post_reinstatement(at: AsOperator, _posted: Posted, sent: Sent, number: Number) -> Response:
    """Undo a write-off."""
    return carry_out(at, _reinstating(at, number), sent)


@router.get("/invoices/{number}/credit-note")
def show_credit_note(at: AsOperator, asked: Asked, number: Number) -> Response:
    """Show the lines with what is left of each, or what a credit note would come to."""
    return look(at, _crediting(at, number, asked), asked)


@router.post("/invoices/{number}/credit-note")
def post_credit_note(at: AsOperator, _posted: Posted, sent: Sent, number: Number) -> Response:
    """Issue a credit note."""
    return carry_out(at, _crediting(at, number, sent), sent)


@router.post("/invoices/{number}/letters/{letter}")
def post_letter(at: AsOperator, _posted: Posted, number: Number, letter: RowId) -> Response:
    """Send a letter that did not arrive once more."""
    invoice, account = _found(at, number)
    row = next((each for each in deliveries_of(at.session, invoice.id) if each.id == letter), None)
    if row is None:
        raise NotFound("There is no such letter.")
    information = payment_information_of(at.session, account.id)
    try:
        at.attempt(lambda: queue_again(at.session, account, information, row))
    except Problems as problem:
        return _page(at, invoice, account, problem.message, 409)
    return led_to(f"{HOME}/invoices/{invoice.number}", "letter-queued")


def _found(at: OperatorPage, number: str) -> tuple[Invoice, Account]:
    return invoice_by_number(at.session, number, at.reader.access)


def _page(at: OperatorPage, invoice: Invoice, account: Account, problem: str = "", status: int = 200) -> Response:
    money = currency_of_invoice(invoice)
    standing = standing_of(at.session, invoice, account, at.now)
    notes = credit_notes_of(at.session, [invoice.id]).get(invoice.id, [])
    return at.show(
        "invoice.html",
        HERE,
        status,
        invoice=invoice,
        account=account,
        month=BillingMonth.parse(invoice.month),
        total=Money(invoice.total_minor, money),
        standing=standing,
        notes=[(note, Money(note.total_minor, money), zone_of(account).local(note.issued_at).date()) for note in notes],
        letters=[(row, zone_of(account).local(row.queued_at)) for row in deliveries_of(at.session, invoice.id)],
        zone=zone_of(account),
        problem=problem,
    )


def _writing_off(at: OperatorPage, number: str) -> MoneyAct:
    return _of_bad_debt(
        at,
        number,
        write_off,
        path="write-off",
        done="written-off",
        told=at.gettext("Written off"),
        title=at.gettext("Write off what is unpaid"),
        warning=at.gettext(
            "It becomes bad debt, and nothing is owed for this invoice any more, until it is reinstated."
        ),
        button=at.gettext("Write it off"),
    )


def _reinstating(at: OperatorPage, number: str) -> MoneyAct:
    return _of_bad_debt(
        at,
        number,
        reinstate,
        path="reinstatement",
        done="reinstated",
        told=at.gettext("Reinstated"),
        title=at.gettext("Undo the write-off"),
        warning=at.gettext("It is owed again. Do this before you record a payment that came after all."),
        button=at.gettext("Reinstate it"),
    )


def _of_bad_debt(
    at: OperatorPage,
    number: str,
    act: Callable[..., Money],
    *,
    path: str,
    done: str,
    told: str,
    title: str,
    warning: str,
    button: str,
) -> MoneyAct:
    """Return the act that makes what is unpaid of an invoice bad debt, or undoes that; `told` names its amount."""
    invoice, account = _found(at, number)
    back = f"{HOME}/invoices/{invoice.number}"

    def deed(_fields: Fields) -> Outcome:
        amount, effect = with_effect(
            at.session, account, lambda: act(at.session, at.now, account=account, invoice=invoice)
        )
        facts = (
            (at.gettext("Account"), named(account)),
            (at.gettext("Invoice"), invoice.number or ""),
            (told, formats(at.language).money(amount)),
        )
        return Outcome(facts, effect, f"{back}?done={done}")

    return MoneyAct(
        account=account,
        path=f"{back}/{path}",
        template="write_off.html",
        title=title,
        warning=warning,
        button=button,
        back=back,
        deed=deed,
    )


def _crediting(at: OperatorPage, number: str, given: Fields) -> MoneyAct:
    invoice, account = _found(at, number)
    back, written = f"{HOME}/invoices/{invoice.number}", formats(at.language)

    def deed(fields: Fields) -> Outcome:
        nets = _everything(at, invoice) if fields.flag("everything") else _nets(fields, invoice)
        reason = fields.text("reason")
        try:
            note, effect = with_effect(
                at.session,
                account,
                lambda: credit(
                    at.session, at.now, at.settings, account=account, invoice=invoice, reason=reason, nets=nets
                ),
            )
        except Refused as refused:
            if "line" in refused.details:
                refused.details["field"] = f"{LINE}{refused.details['line']}"
            raise
        money = currency_of_invoice(invoice)
        facts = (
            (at.gettext("Account"), named(account)),
            (at.gettext("Invoice"), invoice.number or ""),
            (at.gettext("Lines"), written.number(len(nets))),
            (at.gettext("Net"), written.money(Money(note.net_minor, money))),
            (at.gettext("Tax"), written.money(Money(note.tax_minor, money))),
            (at.gettext("Given back"), written.money(Money(note.total_minor, money))),
            (at.gettext("Reason"), note.reason),
        )
        return Outcome(facts, effect, f"{back}?done=credited")

    return MoneyAct(
        account=account,
        path=f"{back}/credit-note",
        template="credit_note.html",
        title=at.gettext("Issue a credit note"),
        warning=at.gettext(
            "A credit note gets a number of its own and is mailed to the customer; it cannot be undone."
        ),
        button=at.gettext("Issue the credit note"),
        back=back,
        deed=deed,
        context=lambda: {"invoice": invoice, "page": _lines(at, invoice, given)},
    )


def _everything(at: OperatorPage, invoice: Invoice) -> dict[int, Money]:
    notes = credit_notes_of(at.session, [invoice.id]).get(invoice.id, [])
    money = currency_of_invoice(invoice)
    return {place: Money(left, money) for place, left in left_to_credit(invoice, notes).items() if left > 0}


def _nets(fields: Fields, invoice: Invoice) -> dict[int, Money]:
    nets: dict[int, Money] = {}
    for name in fields.values:
        text = fields.text(name, 40) if name.startswith(LINE) else ""
        if not text:
            continue
        place = name.removeprefix(LINE)
        if not (place.isascii() and place.isdigit() and len(place) < 9):
            raise Invalid("There is no such line.", field=name)
        try:
            nets[int(place)] = Money.parse(text, currency_of_invoice(invoice))
        except ValueError as error:
            raise Invalid(say("%(what)s.", what=error.args[0]), field=name) from None
    return nets


def _lines(at: OperatorPage, invoice: Invoice, given: Fields) -> CreditableLines:
    notes = credit_notes_of(at.session, [invoice.id]).get(invoice.id, [])
    return creditable_lines(
        invoice,
        left_to_credit(invoice, notes),
        at.language,
        find=given.text("q", 200),
        first=given.whole("first") or 1,
        most=LINES_A_PAGE,
    )
