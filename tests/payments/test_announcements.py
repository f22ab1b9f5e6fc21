"""What is announced of bills, payments, projects, accounts and budgets, as the webhook hears it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from meterbook.accounts.change_project import change_project
from meterbook.accounts.close_account import close_account, reopen_account
from meterbook.accounts.prove import prove_local
from meterbook.accounts.queries import account_by_code, project_by_code
from meterbook.accounts.tables import Account
from meterbook.budgets.set_budget import set_budget
from meterbook.budgets.watch import watch_budgets
from meterbook.database import Database
from meterbook.invoicing.correct import credit
from meterbook.invoicing.tables import Invoice
from meterbook.invoicing.write_off import reinstate, write_off
from meterbook.payments.queries import payments_of
from meterbook.payments.record import record, top_up
from meterbook.payments.refund import refund
from meterbook.payments.remind import remind_overdue
from meterbook.payments.take_back import take_back
from meterbook.settings import load_settings
from meterbook.usage.store import UsageStore
from tests.office import Office, usd, utc
from tests.webhook_receiver import SECRET, Receiver, receiving

OPERATOR = prove_local("a", "a")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path, receiver: Receiver) -> Iterator[Office]:
    listening = Database(database.engine.url, announces=True)
    settings = load_settings(data_dir=tmp_path, webhook_url=receiver.address, webhook_secret=SECRET)
    yield Office(listening, usage, settings)
    listening.dispose()


def heard(office: Office, receiver: Receiver) -> list[str]:
    """Do what is due, and return what the webhook heard since the last look: types, and what they are about."""
    while office.work():
        pass
    events = receiver.events()
    return sorted(f"{event['type'].removeprefix('meterbook.')} {event['subject']}" for event in events)


def do(office: Office, code: str, act: Callable[[Session, Account], object]) -> None:
    with office.database.transaction() as session:
        act(session, account_by_code(session, code, OPERATOR))


def pay(office: Office, code: str, amount: str) -> str:
    """Record a transfer, and return its id."""
    ids = list[int]()

    def act(session: Session, account: Account) -> None:
        paid = record(
            session,
            office.now,
            account=account,
            amount=usd(amount),
            received_on=office.now.date(),
            reference="wire",
        )
        ids.append(paid.id)

    do(office, code, act)
    return str(ids[0])


def test_of_a_bill_that_is_paid_by_transfer(office: Office, receiver: Receiver) -> None:
    code = office.account()
    office.register(code)
    number = office.issued(code, "100.00").number
    assert heard(office, receiver) == [f"invoice.issued {number}"]
    first = pay(office, code, "40.00")
    assert heard(office, receiver) == [f"payment.received {first}"]
    second = pay(office, code, "70.00")
    assert heard(office, receiver) == [f"invoice.paid {number}", f"payment.received {second}"]

    # the ten that were over pay some of the next bill, and what is put in the rest of it
    office.now = utc("2027-08-03T01:00Z")
    later = office.issued(code, "25.00", "2027-07").number
    assert heard(office, receiver) == [f"invoice.issued {later}"]
    do(office, code, lambda session, account: put_in(session, office, account))
    assert f"invoice.paid {later}" in heard(office, receiver)
    office.check()


def put_in(session: Session, office: Office, account: Account) -> None:
    top_up(session, office.now, account=account, amount=usd("20.00"), reference="ahead")


def test_of_what_a_payment_says(office: Office, receiver: Receiver) -> None:
    code = office.account()
    payment = pay(office, code, "40.5")
    office.work()
    (event,) = receiver.events()
    assert event["data"] == {"account": code, "payment": int(payment), "currency": "USD", "amount": "40.50"}


def test_of_a_bill_that_credit_pays_at_once(office: Office, receiver: Receiver) -> None:
    code = office.account()
    pay(office, code, "100.00")
    assert len(heard(office, receiver)) == 1
    number = office.issued(code, "60.00").number
    assert heard(office, receiver) == [f"invoice.issued {number}", f"invoice.paid {number}"]


def test_of_a_bill_that_is_overdue_corrected_and_written_off(office: Office, receiver: Receiver) -> None:
    code = office.account()
    office.register(code)
    invoice = office.issued(code, "100.00")
    office.work("2027-07-26T09:00Z")
    receiver.events()
    for _ in range(2):  # of which the second tells nothing new
        do(office, code, lambda session, _: remind_overdue(session, office.now, office.settings))
    assert heard(office, receiver) == [f"invoice.overdue {invoice.number}"]

    def correct(session: Session, account: Account) -> None:
        stored = session.get_one(Invoice, invoice.id)
        nets = {1: usd("30.00")}
        credit(session, office.now, office.settings, account=account, invoice=stored, reason="agreed", nets=nets)

    do(office, code, correct)
    (told,) = heard(office, receiver)
    assert told.startswith("credit_note.issued CN-")
    for act in (write_off, reinstate):
        do(office, code, partial(on_invoice, office, invoice.id, act))
    office.work()
    events = receiver.events()
    assert sorted((event["type"], event["data"]["amount"]) for event in events) == [
        ("meterbook.invoice.reinstated", "70.00"),
        ("meterbook.invoice.written_off", "70.00"),
    ]


def on_invoice(office: Office, id_: int, act: Callable[..., object], session: Session, account: Account) -> None:
    act(session, office.now, account=account, invoice=session.get_one(Invoice, id_))


def test_of_money_that_goes_again(office: Office, receiver: Receiver) -> None:
    code = office.account()
    payment = pay(office, code, "50.00")
    heard(office, receiver)

    def give_back(session: Session, account: Account) -> None:
        (found,) = payments_of(session, account.id)
        refund(session, office.now, account=account, payment=found, amount=usd("20.00"), reason="asked for")

    def returned(session: Session, account: Account) -> None:
        (found,) = payments_of(session, account.id)
        take_back(session, office.now, account=account, payment=found, reason="returned by the bank")

    do(office, code, give_back)
    assert heard(office, receiver) == [f"payment.refunded {payment}"]
    do(office, code, returned)
    assert heard(office, receiver) == [f"payment.returned {payment}"]


def test_of_a_card_that_declines_until_its_projects_are_limited(office: Office, receiver: Receiver) -> None:
    code = office.account()
    office.register(code, "card", "fake_declines")
    number = office.issued(code, "100.00").number
    heard(office, receiver)
    for day in (25, 26, 28):
        office.work(f"2027-07-{day}T00:00Z")
        assert heard(office, receiver) == [f"payment.declined {number}"]
    office.work("2027-08-01T00:00Z")
    assert heard(office, receiver) == [f"payment.declined {number}", f"project.limited {code}"]
    payment = pay(office, code, "100.00")
    assert heard(office, receiver) == [
        f"invoice.paid {number}",
        f"payment.received {payment}",
        f"project.unlimited {code}",
    ]


def test_of_a_card_that_pays_and_gets_its_money_back(office: Office, receiver: Receiver) -> None:
    code = office.account()
    office.register(code, "card", "fake_succeeds")
    number = office.issued(code, "100.00").number
    heard(office, receiver)
    office.work("2027-07-25T00:00Z")
    paid = heard(office, receiver)
    assert paid[0] == f"invoice.paid {number}"
    payment = paid[1].removeprefix("payment.received ")
    pay(office, code, "10.00")
    heard(office, receiver)

    def give_back(session: Session, account: Account) -> None:
        found = next(each for each in payments_of(session, account.id) if str(each.id) == payment)
        refund(session, office.now, account=account, payment=found, amount=usd("5.00"), reason="asked for")

    do(office, code, give_back)
    assert heard(office, receiver) == [f"payment.refunded {payment}"]


def test_of_projects_and_accounts_once_for_each_change(office: Office, receiver: Receiver) -> None:
    code = office.account()
    for limited in (True, True, False, False):
        do(office, code, partial(limit, office, limited))
    assert heard(office, receiver) == [f"project.limited {code}", f"project.unlimited {code}"]
    for act in (close_account, close_account, reopen_account, reopen_account):
        do(office, code, partial(on_account, office, act))
    assert heard(office, receiver) == [f"account.closed {code}", f"account.reopened {code}"]


def on_account(office: Office, act: Callable[..., object], session: Session, account: Account) -> None:
    act(session, office.now, account=account)


def limit(office: Office, limited: bool, session: Session, account: Account) -> None:
    project = project_by_code(session, account.code, OPERATOR)
    change_project(session, office.now, account=account, project=project, limited=limited)


def test_of_a_budget_the_highest_part_that_is_reached(office: Office, receiver: Receiver) -> None:
    code = office.account()
    office.register(code)
    office.now = utc("2027-06-15T10:00Z")
    do(office, code, lambda session, account: set_budget(session, office.now, account=account, amount="100", by="a"))
    office.use(code, "85.00")
    for _ in range(2):
        watch_budgets(office.database.transaction, office.usage, office.now)
    office.work()
    (event,) = receiver.events()
    told = {"account": code, "month": "2027-06", "percent": 80, "currency": "USD", "spent": "85.00"}
    assert (event["type"], event["data"]) == ("meterbook.budget.reached", told)
