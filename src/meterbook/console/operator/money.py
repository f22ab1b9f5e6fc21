"""Money of an account by the staff's hand: transfers, money paid ahead, refunds, returned payments, promotion codes.

Each is looked at before it is done.
"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from meterbook.accounts.queries import currency_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.console.formats import NOTHING, formats
from meterbook.console.operator.fields import Asked, Fields, Sent
from meterbook.console.operator.money_act import MoneyAct, Outcome, carry_out, look
from meterbook.console.operator.operator_page import HOME, AsOperator, OperatorPage
from meterbook.console.requests import Posted, RowId
from meterbook.core.money import Currency, Money
from meterbook.invoicing.effect import with_effect
from meterbook.invoicing.queries import invoices_by_id
from meterbook.ledger.queries import balance_through, unpaid_by_invoice
from meterbook.payments.apply_code import apply_code
from meterbook.payments.book import amount_of
from meterbook.payments.queries import payment_by_id
from meterbook.payments.record import record, top_up
from meterbook.payments.refund import refund, refunded
from meterbook.payments.tables import Payment
from meterbook.payments.take_back import take_back
from meterbook.promotions.queries import promotion_by_code
from meterbook.promotions.withdraw import withdraw

router = APIRouter(include_in_schema=False)


@router.get("/accounts/{code}/record-payment")
def show_record(at: AsOperator, asked: Asked, code: str) -> Response:
    """Show the form of a bank transfer, or what it would pay."""
    return look(at, _recording(at, code), asked)


@router.post("/accounts/{code}/record-payment")
def post_record(at: AsOperator, _posted: Posted, sent: Sent, code: str) -> Response:
    """Record a bank transfer."""
    return carry_out(at, _recording(at, code), sent)


@router.get("/accounts/{code}/top-up")
def show_top_up(at: AsOperator, asked: Asked, code: str) -> Response:
    """Show the form of money paid ahead, or what it would change."""
    return look(at, _topping_up(at, code), asked)


@router.post("/accounts/{code}/top-up")
def post_top_up(at: AsOperator, _posted: Posted, sent: Sent, code: str) -> Response:
    """Record money paid ahead."""
    return carry_out(at, _topping_up(at, code), sent)


@router.get("/accounts/{code}/promotion")
def show_promotion(at: AsOperator, asked: Asked, code: str) -> Response:
    """Show the form of a promotion code for an account, or what registering it would change."""
    return look(at, _registering(at, code), asked)


@router.post("/accounts/{code}/promotion")
def post_promotion(at: AsOperator, _posted: Posted, sent: Sent, code: str) -> Response:
    """Register a promotion code for an account."""
    return carry_out(at, _registering(at, code), sent)


@router.get("/accounts/{code}/promotions/{promotion}/withdraw")
def show_withdraw(at: AsOperator, asked: Asked, code: str, promotion: str) -> Response:
    """Show the form that takes a promotion code back from an account, or what it would change."""
    return look(at, _withdrawing(at, code, promotion), asked)


@router.post("/accounts/{code}/promotions/{promotion}/withdraw")
def post_withdraw(at: AsOperator, _posted: Posted, sent: Sent, code: str, promotion: str) -> Response:
    """Take a promotion code back from an account."""
    return carry_out(at, _withdrawing(at, code, promotion), sent)


@router.get("/payments/{payment}/refund")
def show_refund(at: AsOperator, asked: Asked, payment: RowId) -> Response:
    """Show the form of a refund, or what it would change."""
    return look(at, _refunding(at, payment), asked)


@router.post("/payments/{payment}/refund")
def post_refund(at: AsOperator, _posted: Posted, sent: Sent, payment: RowId) -> Response:
    """Refund money of a payment."""
    return carry_out(at, _refunding(at, payment), sent)


@router.get("/payments/{payment}/return")
def show_return(at: AsOperator, asked: Asked, payment: RowId) -> Response:
    """Show the form that takes a payment back, or what it would change."""
    return look(at, _taking_back(at, payment), asked)


@router.post("/payments/{payment}/return")
def post_return(at: AsOperator, _posted: Posted, sent: Sent, payment: RowId) -> Response:
    """Take a payment back."""
    return carry_out(at, _taking_back(at, payment), sent)


def path_of(account: Account) -> str:
    """Return the address of an account's page."""
    return f"{HOME}/accounts/{account.code}"


def named(account: Account) -> str:
    """Return what people know an account by."""
    return account.name if account.name == account.code else f"{account.name} ({account.code})"


def _recording(at: OperatorPage, code: str) -> MoneyAct:
    account = at.account(code)
    back, written = path_of(account), formats(at.language)

    def deed(fields: Fields) -> Outcome:
        amount = amount_of(account, fields.text("amount", 40))
        day = fields.day("received_on") or zone_of(account).local(at.now).date()
        reference = fields.text("reference")
        _, effect = with_effect(
            at.session,
            account,
            lambda: record(at.session, at.now, account=account, amount=amount, received_on=day, reference=reference),
        )
        facts = (
            (at.gettext("Account"), named(account)),
            (at.gettext("Amount"), written.money(amount)),
            (at.gettext("Received on"), written.date(day)),
            (at.gettext("Reference"), reference or NOTHING),
        )
        return Outcome(facts, effect, f"{back}?done=payment-recorded#payments")

    return MoneyAct(
        account=account,
        path=f"{back}/record-payment",
        template="record_payment.html",
        title=at.gettext("Record a bank transfer"),
        warning=at.gettext(
            "A payment that is recorded stays in the history. One that was a mistake can be taken back."
        ),
        button=at.gettext("Record the payment"),
        back=back,
        deed=deed,
        context=lambda: {"owed": _owed(at, account), "today": zone_of(account).local(at.now).date()},
    )


def _topping_up(at: OperatorPage, code: str) -> MoneyAct:
    account = at.account(code)
    back, written = path_of(account), formats(at.language)

    def deed(fields: Fields) -> Outcome:
        amount, reference = amount_of(account, fields.text("amount", 40)), fields.text("reference")
        _, effect = with_effect(
            at.session,
            account,
            lambda: top_up(at.session, at.now, account=account, amount=amount, reference=reference),
        )
        facts = (
            (at.gettext("Account"), named(account)),
            (at.gettext("Amount"), written.money(amount)),
            (at.gettext("Reference"), reference or NOTHING),
        )
        return Outcome(facts, effect, f"{back}?done=topped-up#payments")

    return MoneyAct(
        account=account,
        path=f"{back}/top-up",
        template="top_up.html",
        title=at.gettext("Record money paid ahead"),
        warning=at.gettext("Money paid ahead pays unpaid invoices at once; what is left stays in the balance."),
        button=at.gettext("Put it into the balance"),
        back=back,
        deed=deed,
        context=lambda: {"owed": _owed(at, account)},
    )


def _registering(at: OperatorPage, code: str) -> MoneyAct:
    account = at.account(code)
    back = path_of(account)

    def deed(fields: Fields) -> Outcome:
        wanted = fields.text("promotion", 100)
        applied, effect = with_effect(
            at.session,
            account,
            lambda: apply_code(
                at.session, at.now, at.request.app.state.guesses, account=account, code=wanted, by=at.by, again=True
            ),
        )
        facts = (
            (at.gettext("Account"), named(account)),
            (at.gettext("Promotion code"), applied.promotion.code),
            (at.gettext("Name"), applied.promotion.name),
        )
        return Outcome(facts, effect, f"{back}?done=promotion-registered#promotions")

    return MoneyAct(
        account=account,
        path=f"{back}/promotion",
        template="register_promotion.html",
        title=at.gettext("Register a promotion code"),
        warning=at.gettext("It holds for months that are not issued yet. A code that was a mistake can be taken back."),
        button=at.gettext("Register the code"),
        back=back,
        deed=deed,
    )


def _withdrawing(at: OperatorPage, code: str, promotion_code: str) -> MoneyAct:
    account, promotion = at.account(code), promotion_by_code(at.session, promotion_code)
    back = path_of(account)

    def deed(fields: Fields) -> Outcome:
        reason = fields.text("reason")
        _, effect = with_effect(
            at.session,
            account,
            lambda: withdraw(at.session, at.now, account=account, code=promotion.code, reason=reason, by=at.by),
        )
        facts = (
            (at.gettext("Account"), named(account)),
            (at.gettext("Promotion code"), promotion.code),
            (at.gettext("Name"), promotion.name),
            (at.gettext("Reason"), reason),
        )
        return Outcome(facts, effect, f"{back}?done=promotion-withdrawn#promotions")

    return MoneyAct(
        account=account,
        path=f"{back}/promotions/{promotion.code}/withdraw",
        template="withdraw_promotion.html",
        title=at.gettext("Take back a promotion code"),
        warning=at.gettext("A draft that is kept has to be made again to be without it."),
        button=at.gettext("Take the code back"),
        back=f"{back}#promotions",
        deed=deed,
        context=lambda: {"promotion": promotion},
    )


def _refunding(at: OperatorPage, payment_id: int) -> MoneyAct:
    payment, account = payment_by_id(at.session, payment_id, at.reader.access)
    back, written, money = path_of(account), formats(at.language), currency_of(account)

    def deed(fields: Fields) -> Outcome:
        amount, reason = amount_of(account, fields.text("amount", 40)), fields.text("reason")
        _, effect = with_effect(
            at.session,
            account,
            lambda: refund(at.session, at.now, account=account, payment=payment, amount=amount, reason=reason),
        )
        way = (
            at.gettext("Through the gateway, to the card it came from")
            if payment.gateway
            else at.gettext("By bank: transfer it yourself")
        )
        facts = (
            (at.gettext("Account"), named(account)),
            (at.gettext("Payment"), _told(at, payment, money)),
            (at.gettext("Refund"), written.money(amount)),
            (at.gettext("Way"), way),
            (at.gettext("Reason"), reason or NOTHING),
        )
        return Outcome(facts, effect, f"{back}?done=refunded#payments")

    return MoneyAct(
        account=account,
        path=f"{HOME}/payments/{payment.id}/refund",
        template="refund.html",
        title=at.gettext("Refund a payment"),
        warning=at.gettext("A refund takes money out of the balance; it cannot be taken back."),
        button=at.gettext("Refund it"),
        back=back,
        deed=deed,
        context=lambda: {
            "payment": payment,
            "paid": Money(payment.amount_minor, money),
            "refunded": Money(refunded(at.session, payment.id), money),
            "balance": Money(balance_through(at.session, account.id), money),
        },
    )


def _taking_back(at: OperatorPage, payment_id: int) -> MoneyAct:
    payment, account = payment_by_id(at.session, payment_id, at.reader.access)
    back, written, money = path_of(account), formats(at.language), currency_of(account)

    def deed(fields: Fields) -> Outcome:
        reason = fields.text("reason")
        row, effect = with_effect(
            at.session,
            account,
            lambda: take_back(at.session, at.now, account=account, payment=payment, reason=reason),
        )
        facts = (
            (at.gettext("Account"), named(account)),
            (at.gettext("Payment"), _told(at, payment, money)),
            (at.gettext("Taken back"), written.money(Money(row.amount_minor, money))),
            (at.gettext("Reason"), reason),
        )
        return Outcome(facts, effect, f"{back}?done=taken-back#payments")

    return MoneyAct(
        account=account,
        path=f"{HOME}/payments/{payment.id}/return",
        template="return_payment.html",
        title=at.gettext("Take back a payment"),
        warning=at.gettext("No money is moved: its bank or gateway has taken it, or it never came in."),
        button=at.gettext("Take it back"),
        back=back,
        deed=deed,
        context=lambda: {
            "payment": payment,
            "paid": Money(payment.amount_minor, money),
            "left": Money(payment.amount_minor - refunded(at.session, payment.id), money),
        },
    )


def _told(at: OperatorPage, payment: Payment, money: Currency) -> str:
    """Return what people know a payment by."""
    amount = formats(at.language).money(Money(payment.amount_minor, money))
    return f"{amount}, {payment.reference or NOTHING}"


def _owed(at: OperatorPage, account: Account) -> list[tuple[str, Money]]:
    """Return the numbers of unpaid invoices with what is unpaid of each."""
    unpaid = unpaid_by_invoice(at.session, [account.id])
    rows = sorted(invoices_by_id(at.session, list(unpaid)).values(), key=lambda row: row.month)
    return [(row.number or "", Money(unpaid[row.id], currency_of(account))) for row in rows]
