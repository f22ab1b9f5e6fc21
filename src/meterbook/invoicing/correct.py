"""Correct an issued invoice by a credit note, with numbers of its own and tax by the delta method (DOMAIN 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlalchemy.orm import Session

from meterbook.accounts.queries import locked, payment_information_of
from meterbook.accounts.tables import Account
from meterbook.core.journal import LedgerAccount, Posting, Reason, entry
from meterbook.core.money import Money
from meterbook.core.sentence import say
from meterbook.core.tax import tax_on
from meterbook.errors import Invalid, Refused
from meterbook.invoicing.issue import parties
from meterbook.invoicing.number import DocumentType, next_number
from meterbook.invoicing.queries import credit_notes_of, currency_of_invoice
from meterbook.invoicing.queue import Letter, queue_letters
from meterbook.invoicing.settle import settle_account
from meterbook.invoicing.tables import CreditNote, CreditNoteLine, CreditNoteTax, Invoice, InvoiceLine
from meterbook.ledger.post import add_prepayment, post
from meterbook.ledger.queries import paid_with, unpaid_of, written_off_of
from meterbook.promotions.withdraw import take_withdrawn_credit
from meterbook.settings import Settings

LONGEST_REASON: Final = 500


def credit(
    session: Session,
    now: datetime,
    settings: Settings,
    *,
    account: Account,
    invoice: Invoice,
    reason: str,
    nets: Mapping[int, Money],
) -> CreditNote:
    """Give back parts of lines' net (by line position), with their tax, and return the credit note.

    It takes off what is unpaid of the invoice first; what was paid already goes back to where it came from: money into
    the balance, up to what money paid, the rest into the promotional credit that was used. Raises `Invalid` for a line
    that is not there or an amount of nothing, `Refused` for more than a line has left ("over-credited") and for an
    invoice that is written off ("written-off").
    """
    text = reason.strip()
    if not 0 < len(text) <= LONGEST_REASON or not text.isprintable():
        raise Invalid(
            say("Give the reason, in 1 to %(most)s characters.", most=LONGEST_REASON), "wrong-reason", field="reason"
        )
    if not nets:
        raise Invalid("Name at least one line and what of its net is given back.", "wrong-lines", field="lines")
    locked(session, [account.id])
    if written_off_of(session, invoice.id, account.id):
        raise Refused(
            say("%(invoice)s is written off: reinstate it before you correct it.", invoice=invoice.number),
            "written-off",
        )
    before = credit_notes_of(session, [invoice.id]).get(invoice.id, [])
    rows = _checked(invoice, before, nets)
    taxes = _taxes(rows, before, nets)
    net = sum((each for each in nets.values()), Money.zero(currency_of_invoice(invoice)))
    tax = sum((amount for _, amount in taxes.values()), Money.zero(net.currency))
    _check_total(invoice, before, net + tax)
    returned = max(0, (net + tax).minor - unpaid_of(session, invoice.id, account.id))
    number, issued_at = next_number(session, now, settings, DocumentType.credit_note)
    information = payment_information_of(session, account.id)
    note = CreditNote(
        invoice_id=invoice.id,
        number=number,
        issued_at=issued_at,
        reason=text,
        net_minor=net.minor,
        tax_minor=tax.minor,
        total_minor=(net + tax).minor,
        returned_minor=returned,
        document=parties(settings, account, information),
    )
    note.lines = [CreditNoteLine(line_position=place, net_minor=each.minor) for place, each in sorted(nets.items())]
    note.taxes = [
        CreditNoteTax(rate=rate, base_minor=base.minor, amount_minor=amount.minor)
        for rate, (base, amount) in taxes.items()
    ]
    session.add(note)
    session.flush()
    _book(session, issued_at, account, invoice, note, rows, nets)
    settle_account(session, issued_at, account, f"credit_note:{note.id}")
    queue_letters(session, now, settings, [Letter(account, information, invoice, note)])
    return note


def left_to_credit(invoice: Invoice, notes: Sequence[CreditNote]) -> dict[int, int]:
    """Return what is left of each line's net (by position, in minor units) after the credit notes there are."""
    left = {line.position: line.net_minor for line in invoice.lines}
    for note in notes:
        for line in note.lines:
            left[line.line_position] -= line.net_minor
    return left


def cash_on(session: Session, invoice: Invoice) -> int:
    """Return how much money paid an issued invoice and is in it still, in minor units: not promotional credit."""
    _, by_balance, direct = paid_with(session, invoice.id)
    notes = credit_notes_of(session, [invoice.id]).get(invoice.id, [])
    return max(0, sum(by_balance.values()) + direct - sum(note.returned_minor for note in notes))


def _checked(invoice: Invoice, before: Sequence[CreditNote], nets: Mapping[int, Money]) -> dict[int, InvoiceLine]:
    rows = {line.position: line for line in invoice.lines}
    left = left_to_credit(invoice, before)
    for place, net in nets.items():
        if place not in rows:
            raise Invalid(
                say("%(invoice)s has no line %(place)s.", invoice=invoice.number, place=place),
                "wrong-lines",
                field="lines",
            )
        if net.minor <= 0:
            raise Invalid(
                say("What line %(place)s gets back has to be above zero.", place=place), "wrong-lines", field="lines"
            )
        if net.minor > left[place]:
            rest = Money(max(0, left[place]), net.currency)
            raise Refused(
                say("Line %(place)s has %(rest)s left to credit, not %(net)s.", place=place, rest=rest, net=net),
                "over-credited",
                line=place,
                left=str(rest),
            )
    return rows


def _check_total(invoice: Invoice, before: Sequence[CreditNote], total: Money) -> None:
    left = Money(invoice.total_minor - sum(note.total_minor for note in before), total.currency)
    if total.minor > left.minor:
        raise Refused(
            say(
                "%(invoice)s has %(left)s left to credit, with tax, not %(total)s.",
                invoice=invoice.number,
                left=left,
                total=total,
            ),
            "over-credited",
            left=str(left),
        )


def _taxes(
    rows: Mapping[int, InvoiceLine], before: Sequence[CreditNote], nets: Mapping[int, Money]
) -> dict[Decimal, tuple[Money, Money]]:
    """Return by rate what net and tax this note gives back: all of them together always give the tax of all net."""
    money = next(iter(nets.values())).currency
    bases: dict[Decimal, Money] = {}
    for place, net in nets.items():
        rate = rows[place].tax_rate
        bases[rate] = bases.get(rate, Money.zero(money)) + net
    taxes = {}
    for rate, base in bases.items():
        earlier = [tax for note in before for tax in note.taxes if tax.rate == rate]
        credited = Money(sum(tax.base_minor for tax in earlier), money)
        given = Money(sum(tax.amount_minor for tax in earlier), money)
        taxes[rate] = (base, tax_on(credited + base, rate).amount - given)
    return taxes


def _book(
    session: Session,
    now: datetime,
    account: Account,
    invoice: Invoice,
    note: CreditNote,
    rows: Mapping[int, InvoiceLine],
    nets: Mapping[int, Money],
) -> None:
    money = currency_of_invoice(invoice)

    def amount(minor: int) -> Money:
        return Money(minor, money)

    postings = [Posting(LedgerAccount.revenue, net, product=rows[place].product_code) for place, net in nets.items()]
    postings.append(Posting(LedgerAccount.tax_payable, amount(note.tax_minor)))
    off_unpaid = note.total_minor - note.returned_minor
    postings.append(Posting(LedgerAccount.receivable, amount(-off_unpaid), invoice_id=invoice.id))
    postings += _returned(session, now, account, invoice, note)
    post(session, now, entry(Reason.credit_note, f"credit_note:{note.id}", account.id, *postings))
    take_withdrawn_credit(session, now, account)


def _returned(session: Session, now: datetime, account: Account, invoice: Invoice, note: CreditNote) -> list[Posting]:
    """Return the postings of what goes back: first money, as much as paid the invoice, then promotional credit."""
    money = currency_of_invoice(invoice)
    if not note.returned_minor:
        return []
    by_credit, by_balance, direct = paid_with(session, invoice.id)
    notes = credit_notes_of(session, [invoice.id]).get(invoice.id, [])
    back_before = sum(each.returned_minor for each in notes if each.id != note.id)
    cash_paid = sum(by_balance.values()) + direct
    cash = min(note.returned_minor, max(0, cash_paid - back_before))
    postings = []
    if cash:
        amount = Money(cash, money)
        lot = add_prepayment(session, now, account_id=account.id, amount=amount, source=f"credit_note:{note.id}")
        postings.append(Posting(LedgerAccount.customer_balance, -amount, prepayment_id=lot))
    rest = note.returned_minor - cash
    skip = max(0, back_before - cash_paid)  # what earlier notes gave back of the credits
    for credit_id, used in sorted(by_credit.items(), reverse=True):
        passed = min(skip, used)
        skip -= passed
        part = min(rest, used - passed)
        if part:
            rest -= part
            postings.append(Posting(LedgerAccount.promotional_credit, Money(-part, money), credit_id=credit_id))
    assert rest == 0, "what is given back was paid"
    return postings
