"""The schedule closes a month after its grace period: drafts, or invoices, by the setting; safe to repeat."""

from __future__ import annotations

from pathlib import Path

import pytest

from meterbook.core.period import BillingMonth
from meterbook.database import Database
from meterbook.errors import Refused
from meterbook.invoicing.queries import invoices_of_month
from meterbook.invoicing.schedule import close_due
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import Office, utc

JUNE = BillingMonth(2027, 6)


def office_with(database: Database, usage: UsageStore, folder: Path, schedule: str, grace: int = 48) -> Office:
    return Office(database, usage, Settings(data_dir=folder, close_schedule=schedule, close_grace_hours=grace))


def standing(office: Office, code: str, month: BillingMonth = JUNE) -> str:
    with office.database.transaction() as session:
        account_id = office.row(code).id
        invoice = invoices_of_month(session, [account_id], month).get(account_id)
    return "nothing" if invoice is None else "draft" if invoice.number is None else "issued"


def run(office: Office, at: str) -> None:
    office.now = utc(at)
    for _ in range(2):
        close_due(office.database.transaction, office.usage, office.settings, office.now)


@pytest.mark.parametrize(("schedule", "found"), [("off", "nothing"), ("draft", "draft"), ("issue", "issued")])
def test_a_month_is_closed_after_its_grace_period(
    database: Database, usage: UsageStore, tmp_path: Path, schedule: str, found: str
) -> None:
    office = office_with(database, usage, tmp_path, schedule)
    code = office.account()
    office.use(code, "10.00")
    run(office, "2027-07-02T23:59Z")
    assert standing(office, code) == "nothing"
    run(office, "2027-07-03T00:00Z")
    assert standing(office, code) == found
    run(office, "2027-07-20T00:00Z")
    assert standing(office, code) == found
    office.check()


def test_a_grace_period_may_be_longer_than_the_month_after(
    database: Database, usage: UsageStore, tmp_path: Path
) -> None:
    office, january = office_with(database, usage, tmp_path, "issue", grace=720), BillingMonth(2027, 1)
    code = office.account()
    office.use(code, "10.00", "2027-01-10T10:00:00Z")
    run(office, "2027-03-02T23:59Z")
    assert standing(office, code, january) == "nothing"
    run(office, "2027-03-03T00:00Z")
    assert standing(office, code, january) == "issued"


def test_a_draft_that_was_looked_at_is_what_is_issued(database: Database, usage: UsageStore, tmp_path: Path) -> None:
    office = office_with(database, usage, tmp_path, "draft")
    code = office.account()
    office.use(code, "10.00")
    run(office, "2027-07-03T00:00Z")
    office.use(code, "5.00")
    run(office, "2027-07-04T00:00Z")
    invoice = office.issued(code)
    assert invoice.total_minor == 1_000
    office.use(code, "1.00", "2027-07-03T10:00:00Z")
    office.now = utc("2027-08-03T00:00Z")
    july = office.issued(code, month="2027-07")
    assert july.total_minor == 600, "what came in between is late usage"
    office.check()


def test_a_month_with_usage_is_closed_before_the_next(database: Database, usage: UsageStore, tmp_path: Path) -> None:
    office = office_with(database, usage, tmp_path, "off")
    code = office.account()
    office.issued(code, "10.00", "2027-05")
    office.use(code, "10.00")
    office.now = utc("2027-08-03T00:00Z")
    office.use(code, "10.00", "2027-07-10T10:00:00Z")
    with pytest.raises(Refused, match="2027-06 has usage and is not issued"):
        office.close(code, "2027-07")
    office.issued(code)
    office.issued(code, month="2027-07")
    office.check()


def test_late_usage_of_a_month_without_any_is_an_adjustment(
    database: Database, usage: UsageStore, tmp_path: Path
) -> None:
    office = office_with(database, usage, tmp_path, "off")
    code = office.account()
    office.issued(code, "10.00", "2027-05")
    office.now = utc("2027-08-03T00:00Z")
    office.issued(code, "10.00", "2027-07")
    office.use(code, "4.00", "2027-06-10T10:00:00Z")
    office.now = utc("2027-09-03T00:00Z")
    august = office.issued(code, "1.00", "2027-08")
    assert august.total_minor == 500
    office.check()
