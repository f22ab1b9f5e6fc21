"""The forecast goes on at the pace of what still takes usage."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from meterbook.accounts.change_project import change_project
from meterbook.accounts.close_account import close_account
from meterbook.accounts.queries import all_projects
from meterbook.accounts.tables import Project
from meterbook.core.period import BillingMonth
from meterbook.database import Database
from meterbook.invoicing.draft import Payer, draft_month
from meterbook.promotions.add_promotion import add_promotion
from meterbook.promotions.redeem import redeem
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import Office, utc


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path), utc("2027-06-11T00:00Z"))


def told(office: Office, code: str) -> tuple[str, str]:
    """What the month comes to so far, and by its end."""
    with office.database.transaction() as session:
        row = office.row(code)
        payer = Payer(row, all_projects(session, [row.id])[row.id], True)
        draft = draft_month(session, office.usage, payer, BillingMonth(2027, 6), office.now)
        return str(draft.total), str(draft.forecast)


@pytest.mark.parametrize("promoted", [False, True], ids=["alone", "with a promotion"])
def test_a_project_that_is_deleted_does_not_go_on(office: Office, promoted: bool) -> None:
    code = office.account()
    office.use(code, "70", "2027-06-10T10:00:00Z")
    if promoted:
        office.register(code)
        with office.database.transaction() as session:
            add_promotion(session, utc("2027-01-01T00:00Z"), code="HALF", kind="percent", value=Decimal(50))
            redeem(session, office.now, account=office.row(code), code="HALF", by="test")
    # 70 in seven days, and twenty days ahead
    assert told(office, code) == (("35.00", "135.00") if promoted else ("70.00", "270.00"))
    for deleted, forecast in ((True, "70.00"), (False, "270.00")):
        with office.database.transaction() as session:
            account, project = office.row(code), session.query(Project).filter_by(code=code).one()
            change_project(session, office.now, account=account, project=project, deleted=deleted)
        half = str(Decimal(forecast) / 2)
        assert told(office, code)[1] == (half if promoted else forecast)
    with office.database.transaction() as session:
        close_account(session, office.now, account=session.merge(office.row(code)))
    so_far, by_its_end = told(office, code)
    assert so_far == by_its_end


@pytest.mark.parametrize(
    ("at", "days"),
    [("2027-06-11T00:00Z", Decimal(7)), ("2027-06-11T06:00Z", Decimal("6.25")), ("2027-06-10T18:00Z", Decimal("6.75"))],
)
def test_the_pace_is_of_whole_days_and_of_today(office: Office, at: str, days: Decimal) -> None:
    code = office.account()
    office.use(code, "70", "2027-06-10T10:00:00Z")
    office.now = utc(at)
    ahead = Decimal((utc("2027-07-01T00:00Z") - office.now) // timedelta(hours=6)) / 4
    forecast = 70 + 70 / days * ahead
    assert told(office, code) == ("70.00", str(forecast.quantize(Decimal("0.01"), ROUND_HALF_UP)))


def test_an_hour_that_runs_counts_once_something_is_in_it(office: Office) -> None:
    code = office.account()
    for day in range(1, 11):
        for hour in range(24):
            office.use(code, "1", f"2027-06-{day:02}T{hour:02}:45:00Z")
    office.now = utc("2027-06-11T00:30Z")
    assert told(office, code) == ("240.00", "719.00"), "the rest of this hour may come to nothing"
    office.use(code, "1", "2027-06-11T00:05:00Z")
    assert told(office, code) == ("241.00", "720.00")


def test_in_the_first_hours_of_a_month_the_pace_is_of_those_that_are_over(office: Office) -> None:
    code = office.account()
    office.use(code, "2", "2027-06-01T00:45:00Z")
    for at, forecast in (("00:50", "1440.00"), ("01:20", "1438.00"), ("02:00", "720.00")):
        office.now = utc(f"2027-06-01T{at}Z")
        assert told(office, code) == ("2.00", forecast), at


def test_a_month_as_it_was_before_its_invoice_owes_no_invoice_of_its_own(office: Office) -> None:
    code = office.account()
    for month in ("2027-05", "2027-06"):
        office.now = utc(f"{month[:6]}{int(month[6]) + 1}-03T00:00Z")
        office.issued(code, "7", month)
    with office.database.transaction() as session:
        row = office.row(code)
        payer = Payer(row, all_projects(session, [row.id])[row.id], True)
        then = draft_month(session, office.usage, payer, BillingMonth(2027, 6), utc("2027-06-20T00:00Z"))
    assert (str(then.total), str(then.unpaid), str(then.due)) == ("7.00", "7.00", "14.00")
