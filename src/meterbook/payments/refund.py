"""Refund money out of the balance: only cash, and no more than a payment brought in (DOMAIN 5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook import outbox
from meterbook.accounts.queries import currency_of, locked
from meterbook.accounts.tables import Account
from meterbook.announce import Happening, announce
from meterbook.core.journal import LedgerAccount, Posting, Reason, entry
from meterbook.core.money import Money
from meterbook.core.sentence import say
from meterbook.database import Transactions
from meterbook.errors import Invalid, Refused
from meterbook.invoicing.settle import settle_account
from meterbook.ledger.post import add_prepayment, post
from meterbook.ledger.queries import prepayments_left, prepayments_of
from meterbook.payments.book import told
from meterbook.payments.collect import OpenGateway
from meterbook.payments.gateway import ChargeResult, ChargeStatus
from meterbook.payments.tables import Payment, Refund

LONGEST_REASON: Final = 500
GONE: Final = (ChargeStatus.pending.value, ChargeStatus.succeeded.value)  # of refunds whose money is not there any more


def refund(
    session: Session, now: datetime, *, account: Account, payment: Payment, amount: Money, reason: str
) -> Refund:
    """Take an amount out of the balance to give it back, and return the refund.

    A card's is sent to its gateway by a job; what came by bank is the operator's to transfer. Raises `Refused`
    ("over-refunded") for more than is left of the payment, or than there is cash in the balance: what paid an invoice
    comes back into the balance by a credit note.
    """
    text = reason_of(reason)
    locked(session, [account.id])
    _check(session, account, payment, amount)
    row = Refund(
        payment_id=payment.id,
        account_id=account.id,
        currency=amount.currency.code,
        amount_minor=amount.minor,
        reason=text,
        status=(ChargeStatus.pending if payment.gateway else ChargeStatus.succeeded).value,
        requested_at=now,
    )
    session.add(row)
    session.flush()
    postings = [Posting(LedgerAccount.cash_clearing, -amount), *taken(session, account, payment, amount)]
    post(session, now, entry(Reason.refund, f"refund:{row.id}", account.id, *postings))
    if payment.gateway:
        outbox.defer(session, "send_refund", refund_id=row.id)
    else:
        announce(session, now, told(Happening.payment_refunded, account, payment.id, amount))
    return row


def reason_of(text: str) -> str:
    """Return why money goes; raises `Invalid`."""
    reason = text.strip()
    if len(reason) > LONGEST_REASON or not (reason.isprintable() or not reason):
        raise Invalid(
            say("The reason has %(most)s characters at most.", most=LONGEST_REASON), "wrong-reason", field="reason"
        )
    return reason


def send_refund(
    transactions: Transactions, open_gateway: OpenGateway, clock: Callable[[], datetime], *, refund_id: int
) -> None:
    """Have the gateway give a refund back; one that it refuses returns to the balance. Safe to repeat."""
    with transactions() as session:
        row = session.get_one(Refund, refund_id)
        payment = session.get_one(Payment, row.payment_id)
        if row.status != ChargeStatus.pending:
            return
        assert payment.gateway is not None, "a refund that is sent has a gateway"
        assert payment.gateway_reference is not None, "a gateway's payment has its reference"
        account = session.get_one(Account, row.account_id)
        gateway, reference, amount = (
            payment.gateway,
            payment.gateway_reference,
            Money(row.amount_minor, currency_of(account)),
        )
    result = open_gateway(gateway).refund(reference, amount, f"refund/{refund_id}")
    with transactions() as session:
        end_refund(session, clock(), refund_id, result)


def end_refund(session: Session, now: datetime, refund_id: int, result: ChargeResult) -> None:
    """Note what became of a refund at its gateway; money that does not arrive comes back into the balance, once.

    A gateway may call a refund done and hear of the customer's bank weeks later that it took nothing.
    """
    row = session.get_one(Refund, refund_id)
    (account,) = locked(session, [row.account_id])
    session.refresh(row)
    has_gone = result.status in (ChargeStatus.succeeded, ChargeStatus.pending)
    if row.status != ChargeStatus.pending and (has_gone or row.status != ChargeStatus.succeeded):
        return
    row.gateway_reference = result.reference or row.gateway_reference
    row.status = result.status.value
    amount = Money(row.amount_minor, currency_of(account))
    if result.status == ChargeStatus.succeeded:
        announce(session, now, told(Happening.payment_refunded, account, row.payment_id, amount))
    if not has_gone:
        lot = add_prepayment(session, now, account_id=account.id, amount=amount, source=f"refund:{row.id}")
        postings = (
            Posting(LedgerAccount.cash_clearing, amount),
            Posting(LedgerAccount.customer_balance, -amount, prepayment_id=lot),
        )
        post(session, now, entry(Reason.refund, f"refund:{row.id}:returned", account.id, *postings))
        settle_account(session, now, account, f"refund:{row.id}")
    session.flush()


def refunded(session: Session, payment_id: int) -> int:
    """Return what of a payment was given back, is on its way, or was taken back, in minor units."""
    query = select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(
        Refund.payment_id == payment_id, Refund.status.in_(GONE)
    )
    return int(session.scalar(query) or 0)


def _check(session: Session, account: Account, payment: Payment, amount: Money) -> None:
    of_payment = payment.amount_minor - refunded(session, payment.id)
    cash = sum(minor for _, minor in prepayments_left(session, [account.id]).get(account.id, []))
    most = Money(min(of_payment, cash), amount.currency)
    if amount.minor > most.minor:
        raise Refused(
            say(
                "%(most)s can be refunded of this payment: no more than it brought in, and than there "
                "is cash in the balance. To give back what paid an invoice, issue a credit note for "
                "it first.",
                most=most,
            ),
            "over-refunded",
            refundable=str(most),
        )


def taken(session: Session, account: Account, payment: Payment, amount: Money) -> list[Posting]:
    """Return the postings that take an amount out of the balance, as far as it goes.

    The payment's own rest goes first, then the oldest.
    """
    left = prepayments_left(session, [account.id]).get(account.id, [])
    sources = prepayments_of(session, [lot for lot, _ in left])
    own = f"payment:{payment.id}"
    postings, wanted = [], amount.minor
    for lot, minor in sorted(left, key=lambda each: (sources[each[0]].source != own, each[0])):
        part = min(wanted, minor)
        if part:
            wanted -= part
            postings.append(Posting(LedgerAccount.customer_balance, Money(part, amount.currency), prepayment_id=lot))
    return postings
