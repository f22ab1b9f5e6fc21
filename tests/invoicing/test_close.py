"""Closes in an unusual order, of months that cost nothing, and credit notes of an invoice with less than its lines."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from meterbook.accounts.add_project import add_project
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.core.period import BillingMonth
from meterbook.database import Database
from meterbook.errors import Refused
from meterbook.invoicing.correct import credit
from meterbook.invoicing.queries import invoices_of_month
from meterbook.invoicing.schedule import close_due
from meterbook.invoicing.tables import CreditNote, Invoice
from meterbook.jobs.handlers import close_what_is_due
from meterbook.ledger.queries import credits_left
from meterbook.promotions.add_promotion import add_promotion
from meterbook.promotions.redeem import redeem
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import CATALOG, Office, usd, utc

VOLUME = CATALOG.replace(
    'model = "per_unit", per = "quantity", unit_price = "1"',
    'model = "volume", per = "quantity", tiers = [{ up_to = "10", unit_price = "2" }, { unit_price = "1" }]',
)


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path, close_schedule="issue"), utc("2027-08-03T00:00Z"))


def total(office: Office, code: str, month: str) -> tuple[bool, int] | None:
    """Return whether a month is issued and what it comes to, None without an invoice."""
    with office.database.transaction() as session:
        account_id = office.row(code).id
        found = invoices_of_month(session, [account_id], BillingMonth.parse(month)).get(account_id)
        return None if found is None else (found.number is not None, found.total_minor)


def grant(office: Office, code: str, dollars: int, at: str, until: str) -> None:
    """Register a credit that holds from `at` until another moment."""
    with office.database.transaction() as session:
        promotion = add_promotion(
            session,
            utc(at),
            code=f"C-{code}",
            kind="credit",
            value=Decimal(dollars),
            currency="USD",
            ends_at=utc(until),
        )
        redeem(session, utc(at), account=office.row(code), code=promotion.code, by="test")


def left_of_credit(office: Office, code: str) -> int:
    with office.database.transaction() as session:
        return sum(credits_left(session, [office.row(code).id]).values())


def give_back(office: Office, code: str, invoice: Invoice, dollars: str) -> CreditNote:
    """Give back so much of an invoice's first line."""
    with office.database.transaction() as session:
        stored, account = session.get_one(Invoice, invoice.id), office.row(code)
        nets = {1: usd(dollars)}
        return credit(session, office.now, office.settings, account=account, invoice=stored, reason="A test", nets=nets)


def test_a_draft_that_is_kept_comes_before_a_later_month(office: Office) -> None:
    code = office.account()
    office.issued(code, "10.00", "2027-05")
    office.use(code, "3.00", "2027-05-11T10:00:00Z")
    # June has no usage of its own: its draft is the adjustment of May, and July's must not hold it as well
    office.close(code, "2027-06", confirm=False)
    assert total(office, code, "2027-06") == (False, 300)
    office.use(code, "5.00", "2027-07-10T10:00:00Z")
    with pytest.raises(Refused, match="2027-06 is drafted and not issued"):
        office.close(code, "2027-07")
    assert [office.issued(code, month=month).total_minor for month in ("2027-06", "2027-07")] == [300, 500]
    office.check()


def test_a_first_month_that_is_drafted_comes_before_a_later_one(office: Office) -> None:
    code = office.account()
    office.use(code, "3.00")
    office.close(code, confirm=False)
    office.use(code, "5.00", "2027-07-10T10:00:00Z")
    with pytest.raises(Refused, match="2027-06 is drafted and not issued"):
        office.close(code, "2027-07")
    assert [office.issued(code, month=month).total_minor for month in ("2027-06", "2027-07")] == [300, 500]
    office.check()


def test_a_draft_of_a_later_month_goes_when_an_earlier_one_is_drafted(office: Office) -> None:
    code = office.account()
    office.issued(code, "10.00", "2027-05")
    office.use(code, "3.00", "2027-05-11T10:00:00Z")
    office.use(code, "5.00", "2027-07-10T10:00:00Z")
    office.close(code, "2027-07", confirm=False)
    assert total(office, code, "2027-07") == (False, 800)
    office.use(code, "2.00", "2027-06-10T10:00:00Z")
    assert office.issued(code, month="2027-06").total_minor == 500, "June takes the adjustment of May"
    assert total(office, code, "2027-07") is None
    assert office.issued(code, month="2027-07").total_minor == 500
    office.check()


def test_a_draft_leaves_credit_alone(office: Office) -> None:
    code = office.account()
    office.register(code)
    grant(office, code, 20, "2027-06-01T00:00Z", "2027-06-20T00:00Z")
    office.close(code, confirm=False)
    assert left_of_credit(office, code) == 2_000, "a draft of nothing closes nothing"
    invoice = office.issued(code, "15.00")
    assert (invoice.credit_used_minor, left_of_credit(office, code)) == (1_500, 0)
    office.check()


def test_credit_that_comes_back_after_its_end_expires_again(office: Office) -> None:
    code = office.account()
    office.register(code)
    grant(office, code, 20, "2027-05-01T00:00Z", "2027-06-20T00:00Z")
    may = office.issued(code, "15.00", "2027-05")
    office.close(code)
    assert left_of_credit(office, code) == 0
    give_back(office, code, may, "4.00")
    assert left_of_credit(office, code) == 400
    for _ in range(2):
        office.close(code)
        assert left_of_credit(office, code) == 0
    office.check()


def test_a_month_that_costs_nothing_has_its_invoice(office: Office) -> None:
    code = office.account()
    with office.database.transaction() as session:
        account = office.row(code)
        add_project(session, office.now, account=account, code=f"{code}-t", trial_until=utc("2027-07-01T00:00Z"))
    office.use(f"{code}-t", "15.00")
    invoice = office.issued(code)
    assert (invoice.number is not None, invoice.total_minor) == (True, 0)
    office.check()


def test_the_schedule_passes_over_an_account_that_is_out_of_order(office: Office) -> None:
    code = office.account()
    office.issued(code, "10.00", "2027-05")
    office.use(code, "10.00")
    office.use(code, "10.00", "2027-07-10T10:00:00Z")
    office.now += timedelta(days=1)
    (closed,) = close_due(office.database.transaction, office.usage, office.settings, office.now)
    assert [(each.account, each.reason) for each in closed.skipped] == [
        (code, "2027-06 has usage and is not issued: close it first, or leave it unbilled")
    ]
    close_what_is_due(office.place, office.now)
    office.issued(code)
    close_due(office.database.transaction, office.usage, office.settings, office.now)
    assert total(office, code, "2027-07") == (True, 1_000)
    office.check()


def lines_of(office: Office, invoice: Invoice) -> list[tuple[int, str | None]]:
    with office.database.transaction() as session:
        return [(line.amount_minor, line.adjusts_month) for line in session.get_one(Invoice, invoice.id).lines]


def test_no_more_is_given_back_than_the_invoice_came_to(office: Office) -> None:
    with office.database.transaction() as session:
        apply_catalog(session, parse_catalog(VOLUME), office.now, lambda *_: False)
    code = office.account(tax="10")
    assert office.issued(code, "10").subtotal_minor == 2_000
    # with one call more June comes to 11.00: 9.00 less, of which July's own 8.00 can take 8.00
    office.use(code, "1", "2027-06-11T10:00:00Z")
    july = office.issued(code, "4", "2027-07")
    assert lines_of(office, july) == [(800, None), (-800, "2027-06")]
    assert (july.total_minor, july.deferred_months) == (0, ["2027-06"])
    with pytest.raises(Refused, match=r"has 0\.00 left to credit, with tax, not 1\.10"):
        give_back(office, code, july, "1.00")
    # August takes the last 1.00 of it
    office.now = utc("2027-09-03T00:00Z")
    august = office.issued(code, "3", "2027-08")
    assert lines_of(office, august) == [(600, None), (-100, "2027-06")]
    assert (august.net_minor, august.total_minor) == (500, 550)
    with pytest.raises(Refused, match=r"has 5\.50 left to credit, with tax, not 6\.60"):
        give_back(office, code, august, "6.00")
    note = give_back(office, code, august, "5.00")
    assert (note.total_minor, note.tax_minor, note.returned_minor) == (550, 50, 0)
    office.check()
