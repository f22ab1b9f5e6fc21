"""One account as the staff sees it: its terms, its books, and what may be done with them."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from meterbook.accounts.change_account import change_account
from meterbook.accounts.close_account import close_account, reopen_account
from meterbook.accounts.queries import currency_of, payment_information_of, zone_of
from meterbook.accounts.tables import Account
from meterbook.console.address import address_of
from meterbook.console.operator.fields import Fields, Form, Sent, fields_of
from meterbook.console.operator.operator_page import HOME, AsOperator, OperatorPage, Problems, led_to, status_of
from meterbook.console.requests import Posted, RowOrNone
from meterbook.core.money import Money, plain
from meterbook.core.period import BillingMonth
from meterbook.errors import Invalid, NotFound
from meterbook.invoicing.account_standings import AccountStanding, account_standing
from meterbook.invoicing.applied import applied_promotions
from meterbook.invoicing.queries import currency_of_invoice, issued_invoices, standings
from meterbook.ledger.queries import credits_left
from meterbook.payments.balance import balance_standing
from meterbook.payments.queries import payments_of, refunds_of
from meterbook.payments.refund import GONE

router = APIRouter(include_in_schema=False)

HERE = "accounts"
ROWS = 13  # invoices, and payments, of a page: a year and a month


@router.get("/accounts/{code}")
def show_account(at: AsOperator, code: str, invoices: RowOrNone = 0, payments: RowOrNone = 0) -> Response:
    """Show an account; `invoices` and `payments` name those after which the lists go on."""
    account = at.account(code)
    zone, money = zone_of(account), currency_of(account)
    path = f"{HOME}/accounts/{account.code}"
    billed = issued_invoices(at.session, [account.id], after=invoices, limit=ROWS + 1)
    stand = standings(at.session, billed, at.now)
    paid = payments_of(at.session, account.id, after=payments, limit=ROWS + 1)
    refunds = refunds_of(at.session, [payment.id for payment in paid])
    month = BillingMonth.of(at.now, zone)
    return at.show(
        "account.html",
        HERE,
        account=account,
        tab="",
        zone=zone,
        standing=_standing(at, account),
        credit=Money(sum(credits_left(at.session, [account.id]).values()), money),
        information=payment_information_of(at.session, account.id),
        invoices=[
            (
                invoice,
                BillingMonth.parse(invoice.month),
                Money(invoice.total_minor, currency_of_invoice(invoice)),
                stand[invoice.id],
                zone.local(invoice.issued_at).date() if invoice.issued_at else None,
            )
            for invoice, _ in billed[:ROWS]
        ],
        older_invoices=address_of(path, invoices=billed[ROWS - 1][0].id) + "#invoices" if len(billed) > ROWS else None,
        payments=[
            (
                payment,
                Money(payment.amount_minor, money),
                [(each, Money(each.amount_minor, money)) for each in refunds.get(payment.id, [])],
                payment.amount_minor
                > sum(each.amount_minor for each in refunds.get(payment.id, []) if each.status in GONE),
            )
            for payment in paid[:ROWS]
        ],
        older_payments=address_of(path, payments=paid[ROWS - 1].id) + "#payments" if len(paid) > ROWS else None,
        promotions=applied_promotions(at.session, account, at.now),
        credits=[each for each in balance_standing(at.session, account, at.now).credits if each.by_hand],
        as_customer=[
            (key, address_of(f"/{key}", account=account.code))
            for key in ("overview", "invoice-preview", "usage", "billing-history", "payment-information")
        ],
        month=month,
    )


@router.get("/accounts/{code}/terms")
def show_terms(at: AsOperator, code: str) -> Response:
    """Show the forms that change an account's terms, and that close it."""
    return _terms(at, at.account(code), Form())


@router.post("/accounts/{code}/terms")
def post_terms(at: AsOperator, _posted: Posted, sent: Sent, code: str) -> Response:
    """Change an account's terms."""
    account = at.account(code)
    try:
        at.attempt(lambda: _changed(at, account, sent))
    except Problems as problem:
        return at.show_again("change_account.html", HERE, sent, problem, account=account, closing=Form())
    return led_to(f"{HOME}/accounts/{account.code}", "account-changed")


@router.post("/accounts/{code}/closing")
def post_closing(at: AsOperator, _posted: Posted, sent: Sent, code: str) -> Response:
    """Close an account, once the box beside it is ticked, or open a closed one again."""
    account = at.account(code)
    here = f"{HOME}/accounts/{account.code}"
    if sent.text("step", 20) == "reopen":
        reopen_account(at.session, at.now, account=account)
        return led_to(here, "account-reopened")
    if not sent.flag("confirm"):
        problem = Invalid("Tick the box if the account shall be closed.", "not-confirmed", field="confirm")
        return _terms(at, account, Form(Fields(), problem), status_of(problem))
    close_account(at.session, at.now, account=account)
    at.request.app.state.proofs.forget()
    return led_to(here, "account-closed")


def _terms(at: OperatorPage, account: Account, closing: Form, status: int = 200) -> Response:
    """Show the form of an account's terms as they stand, and the one that closes it."""
    stands = fields_of(
        [
            ("name", account.name),
            ("language", account.language),
            ("tax_percent", plain(account.tax_percent)),
            ("tax_class", account.tax_class),
            ("billing_email", account.billing_email),
        ]
    )
    return at.show("change_account.html", HERE, status, account=account, form=Form(stands), closing=closing)


def _changed(at: OperatorPage, account: Account, sent: Fields) -> Account:
    return change_account(
        at.session,
        account,
        name=sent.text("name", 400),
        language=sent.text("language", 10),
        tax_percent=sent.decimal("tax_percent"),
        tax_class=sent.text("tax_class", 40),
        billing_email=sent.text("billing_email", 400) or None,
    )


def _standing(at: OperatorPage, account: Account) -> AccountStanding:
    standing = account_standing(at.session, at.now, account.code)
    if standing is None:
        raise NotFound("There is no such account.", "unknown-account")
    return standing
