"""The month report: the journal of a month added up, whose parts agree with each other and with the books."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from meterbook.core.journal import LedgerAccount, Reason
from meterbook.core.money import Money, plain
from meterbook.database import Database
from meterbook.exports.month_report import MonthReport, month_reports
from meterbook.invoicing.correct import credit
from meterbook.invoicing.tables import Invoice
from meterbook.invoicing.write_off import write_off
from meterbook.payments.record import record
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import USD, Office, usd, utc


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path))


def report(office: Office, since: str, until: str) -> MonthReport:
    with office.database.transaction() as session:
        (found,) = month_reports(session, utc(since), utc(until), office.now)
    check_agreement(found)
    return found


def check_agreement(found: MonthReport) -> None:
    nothing = Money.zero(USD)
    assert sum((each.left for each in found.revenue), nothing) == -found.of(LedgerAccount.revenue).change
    assert sum((each.tax for each in found.taxes), nothing) == -found.of(LedgerAccount.tax_payable).change
    assert sum(found.owed.values(), nothing) == found.of(LedgerAccount.receivable).closing
    assert sum((each.closing for each in found.movements), nothing) == nothing


def do(office: Office, act: Callable[[Session], object]) -> None:
    with office.database.transaction() as session:
        act(session)


def pay(office: Office, code: str, amount: str) -> None:
    account, day, money = office.row(code), office.now.date(), usd(amount)
    do(
        office,
        lambda session: record(session, office.now, account=account, amount=money, received_on=day, reference="wire"),
    )


@pytest.fixture
def booked(office: Office) -> tuple[str, str]:
    """June's invoice of 110 with tax, of which 60 are paid and 11 given back in July; another of 22 in August."""
    code, other = office.account(tax="10"), office.account(tax="10")
    office.now = utc("2027-07-03T00:17Z")
    invoice = office.issued(code, "100.00")
    pay(office, code, "60.00")

    def correct(session: Session) -> None:
        stored, account = session.get_one(Invoice, invoice.id), office.row(code)
        nets = {1: usd("10.00")}
        credit(session, office.now, office.settings, account=account, invoice=stored, reason="agreed", nets=nets)

    do(office, correct)
    office.now = utc("2027-08-03T00:17Z")
    office.issued(other, "20.00", "2027-07")
    return code, str(invoice.number)


@pytest.mark.usefixtures("booked")
def test_a_month_is_what_was_booked_in_it(office: Office) -> None:
    july = report(office, "2027-07-01T00:00Z", "2027-08-01T00:00Z")
    receivable = july.of(LedgerAccount.receivable)
    assert receivable.opening == usd("0.00")
    assert receivable.changes == (
        (Reason.invoice, usd("110.00")),
        (Reason.credit_note, usd("-11.00")),
        (Reason.payment, usd("-60.00")),
    )
    assert receivable.closing == usd("39.00")
    assert [(each.product, each.billed, each.credited) for each in july.revenue] == [
        ("calls", usd("100.00"), usd("10.00"))
    ]
    assert [(plain(each.rate), each.base, each.tax) for each in july.taxes] == [("10", usd("90.00"), usd("9.00"))]
    assert july.of(LedgerAccount.cash_clearing).change == usd("60.00")
    august = report(office, "2027-08-01T00:00Z", "2027-09-01T00:00Z")
    assert august.of(LedgerAccount.receivable).opening == usd("39.00")
    assert august.of(LedgerAccount.receivable).closing == usd("61.00")
    assert [(each.product, each.billed) for each in august.revenue] == [("calls", usd("20.00"))]


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize(
    ("day", "age"),
    [
        ("2027-07-25", "not_due"),
        ("2027-07-26", "to_30_days"),
        ("2027-08-24", "to_30_days"),
        ("2027-08-25", "to_60_days"),
        ("2027-09-23", "to_60_days"),
        ("2027-10-23", "to_90_days"),
        ("2027-10-24", "over_90_days"),
    ],
)
def test_what_is_owed_is_told_by_how_late_it_is_at_the_end(office: Office, day: str, age: str) -> None:
    office.now = utc(f"{day}T12:00Z")
    found = report(office, f"{day[:7]}-01T00:00Z", "2028-01-01T00:00Z")
    assert found.owed[age].minor >= 3_900
    assert sum(found.owed.values(), usd("-39.00")) == usd("22.00")


def test_what_is_written_off_is_owed_no_more(office: Office, booked: tuple[str, str]) -> None:
    code, number = booked

    def lose(session: Session) -> None:
        invoice = session.query(Invoice).filter_by(number=number).one()
        write_off(session, office.now, account=office.row(code), invoice=invoice)

    do(office, lose)
    august = report(office, "2027-08-01T00:00Z", "2027-09-01T00:00Z")
    assert august.of(LedgerAccount.bad_debt).closing == usd("39.00")
    assert august.of(LedgerAccount.receivable).closing == usd("22.00")
    assert report(office, "2027-07-01T00:00Z", "2027-08-01T00:00Z").of(LedgerAccount.receivable).closing == usd("39.00")


def test_every_month_of_a_book_follows_the_one_before(office: Office, booked: tuple[str, str]) -> None:
    office.now = utc("2027-09-03T00:17Z")
    pay(office, booked[0], "100.00")
    bounds = [f"2027-{month:02}-01T00:00Z" for month in range(6, 12)]
    with office.database.transaction() as session:
        assert month_reports(session, utc(bounds[0]), utc(bounds[1]), office.now) == []
    found = [report(office, since, until) for since, until in pairwise(bounds[1:])]
    for before, after in pairwise(found):
        closing = [each.closing for each in before.movements]
        assert closing == [each.opening for each in after.movements]
    whole = report(office, bounds[0], bounds[-1])
    assert [each.closing for each in whole.movements] == [each.closing for each in found[-1].movements]
    assert sum((each.change for month in found for each in month.movements), Money.zero(USD)) == Money.zero(USD)
