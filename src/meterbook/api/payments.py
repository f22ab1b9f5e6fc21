"""Routes of payment information, payments, refunds, returned payments and gateways' news."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import uuid4

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from meterbook.accounts.queries import account_by_code, payment_information_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.api.paging import Cursor, Limit, after_number, page
from meterbook.api.permission import Config, Now, Operator, Reader, Transaction, database_of
from meterbook.api.repeat import Key, answered_once, asked, given
from meterbook.api.scope import AccountCode, billed_account
from meterbook.api.shapes import answer
from meterbook.api.shapes_money import information_shape, invoice_row, payment_shape, refund_shape
from meterbook.api.times import Day
from meterbook.database import acting
from meterbook.errors import Invalid, NotFound
from meterbook.idempotency import Answer
from meterbook.invoicing.queries import invoice_by_number
from meterbook.payments.book import amount_of
from meterbook.payments.gateway import NEWS_BYTES_MAX
from meterbook.payments.gateways.open import CARD_GATEWAYS, default_gateway, open_gateway
from meterbook.payments.history import payment_stories
from meterbook.payments.news import take_news
from meterbook.payments.pay import Wish, pay
from meterbook.payments.queries import payment_by_id, payments_of
from meterbook.payments.record import record, top_up
from meterbook.payments.refund import refund
from meterbook.payments.register import checked, register
from meterbook.payments.tables import PaymentAttempt
from meterbook.payments.take_back import take_back

router = APIRouter(tags=["payments"])


class NewInformation(BaseModel):
    """How an account pays, and who receives its invoices. A card is a gateway's token, never a number."""

    model_config = ConfigDict(extra="forbid")

    account: str | None = Field(None, max_length=64)
    method: Literal["card", "bank_transfer", "send_invoice"]
    gateway: str | None = Field(None, max_length=40)
    token: str | None = Field(None, max_length=300)
    company: str | None = Field(None, max_length=400)
    registration_number: str | None = Field(None, max_length=100)
    recipient: str | None = Field(None, max_length=400)
    email: str | None = Field(None, max_length=320)
    cc: list[str] = Field(default=[], max_length=20)
    language: Literal["en", "ko", "ja"] | None = None


class NewPayment(BaseModel):
    """A bank transfer that came in."""

    model_config = ConfigDict(extra="forbid")

    account: str = Field(max_length=64)
    amount: str = Field(max_length=40)
    currency: str | None = Field(None, max_length=10)
    received_on: Day | None = None
    reference: str = Field("", max_length=400)


class NewTopUp(BaseModel):
    """Money paid ahead."""

    model_config = ConfigDict(extra="forbid")

    account: str = Field(max_length=64)
    amount: str = Field(max_length=40)
    currency: str | None = Field(None, max_length=10)
    reference: str = Field("", max_length=400)


class NewRefund(BaseModel):
    """Money to give back out of the balance."""

    model_config = ConfigDict(extra="forbid")

    amount: str = Field(max_length=40)
    currency: str | None = Field(None, max_length=10)
    reason: str = Field("", max_length=500)


class NewReturn(BaseModel):
    """Why a payment did not stay."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(max_length=500)


class Pay(BaseModel):
    """Nothing more than the wish; what is unpaid is charged."""

    model_config = ConfigDict(extra="forbid")


@router.get("/payment-information", summary="How an account pays")
def get_information(session: Transaction, access: Reader, account: AccountCode = None) -> Response:
    """Return payment information; 404 while none is registered."""
    payer = billed_account(session, access, account)
    information = payment_information_of(session, payer.id)
    if information is None:
        raise NotFound("No payment information is registered yet.", "payment-information-missing")
    return answer(information_shape(information, payer))


@router.put("/payment-information", summary="Register how an account pays")
def put_information(body: NewInformation, request: Request, access: Reader, now: Now, settings: Config) -> Response:
    """Write the payment information; a card that is registered stays when no new token is given."""
    database = database_of(request)
    with database.transaction() as session:
        account = billed_account(session, access, body.account)
        information = checked(
            account,
            method=body.method,
            company=body.company,
            registration_number=body.registration_number,
            recipient=body.recipient,
            email=body.email,
            cc=body.cc,
            language=body.language,
        )
    gateway, card = None, None
    if body.method == "card" and body.token is not None:
        # the gateway is asked outside of any transaction: it may take its time
        gateway = body.gateway or default_gateway(settings)
        if gateway not in CARD_GATEWAYS:
            raise Invalid(f"Cards go through {' or '.join(CARD_GATEWAYS)}.", "unknown-gateway", field="gateway")
        card = open_gateway(gateway, settings, database).attach(
            account.code, information.email, body.token, f"attach/{account.code}/{uuid4()}"
        )
    with acting(database.transaction, access.subject)() as session:
        account = session.get_one(Account, account.id)
        stored = register(session, now, account=account, information=information, gateway=gateway, card=card)
        return answer(information_shape(stored, account))


@router.get("/payments", summary="List payments")
def get_payments(
    session: Transaction, access: Reader, account: AccountCode = None, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """List an account's payments, newest first, with what each paid and what was given back of it."""
    payer = billed_account(session, access, account)
    rows = payments_of(session, payer.id, after=after_number(cursor), limit=limit + 1)
    stories = payment_stories(session, payer, rows)
    return answer(page(stories, limit, lambda told: payment_shape(told, payer), lambda told: told.payment.id))


@router.post("/payments/record", status_code=201, summary="Record a bank transfer")
def post_payment(
    body: NewPayment, request: Request, session: Transaction, access: Operator, now: Now, key: Key = None
) -> Response:
    """Record money that came in: it pays the oldest unpaid invoices, and an overpayment goes to the balance."""
    account = account_by_code(session, body.account, access)
    amount = amount_of(account, body.amount, body.currency)

    def act() -> Response:
        received_on = body.received_on or zone_of(account).local(now).date()
        payment = record(
            session, now, account=account, amount=amount, received_on=received_on, reference=body.reference
        )
        return answer(payment_shape(payment_stories(session, account, [payment])[0], account), 201)

    return answered_once(request, session, now, access, key, body, act)


@router.post("/balance/top-ups", status_code=201, summary="Record money paid ahead")
def post_top_up(
    body: NewTopUp, request: Request, session: Transaction, access: Operator, now: Now, key: Key = None
) -> Response:
    """Put money into an account's balance, which pays what is unpaid at once."""
    account = account_by_code(session, body.account, access)
    amount = amount_of(account, body.amount, body.currency)

    def act() -> Response:
        payment = top_up(session, now, account=account, amount=amount, reference=body.reference)
        return answer(payment_shape(payment_stories(session, account, [payment])[0], account), 201)

    return answered_once(request, session, now, access, key, body, act)


@router.post("/payments/{payment}/refunds", status_code=201, summary="Refund a payment")
def post_refund(
    payment: Annotated[int, Path(ge=1, le=2**62)],
    body: NewRefund,
    request: Request,
    session: Transaction,
    access: Operator,
    now: Now,
    key: Key = None,
) -> Response:
    """Give cash back out of the balance; a card's through its gateway, a transfer's by the operator's bank."""
    paid, account = payment_by_id(session, payment, access)
    amount = amount_of(account, body.amount, body.currency)

    def act() -> Response:
        row = refund(session, now, account=account, payment=paid, amount=amount, reason=body.reason)
        return answer(refund_shape(row, account), 201)

    return answered_once(request, session, now, access, key, body, act)


@router.post("/payments/{payment}/return", status_code=201, summary="Take a payment back")
def post_return(
    payment: Annotated[int, Path(ge=1, le=2**62)],
    body: NewReturn,
    request: Request,
    session: Transaction,
    access: Operator,
    now: Now,
    key: Key = None,
) -> Response:
    """Take back a payment that did not stay: what it paid is unpaid again. No money is moved at a gateway."""
    paid, account = payment_by_id(session, payment, access)

    def act() -> Response:
        return answer(
            refund_shape(take_back(session, now, account=account, payment=paid, reason=body.reason), account), 201
        )

    return answered_once(request, session, now, access, key, body, act)


@router.post("/invoices/{number}/payments", summary="Pay an invoice by card now")
def post_invoice_payment(
    number: Annotated[str, Path(max_length=64)],
    body: Pay,
    request: Request,
    session: Transaction,
    access: Reader,
    now: Now,
    settings: Config,
    key: Key = None,
) -> Response:
    """Charge what is unpaid of an invoice to the registered card; asked for many times at once, it is charged once."""
    database = database_of(request)
    invoice, account = invoice_by_number(session, number, access)
    # the gateway may take its time: no connection waits for it
    session.commit()

    def tell(ending: Session, attempt: PaymentAttempt) -> Answer:
        row = invoice_row(ending, invoice, account, now)
        told = {"charge": attempt.status, "message": attempt.message, "action_url": attempt.action_url}
        return Answer(200, bytes(answer({**row, **told}).body))

    paid = pay(
        acting(database.transaction, access.subject),
        lambda name: open_gateway(name, settings, database),
        settings,
        request.app.state.clock,
        invoice_id=invoice.id,
        wish=Wish(access.subject, key, asked(request, body)),
        tell=tell,
    )
    return given(paid)


@router.post("/gateways/{gateway}/events", summary="A gateway's news", openapi_extra={"security": []})
async def post_news(
    gateway: Annotated[str, Path(max_length=40)], request: Request, now: Now, settings: Config
) -> Response:
    """Take a gateway's callback in: its signature proves it, and the same news again changes nothing."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > NEWS_BYTES_MAX:
            raise NotFound("There is no such address.")
    database = database_of(request)
    headers = {name.lower(): value for name, value in request.headers.items()}

    def take() -> bool:
        news = open_gateway(gateway, settings, database).news_of(body, headers, now)
        with database.transaction() as session:
            return take_news(session, now, settings, gateway, news)

    return answer({"new": await run_in_threadpool(take)})
