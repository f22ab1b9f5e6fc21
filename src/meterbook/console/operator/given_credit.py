"""Credit by the staff's hand: given to an account without a code, and what is left of it taken back."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from meterbook.accounts.queries import currency_of, zone_of
from meterbook.console.formats import NOTHING, formats
from meterbook.console.operator.fields import Asked, Fields, Sent
from meterbook.console.operator.money import named, path_of
from meterbook.console.operator.money_act import MoneyAct, Outcome, carry_out, look
from meterbook.console.operator.operator_page import AsOperator, OperatorPage
from meterbook.console.requests import Posted, RowId
from meterbook.core.money import Money
from meterbook.invoicing.effect import with_effect
from meterbook.ledger.queries import credits_left
from meterbook.payments.book import amount_of
from meterbook.payments.give_credit import give_credit
from meterbook.promotions.queries import given_credit
from meterbook.promotions.withdraw import withdraw_credit

router = APIRouter(include_in_schema=False)


@router.get("/accounts/{code}/credit")
def show_credit(at: AsOperator, asked: Asked, code: str) -> Response:
    """Show the form of a credit, or what it would change."""
    return look(at, _giving(at, code), asked)


@router.post("/accounts/{code}/credit")
def post_credit(at: AsOperator, _posted: Posted, sent: Sent, code: str) -> Response:
    """Give a credit."""
    return carry_out(at, _giving(at, code), sent)


@router.get("/accounts/{code}/credits/{credit}/withdraw")
def show_withdraw_credit(at: AsOperator, asked: Asked, code: str, credit: RowId) -> Response:
    """Show the form that takes a credit back, or what it would change."""
    return look(at, _taking_back(at, code, credit), asked)


@router.post("/accounts/{code}/credits/{credit}/withdraw")
def post_withdraw_credit(at: AsOperator, _posted: Posted, sent: Sent, code: str, credit: RowId) -> Response:
    """Take back what is left of a credit."""
    return carry_out(at, _taking_back(at, code, credit), sent)


def _giving(at: OperatorPage, code: str) -> MoneyAct:
    account = at.account(code)
    back, written, zone = path_of(account), formats(at.language), zone_of(account)

    def deed(fields: Fields) -> Outcome:
        amount, name = amount_of(account, fields.text("amount", 40)), fields.text("name")
        ends_at = fields.moment("until", zone)
        _, effect = with_effect(
            at.session,
            account,
            lambda: give_credit(at.session, at.now, account=account, amount=amount, name=name, ends_at=ends_at),
        )
        facts = (
            (at.gettext("Account"), named(account)),
            (at.gettext("Amount"), written.money(amount)),
            (at.gettext("Name"), name),
            (at.gettext("Ends"), written.moment(zone.local(ends_at)) if ends_at else NOTHING),
        )
        return Outcome(facts, effect, f"{back}?done=credit-given#credits")

    return MoneyAct(
        account=account,
        path=f"{back}/credit",
        template="give_credit.html",
        title=at.gettext("Give credit"),
        warning=at.gettext("The customer reads its name on the balance page. What is left of it can be taken back."),
        button=at.gettext("Give the credit"),
        back=back,
        deed=deed,
    )


def _taking_back(at: OperatorPage, code: str, credit_id: int) -> MoneyAct:
    account = at.account(code)
    back, written = path_of(account), formats(at.language)
    credit = given_credit(at.session, account.id, credit_id)
    left = Money(credits_left(at.session, [account.id]).get(credit_id, 0), currency_of(account))

    def deed(_fields: Fields) -> Outcome:
        _, effect = with_effect(
            at.session,
            account,
            lambda: withdraw_credit(at.session, at.now, account=account, credit_id=credit_id),
        )
        facts = (
            (at.gettext("Account"), named(account)),
            (at.gettext("Name"), credit.name),
            (at.gettext("Taken back"), written.money(left)),
        )
        return Outcome(facts, effect, f"{back}?done=credit-taken-back#credits")

    return MoneyAct(
        account=account,
        path=f"{back}/credits/{credit_id}/withdraw",
        template="withdraw_credit.html",
        title=at.gettext("Take back a credit"),
        warning=at.gettext("What it paid stays paid."),
        button=at.gettext("Take the credit back"),
        back=f"{back}#credits",
        deed=deed,
        context=lambda: {"credit": credit, "left": left},
    )
