"""What stops an account's payments, and when it pays next, as its books and its cards stand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from meterbook.accounts.close_account import close_account
from meterbook.accounts.prove import prove_local
from meterbook.accounts.queries import account_by_code
from meterbook.core.period import BillingMonth
from meterbook.database import Database
from meterbook.invoicing.debt import debt_of
from meterbook.invoicing.leave_unbilled import leave_unbilled
from meterbook.payments.gateways.open import open_card_gateway
from meterbook.payments.missing_steps import missing_steps
from meterbook.payments.next_payment import NextPayment, next_payment
from meterbook.payments.record import record
from meterbook.payments.register import checked
from meterbook.payments.set_up_card import begin
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import Office, usd, utc


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path))


def missing(office: Office, code: str, settings: Settings | None = None) -> list[tuple[str, str | None]]:
    with office.database.transaction() as session:
        account = office.row(code)
        debt = debt_of(session, account, office.now)
        steps = missing_steps(session, office.now, settings or office.settings, account, debt)
        return [(step.what, step.reference) for step in steps]


def coming(office: Office, code: str) -> NextPayment:
    with office.database.transaction() as session:
        account = office.row(code)
        return next_payment(session, office.now, office.settings, account, debt_of(session, account, office.now))


def test_information_is_missing_until_it_is_registered(office: Office) -> None:
    code = office.account()
    assert missing(office, code) == [("information", None)]
    office.register(code)
    assert missing(office, code) == []
    office.register(code, "bank_transfer")
    assert missing(office, code) == [("registration-number", None)]


def test_a_form_for_a_card_that_is_open_comes_first(office: Office) -> None:
    code = office.account()
    account = office.row(code)
    information = checked(
        account,
        method="card",
        company=None,
        registration_number=None,
        recipient=None,
        email="pay@money.example",
        cc=[],
        language=None,
    )
    form = begin(
        office.database.transaction,
        open_card_gateway(office.settings, office.database),
        office.now,
        account=account,
        information=information,
        return_url="https://billing.example.com/?",
        language="en",
        key="one",
    )
    assert missing(office, code) == [("card-form", form.reference)]
    office.now = utc("2027-07-05T00:00Z")
    assert missing(office, code) == [("information", None)]


def test_a_card_that_was_declined_is_missing_until_there_is_another_or_the_bill_is_paid(office: Office) -> None:
    code = office.account()
    office.register(code, "card", "fake_declines")
    invoice = office.issued(code, "20.00")
    assert missing(office, code) == []
    office.work("2027-07-25T00:00:01Z")
    assert missing(office, code) == [("card-declined", invoice.number)]
    office.now = utc("2027-07-26T00:00:01Z")
    assert missing(office, code) == [("card-declined", invoice.number), ("overdue", invoice.number)]
    office.register(code, "card", "fake_succeeds")
    assert missing(office, code) == [("overdue", invoice.number)]
    office.register(code, "card", "fake_declines")
    with office.database.transaction() as session:
        record(
            session,
            office.now,
            account=office.row(code),
            amount=usd("20.00"),
            received_on=date(2027, 7, 26),
            reference="wire",
        )
    assert missing(office, code) == []


def test_a_card_at_a_gateway_that_is_gone_is_missing(office: Office, tmp_path: Path) -> None:
    code = office.account()
    office.register(code, "card", "fake_succeeds")
    assert missing(office, code, Settings(data_dir=tmp_path, fake_gateway=False)) == [("card-gateway", None)]
    by_stripe = Settings(data_dir=tmp_path, stripe_secret_key="sk_test_x")  # type: ignore[arg-type]  # settings read texts
    assert missing(office, code, by_stripe) == [("card-gateway", None)]


def test_the_next_payment_is_what_is_due_next(office: Office) -> None:
    code = office.account()
    nothing = usd("0.00")
    office.now = utc("2027-07-10T00:00Z")
    # what July comes to is due in August
    assert coming(office, code) == NextPayment(date(2027, 8, 25), None, nothing)
    office.use(code, "20.00")
    office.close(code, confirm=False)
    # June is kept as a draft, and due as soon as it is issued
    assert coming(office, code) == NextPayment(date(2027, 7, 25), None, nothing)
    office.issued(code)
    assert coming(office, code) == NextPayment(date(2027, 7, 25), usd("20.00"), nothing)
    office.now = utc("2027-07-26T00:00Z")
    assert coming(office, code) == NextPayment(date(2027, 8, 25), None, usd("20.00"))


def test_after_the_last_bill_of_a_closed_account_nothing_is_to_come(office: Office) -> None:
    code = office.account()
    with office.database.transaction() as session:
        close_account(session, office.now, account=account_by_code(session, code, prove_local("a", "a")))
    for at, due in (
        ("2027-07-20T00:00Z", date(2027, 8, 25)),  # July, in which it was closed, is billed
        ("2027-08-02T23:00Z", date(2027, 8, 25)),
        ("2027-08-03T00:00Z", None),
        ("2027-09-01T23:00Z", None),
    ):
        office.now = utc(at)
        assert coming(office, code).on == due, at


def test_while_a_month_is_awaited_it_is_the_next_to_pay(office: Office) -> None:
    code = office.account()
    for at, due in (("2027-08-02T23:00Z", date(2027, 8, 25)), ("2027-08-03T00:00Z", date(2027, 9, 25))):
        office.now = utc(at)
        assert coming(office, code).on == due


def test_a_month_of_imported_history_is_awaited_until_it_is_issued(office: Office) -> None:
    office.now = utc("2027-08-02T01:00Z")
    code = office.account()
    for month, due in (("2027-06", date(2027, 8, 25)), ("2027-07", date(2027, 9, 25))):
        office.issued(code, "5.00", month)
        with office.database.transaction() as session:
            record(
                session,
                office.now,
                account=office.row(code),
                amount=usd("5.00"),
                received_on=office.now.date(),
                reference="",
            )
        assert coming(office, code) == NextPayment(due, None, usd("0.00"))


def test_a_month_that_is_left_unbilled_is_not_awaited(office: Office) -> None:
    office.now = utc("2027-08-02T01:00Z")
    code = office.account()
    office.use(code, "5.00")
    office.issued(code)
    office.use(code, "5.00", "2027-07-10T10:00:00Z")
    with office.database.transaction() as session:
        leave_unbilled(
            session,
            office.usage,
            office.now,
            month=BillingMonth.parse("2027-07"),
            account_ids=[office.row(code).id],
            reason="a test",
            by="staff",
        )
    assert coming(office, code) == NextPayment(date(2027, 8, 25), usd("5.00"), usd("0.00"))
    with office.database.transaction() as session:
        paid = usd("5.00")
        record(session, office.now, account=office.row(code), amount=paid, received_on=date(2027, 8, 2), reference="")
    assert coming(office, code).on == date(2027, 9, 25)
