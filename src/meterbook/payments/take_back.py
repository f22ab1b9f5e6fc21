"""Take back a payment that did not stay: returned by the bank, disputed by the card's holder, or recorded by mistake.

What it paid is unpaid again. No payment is edited: the return is an entry of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from meterbook.accounts.queries import currency_of, locked
from meterbook.accounts.tables import Account
from meterbook.announce import Happening, announce
from meterbook.core.journal import LedgerAccount, Posting, Reason, entry
from meterbook.core.money import Money
from meterbook.core.sentence import say
from meterbook.errors import Invalid, Refused
from meterbook.invoicing.correct import cash_on
from meterbook.invoicing.queries import invoices_by_id
from meterbook.invoicing.settle import settle_account
from meterbook.invoicing.tables import Invoice
from meterbook.ledger.post import post
from meterbook.ledger.queries import movements_by_source, written_off_of
from meterbook.payments.book import told
from meterbook.payments.gateway import ChargeStatus
from meterbook.payments.refund import LONGEST_REASON, reason_of, refunded, taken
from meterbook.payments.tables import Payment, Refund


def take_back(
    session: Session,
    now: datetime,
    *,
    account: Account,
    payment: Payment,
    reason: str,
    most: Money | None = None,
    gateway_reference: str | None = None,
) -> Refund:
    """Take back what is left of a payment, `most` of it if that is less, and return the return.

    First the invoices that it paid are unpaid again, as far as money is in them still; then it goes out of the balance;
    what it paid beyond that, by way of the balance, is unpaid again, the newest invoice first. Credit and balance then
    pay what they can. What is unpaid again of an invoice that is written off is bad debt too. Nobody is paid: of a card
    its gateway has taken the money already. Raises `Invalid` without a reason, `Refused` ("over-refunded") when nothing
    of the payment is left.
    """
    text = reason_of(reason)
    if not text:
        raise Invalid(
            say("Give the reason, in 1 to %(most)s characters.", most=LONGEST_REASON), "wrong-reason", field="reason"
        )
    locked(session, [account.id])
    left = payment.amount_minor - refunded(session, payment.id)
    amount = Money(left if most is None else min(left, most.minor), currency_of(account))
    if amount.minor <= 0:
        raise Refused("Nothing of this payment is left: all of it was refunded or taken back.", "over-refunded")
    row = Refund(
        payment_id=payment.id,
        account_id=account.id,
        kind="return",
        currency=amount.currency.code,
        amount_minor=amount.minor,
        reason=text,
        status=ChargeStatus.succeeded.value,
        gateway_reference=gateway_reference,
        requested_at=now,
    )
    session.add(row)
    session.flush()
    announce(session, now, told(Happening.payment_returned, account, payment.id, amount))
    source = f"refund:{row.id}"
    unpaid = _unpaid_again(session, account, payment, amount)
    cash = Posting(LedgerAccount.cash_clearing, -amount)
    post(session, now, entry(Reason.payment_return, source, account.id, cash, *unpaid))
    for each in unpaid:
        if each.invoice_id is not None and written_off_of(session, each.invoice_id, account.id):
            debt = Posting(LedgerAccount.bad_debt, each.amount)
            again = Posting(LedgerAccount.receivable, -each.amount, invoice_id=each.invoice_id)
            post(session, now, entry(Reason.write_off, f"{source}>invoice:{each.invoice_id}", account.id, debt, again))
    settle_account(session, now, account, source)
    return row


def _unpaid_again(session: Session, account: Account, payment: Payment, amount: Money) -> list[Posting]:
    """Return the postings of what an amount of a payment had become: it is in invoices or in the balance, or gone on.

    What credit notes gave back of its invoices went into the balance, and from there perhaps into others.
    """
    left, postings = amount.minor, list[Posting]()
    for invoice, part in _paid_by(session, payment):
        if part := min(left, part, cash_on(session, invoice)):
            left -= part
            postings.append(_owed(invoice, Money(part, amount.currency)))
    if left:
        postings += taken(session, account, payment, Money(left, amount.currency))
        left = amount.minor - sum(each.amount.minor for each in postings)
    others = _paid_invoices(session, account)
    while left:
        invoice = next(others)
        before = sum(each.amount.minor for each in postings if each.invoice_id == invoice.id)
        if part := min(left, cash_on(session, invoice) - before):
            left -= part
            postings.append(_owed(invoice, Money(part, amount.currency)))
    return postings


def _paid_by(session: Session, payment: Payment) -> Iterator[tuple[Invoice, int]]:
    """Yield the invoices that a payment paid as it came in, with how much of each."""
    for movement in movements_by_source(session, [f"payment:{payment.id}"]).values():
        invoices = invoices_by_id(session, [invoice_id for invoice_id, _ in movement.invoices])
        yield from ((invoices[invoice_id], -minor) for invoice_id, minor in movement.invoices)


def _paid_invoices(session: Session, account: Account) -> Iterator[Invoice]:
    """Yield an account's issued invoices, the newest first."""
    issued = select(Invoice).where(Invoice.account_id == account.id, Invoice.number.is_not(None))
    yield from session.scalars(issued.order_by(Invoice.id.desc()))


def _owed(invoice: Invoice, amount: Money) -> Posting:
    return Posting(LedgerAccount.receivable, amount, invoice_id=invoice.id)
