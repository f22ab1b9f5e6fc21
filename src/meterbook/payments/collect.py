"""Collect an invoice by card: begin an attempt, charge at the gateway, end the attempt with what came of it.

The gateway is asked between two transactions, so an attempt whose answer was lost is asked for again under the same key
and has one effect. An invoice has one attempt under way at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meterbook import outbox
from meterbook.accounts.queries import locked, payment_information_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.core.money import Money
from meterbook.core.sentence import say
from meterbook.database import Transactions
from meterbook.errors import Refused
from meterbook.invoicing.limit import limit_projects
from meterbook.invoicing.queries import currency_of_invoice
from meterbook.invoicing.queue import Letter, queue_letters
from meterbook.invoicing.tables import Invoice
from meterbook.ledger.queries import unpaid_of
from meterbook.payments.book import add_payment, book_payment
from meterbook.payments.gateway import ChargeResult, ChargeStatus, Gateway
from meterbook.payments.tables import PaymentAttempt
from meterbook.settings import Settings

BY_HAND_FROM: Final = 101  # numbers of attempts that a person asked for; the schedule's count from 1
OpenGateway = Callable[[str], Gateway]


@dataclass(frozen=True, slots=True)
class _Charge:
    """What the gateway is asked for."""

    attempt_id: int
    gateway: str
    method_reference: str
    amount: Money
    key: str
    description: str
    metadata: Mapping[str, str]


def collect(
    transactions: Transactions,
    open_gateway: OpenGateway,
    settings: Settings,
    clock: Callable[[], datetime],
    *,
    invoice_id: int,
    attempt: int | None = None,
    is_done: Callable[[Session], bool] | None = None,
    ended: Callable[[Session, PaymentAttempt], None] | None = None,
) -> ChargeStatus | None:
    """Charge what is unpaid of an invoice to the account's card; None when nothing is unpaid or no card is there.

    `attempt` is the schedule's number of the try; without one a person asks, and `Refused` ("nothing-unpaid",
    "no-card") says why nothing was charged. A gateway that is away raises `Busy`: call again, nothing is taken twice.
    `is_done` is asked once nobody else can move the account's money: true, and nothing is begun. `ended` is called with
    the attempt, in the transaction that ends it.
    """
    now = clock()
    with transactions() as session:
        charge = _begin(session, now, invoice_id, attempt, is_done)
    if charge is None:
        return None
    gateway = open_gateway(charge.gateway)
    result = gateway.charge(charge.method_reference, charge.amount, charge.key, charge.description, charge.metadata)
    with transactions() as session:
        status = end_attempt(session, clock(), settings, charge.attempt_id, result)
        if ended is not None:
            ended(session, session.get_one(PaymentAttempt, charge.attempt_id))
        return status


def end_attempt(
    session: Session, now: datetime, settings: Settings, attempt_id: int, result: ChargeResult
) -> ChargeStatus:
    """Note what became of an attempt; a success is booked once, a refusal leads to the next try or to a limit."""
    attempt = session.get_one(PaymentAttempt, attempt_id)
    invoice = session.get_one(Invoice, attempt.invoice_id)
    (account,) = locked(session, [invoice.account_id])
    session.refresh(attempt)
    before = ChargeStatus(attempt.status)
    if before is ChargeStatus.succeeded or (
        before is ChargeStatus.declined and result.status is not ChargeStatus.succeeded
    ):
        return before
    attempt.status = result.status.value
    attempt.gateway_reference = result.reference
    attempt.message, attempt.action_url = result.message[:500], result.action_url
    if result.status is not ChargeStatus.pending:
        attempt.ended_at = now
    if result.status is ChargeStatus.succeeded:
        _succeeded(session, now, account, invoice, attempt)
    elif result.status in (ChargeStatus.declined, ChargeStatus.needs_action) and before is ChargeStatus.pending:
        _not_charged(session, now, settings, account, invoice, attempt)
    session.flush()
    return result.status


def attempts_of(session: Session, invoice_id: int) -> list[PaymentAttempt]:
    """Return the tries to charge an invoice, in the order they began."""
    query = select(PaymentAttempt).where(PaymentAttempt.invoice_id == invoice_id).order_by(PaymentAttempt.id)
    return list(session.scalars(query))


def _begin(
    session: Session,
    now: datetime,
    invoice_id: int,
    number: int | None,
    is_done: Callable[[Session], bool] | None,
) -> _Charge | None:
    by_hand = number is None
    invoice = session.get_one(Invoice, invoice_id)
    (account,) = locked(session, [invoice.account_id])
    if is_done is not None and is_done(session):
        return None
    unpaid = unpaid_of(session, invoice.id, account.id)
    if not unpaid:
        if by_hand:
            raise Refused(say("Nothing of %(invoice)s is unpaid.", invoice=invoice.number), "nothing-unpaid")
        return None
    under_way = select(PaymentAttempt).where(
        PaymentAttempt.invoice_id == invoice.id, PaymentAttempt.status == ChargeStatus.pending
    )
    attempt = session.scalars(under_way).first()
    if attempt is None:
        attempt = _new_attempt(session, now, account, invoice, number, unpaid)
    return None if attempt is None else _charge_of(attempt, account, invoice)


def _new_attempt(
    session: Session, now: datetime, account: Account, invoice: Invoice, number: int | None, unpaid: int
) -> PaymentAttempt | None:
    information = payment_information_of(session, account.id)
    if information is None or information.gateway is None or information.method_reference is None:
        if number is None:
            raise Refused("No card is registered: register one in the payment information first.", "no-card")
        return None
    if number is None:
        last = session.scalar(select(func.max(PaymentAttempt.number)).where(PaymentAttempt.invoice_id == invoice.id))
        number = max(BY_HAND_FROM, (last or 0) + 1)
    elif number in {each.number for each in attempts_of(session, invoice.id)}:
        return None  # this try was made already
    attempt = PaymentAttempt(
        invoice_id=invoice.id,
        number=number,
        key=f"{invoice.number}/{number}",
        gateway=information.gateway,
        method_reference=information.method_reference,
        amount_minor=unpaid,
        status=ChargeStatus.pending.value,
        begun_at=now,
    )
    session.add(attempt)
    session.flush()
    return attempt


def _charge_of(attempt: PaymentAttempt, account: Account, invoice: Invoice) -> _Charge:
    return _Charge(
        attempt_id=attempt.id,
        gateway=attempt.gateway,
        method_reference=attempt.method_reference,
        amount=Money(attempt.amount_minor, currency_of_invoice(invoice)),
        key=attempt.key,
        description=f"{invoice.number}",
        metadata={"account": account.code, "invoice": str(invoice.number), "attempt": attempt.key},
    )


def _succeeded(session: Session, now: datetime, account: Account, invoice: Invoice, attempt: PaymentAttempt) -> None:
    payment = add_payment(
        session,
        now,
        account=account,
        amount=Money(attempt.amount_minor, currency_of_invoice(invoice)),
        method="card",
        received_on=zone_of(account).local(now).date(),
        reference=str(invoice.number),
        gateway=attempt.gateway,
        gateway_reference=attempt.gateway_reference,
    )
    attempt.payment_id = payment.id
    book_payment(session, now, account, payment, first=invoice.id)


def _not_charged(
    session: Session, now: datetime, settings: Settings, account: Account, invoice: Invoice, attempt: PaymentAttempt
) -> None:
    """Tell the customer, and queue the schedule's next try; after the last one the account is limited.

    Tries keep their distance when one was late, because nothing worked or the gateway was away.
    """
    information = payment_information_of(session, account.id)
    letter = Letter(account, information, invoice, reminder=f"not-charged-{attempt.number}")
    queue_letters(session, now, settings, [letter])
    if attempt.number >= BY_HAND_FROM:
        return
    if attempt.number > len(settings.retry_days):
        limit_projects(session, now, account)
        return
    before, after = (0, *settings.retry_days)[attempt.number - 1 : attempt.number + 1]
    zone = zone_of(account)
    day = zone.local(attempt.begun_at).date() + timedelta(days=after - before)
    at = datetime.combine(day, time(), zone.tzinfo).astimezone(UTC)
    outbox.defer(session, "collect", at=max(at, now), invoice_id=invoice.id, attempt=attempt.number + 1)
