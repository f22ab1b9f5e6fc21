"""A payment that did not stay is taken back: what it paid is unpaid again, wherever its money had gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account
from meterbook.core.money import Money
from meterbook.database import Database
from meterbook.errors import Invalid, Refused
from meterbook.invoicing.correct import credit
from meterbook.invoicing.queries import issued_invoices, standing_of
from meterbook.invoicing.tables import Invoice
from meterbook.invoicing.write_off import write_off
from meterbook.ledger.queries import balance_through, unpaid_of
from meterbook.payments.gateway import GatewayNews, NewsKind
from meterbook.payments.history import settlings_of
from meterbook.payments.news import take_news
from meterbook.payments.queries import payments_of
from meterbook.payments.record import record, top_up
from meterbook.payments.refund import refund
from meterbook.payments.remind import remind_overdue
from meterbook.payments.tables import Payment
from meterbook.payments.take_back import take_back
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import USD, Office, usd, utc


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path))


def do(office: Office, act: Callable[[Session], object]) -> None:
    with office.database.transaction() as session:
        act(session)


def recorded(office: Office, code: str, amount: str) -> None:
    account, now, money = office.row(code), office.now, usd(amount)
    day = now.date()
    do(
        office,
        lambda session: record(session, now, account=account, amount=money, received_on=day, reference="wire"),
    )


def credited(office: Office, code: str, invoice: Invoice, net: str) -> None:
    def act(session: Session) -> None:
        stored, nets = session.get_one(Invoice, invoice.id), {1: usd(net)}
        account = office.row(code)
        credit(session, office.now, office.settings, account=account, invoice=stored, reason="agreed", nets=nets)

    do(office, act)


def first_payment(session: Session, account: Account) -> Payment:
    return min(payments_of(session, account.id), key=lambda payment: payment.id)


def took_back(office: Office, code: str, reason: str = "returned by the bank") -> str:
    """Take back an account's first payment; return how much of it."""
    account = office.row(code)
    with office.database.transaction() as session:
        payment = first_payment(session, account)
        row = take_back(session, office.now, account=account, payment=payment, reason=reason)
        return str(Money(row.amount_minor, USD))


def stands(office: Office, code: str) -> tuple[list[str], str]:
    """Return what is unpaid of each invoice, the oldest first, and the balance; the books hold."""
    office.check()
    with office.database.transaction() as session:
        account = office.row(code)
        invoices = sorted((each for each, _ in issued_invoices(session, [account.id])), key=lambda each: each.id)
        unpaid = [str(Money(unpaid_of(session, each.id, account.id), USD)) for each in invoices]
        return unpaid, str(Money(balance_through(session, account.id), USD))


def test_what_it_paid_is_unpaid_again_until_money_comes(office: Office) -> None:
    code = office.account()
    invoice = office.issued(code, "100.00")
    recorded(office, code, "150.00")
    assert stands(office, code) == (["0.00"], "50.00")
    assert took_back(office, code) == "150.00"
    assert stands(office, code) == (["100.00"], "0.00")
    recorded(office, code, "100.00")
    assert stands(office, code) == (["0.00"], "0.00")
    with office.database.transaction() as session:
        account, stored = office.row(code), session.get_one(Invoice, invoice.id)
        told = [(each.reason, str(each.amount), str(each.left)) for each in settlings_of(session, account, stored, [])]
        standing = standing_of(session, stored, account, office.now)
    assert told == [
        ("payment", "100.00", "0.00"),
        ("payment_return", "-100.00", "100.00"),
        ("payment", "100.00", "0.00"),
    ]
    assert (standing.status, str(standing.paid)) == ("paid", "100.00")


def test_it_is_taken_back_once_and_less_what_was_refunded(office: Office) -> None:
    code = office.account()
    office.issued(code, "100.00")
    recorded(office, code, "150.00")
    account = office.row(code)

    def give_back(session: Session) -> None:
        payment = first_payment(session, account)
        refund(session, office.now, account=account, payment=payment, amount=usd("50.00"), reason="")

    do(office, give_back)
    with pytest.raises(Invalid, match="Give the reason"):
        took_back(office, code, " ")
    assert stands(office, code) == (["0.00"], "0.00")
    assert took_back(office, code) == "100.00"
    for again in (lambda: took_back(office, code), lambda: do(office, give_back)):
        with pytest.raises(Refused):
            again()
        assert stands(office, code) == (["100.00"], "0.00")


def test_the_balance_pays_what_is_unpaid_again(office: Office) -> None:
    code = office.account()
    office.issued(code, "100.00")
    recorded(office, code, "100.00")
    account = office.row(code)
    do(office, lambda session: top_up(session, office.now, account=account, amount=usd("60.00"), reference=""))
    took_back(office, code)
    assert stands(office, code) == (["40.00"], "0.00")


def test_money_that_went_on_is_found_where_it_is(office: Office) -> None:
    code = office.account()
    first = office.issued(code, "100.00")
    recorded(office, code, "100.00")
    credited(office, code, first, "100.00")
    office.now = utc("2027-08-03T00:00Z")
    second = office.issued(code, "80.00", "2027-07")
    assert stands(office, code) == (["0.00", "0.00"], "20.00")
    took_back(office, code)
    assert stands(office, code) == (["0.00", "80.00"], "0.00")
    # what is unpaid is credited first: nothing of it is in the invoice any more
    credited(office, code, second, "80.00")
    assert stands(office, code) == (["0.00", "0.00"], "0.00")


def test_what_was_written_off_stays_bad_debt(office: Office) -> None:
    code = office.account()
    invoice = office.issued(code, "100.00")
    recorded(office, code, "40.00")
    account = office.row(code)
    do(office, lambda session: write_off(session, office.now, account=account, invoice=session.merge(invoice)))
    took_back(office, code)
    assert stands(office, code) == (["0.00"], "0.00")
    with office.database.transaction() as session:
        standing = standing_of(session, session.get_one(Invoice, invoice.id), account, office.now)
    assert (standing.status, str(standing.written_off), str(standing.paid)) == ("written_off", "100.00", "0.00")


def disputed(kind: NewsKind, reference: str, number: int, minor: int = 6000) -> GatewayNews:
    return GatewayNews(
        f"evt_dispute_{number}",
        kind,
        utc("2027-07-26T00:00Z"),
        charge_reference=reference,
        dispute_reference="dp_1",
        amount_minor=minor,
        currency="USD",
        message="fraudulent",
    )


def test_a_dispute_takes_its_part_back_and_gives_it_again_when_it_is_won(office: Office) -> None:
    code = office.account()
    office.register(code, "card", "fake_succeeds")
    office.issued(code, "100.00")
    office.work("2027-07-25T00:00Z")
    with office.database.transaction() as session:
        payment = first_payment(session, office.row(code))
    reference = str(payment.gateway_reference)

    def told(news: GatewayNews) -> bool:
        with office.database.transaction() as session:
            return take_news(session, office.now, office.settings, "fake", news)

    won = disputed(NewsKind.dispute_won, reference, 1)
    assert told(won)
    assert stands(office, code) == (["0.00"], "0.00"), "nothing was taken for it"
    assert told(disputed(NewsKind.charge_disputed, "of another system", 2))
    assert [told(disputed(NewsKind.charge_disputed, reference, 3)) for _ in range(2)] == [True, False]
    assert stands(office, code) == (["60.00"], "0.00")
    for number in (4, 5):
        assert told(disputed(NewsKind.dispute_won, reference, number))
        assert stands(office, code) == (["0.00"], "0.00")
    assert told(disputed(NewsKind.charge_disputed, reference, 6, 9000))
    assert stands(office, code) == (["40.00"], "0.00"), "what was left of it"
    assert told(disputed(NewsKind.charge_disputed, reference, 7))
    assert told(disputed(NewsKind.dispute_won, reference, 8))
    assert stands(office, code) == (["40.00"], "0.00"), "nothing was left of it, and it was won before"


def test_an_invoice_whose_charge_was_disputed_is_reminded_of(office: Office) -> None:
    code = office.account()
    office.register(code, "card", "fake_succeeds")
    office.issued(code, "100.00")
    office.work("2027-07-25T00:00Z")
    assert stands(office, code) == (["0.00"], "0.00")
    took_back(office, code, "disputed")
    office.now = utc("2027-07-27T09:00Z")
    do(office, lambda session: remind_overdue(session, office.now, office.settings))
    office.work()
    assert len([path for path in office.letters() if ".overdue@" in path.name]) == 1
    assert stands(office, code) == (["100.00"], "0.00")
