"""Issued months as they are remembered, the same hours of the month before, and what changed from one to the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from meterbook.accounts.queries import all_projects
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.metering import MeterKind
from meterbook.core.period import BillingMonth
from meterbook.database import Database
from meterbook.invoicing.changes import Cause, greatest_changes, with_days
from meterbook.invoicing.draft import Payer
from meterbook.invoicing.remembered import RememberedMonths
from meterbook.invoicing.same_hours import SameHours, same_hours
from meterbook.invoicing.show import ShownMonth, show_month
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.core.months import drafted, frame_of, price, product
from tests.office import Office, usd, utc

MAY, JUNE = BillingMonth(2027, 5), BillingMonth(2027, 6)


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path))


@pytest.fixture
def session(office: Office) -> Iterator[Session]:
    with office.database.transaction() as session:
        yield session


def shown(office: Office, session: Session, code: str, month: BillingMonth, by: RememberedMonths | None) -> ShownMonth:
    show = show_month if by is None else by.show
    return show(session, office.usage, payer(office, session, code), month, office.now)


def payer(office: Office, session: Session, code: str) -> Payer:
    account = office.row(code)
    return Payer(account, all_projects(session, [account.id])[account.id], True)


def compared(
    office: Office, session: Session, code: str, at: datetime, month: BillingMonth = JUNE
) -> tuple[ShownMonth, SameHours]:
    of, remembered = payer(office, session, code), RememberedMonths()
    here = remembered.show(session, office.usage, of, month, at)
    before = same_hours(session, office.usage, of, here.draft.frame, at, remembered)
    return here, before


def test_an_issued_month_is_read_once_and_stays_what_it_is(office: Office, session: Session) -> None:
    remembered = RememberedMonths()
    one, two = office.account(), office.account()
    for code in (one, two):
        office.issued(code, "12.34")
        again = shown(office, session, code, JUNE, remembered)
        anew = shown(office, session, code, JUNE, None)
        assert (again.draft, again.issued, again.daily()) == (anew.draft, anew.issued, anew.daily())
        assert again.daily() is shown(office, session, code, JUNE, remembered).daily()
        assert shown(office, session, code, JUNE, remembered).draft is again.draft
    office.use(one, "5")
    assert shown(office, session, one, JUNE, remembered).draft.total == usd("12.34")


def test_what_is_not_issued_is_shown_as_it_is_now(office: Office, session: Session) -> None:
    remembered, code = RememberedMonths(), office.account()
    office.use(code, "1")
    assert shown(office, session, code, JUNE, remembered).draft.total == usd("1.00")
    office.use(code, "2")
    assert shown(office, session, code, JUNE, remembered).draft.total == usd("3.00")


def test_no_more_is_remembered_than_it_may(office: Office, session: Session) -> None:
    remembered = RememberedMonths(lines_max=60)
    one, two = office.account(), office.account()
    drafts = []
    for code in (one, two, one):
        if len(drafts) < 2:
            office.issued(code, "7")
        drafts.append(shown(office, session, code, JUNE, remembered).draft)
    assert drafts[2] == drafts[0]
    assert drafts[2] is not drafts[0]


def test_the_same_hours_of_a_month_that_is_not_issued_are_drafted(office: Office, session: Session) -> None:
    code = office.account()
    for amount, at in (("10", "2027-05-03T05:30:00Z"), ("7", "2027-05-03T06:00:00Z"), ("4", "2027-06-03T05:00:00Z")):
        office.use(code, amount, at)
    here, before = compared(office, session, code, utc("2027-06-03T05:10:00Z"))
    assert (here.draft.total, before.draft.total) == (usd("4.00"), usd("10.00"))
    assert (before.until, before.is_whole, before.issued) == (utc("2027-05-03T06:00:00Z"), False, None)
    assert str(before.percent_more(here.draft.total)) == "-60.0"


def test_the_same_hours_of_an_issued_month_are_cut_out_of_what_it_counted(office: Office, session: Session) -> None:
    office.now = utc("2027-06-03T05:10:00Z")
    code = office.account()
    office.use(code, "10", "2027-05-03T05:00:00Z")
    office.issued(code, "7", "2027-05")
    office.use(code, "100", "2027-05-01T05:00:00Z")
    _, before = compared(office, session, code, office.now)
    assert before.issued is not None
    assert before.draft.total == usd("10.00")


def test_the_hours_of_a_longer_month_end_with_the_month_before(office: Office, session: Session) -> None:
    office.now = utc("2027-03-30T05:10:00Z")
    code = office.account()
    office.use(code, "9", "2027-02-28T23:00:00Z")
    _, before = compared(office, session, code, office.now, BillingMonth(2027, 3))
    assert (before.draft.total, before.until) == (usd("9.00"), utc("2027-03-01T00:00:00Z"))


def test_changes_add_up_and_late_usage_is_one(office: Office, session: Session) -> None:
    code = office.account()
    office.issued(code, "3", "2027-05")
    office.use(code, "5", "2027-05-20T05:00:00Z")
    office.use(code, "11", "2027-06-20T05:00:00Z")
    office.now = utc("2027-07-04T00:00:00Z")
    here, before = compared(office, session, code, office.now)
    changes = greatest_changes(here.draft, before.draft)
    assert [(each.cause, each.difference, each.late_month) for each in changes] == [
        (Cause.units, usd("8.00"), None),
        (Cause.late, usd("5.00"), MAY),
    ]
    total = sum((each.difference for each in changes), usd("0"))
    assert total == here.draft.net - before.draft.net
    assert greatest_changes(here.draft, before.draft, 1) == changes[:1]
    assert greatest_changes(here.draft, here.draft) == []


def test_the_day_since_when_is_told_of_a_new_level(office: Office, session: Session) -> None:
    code = office.account()
    for day in range(1, 11):
        office.use(code, "3", f"2027-05-{day:02}T05:00:00Z")
        office.use(code, "3" if day < 7 else "5", f"2027-06-{day:02}T05:00:00Z")
    for day in range(11, 32):
        office.use(code, "3", f"2027-05-{day:02}T05:00:00Z")
    at = utc("2027-06-11T00:00:00Z")
    here, before = compared(office, session, code, at)
    greatest = greatest_changes(here.draft, before.draft)
    (change,) = with_days(greatest, office.usage, payer(office, session, code), here.draft)
    assert (str(change.units_before), str(change.units_after), str(change.since)) == ("3.00", "5.00", "2027-06-07")


def test_a_product_that_one_month_has_alone_is_new_or_gone(office: Office, session: Session) -> None:
    code = office.account()
    office.use(code, "3", "2027-06-10T05:00:00Z")
    here, before = compared(office, session, code, utc("2027-07-01T00:00:00Z"))
    assert not before.has_usage
    assert [each.cause for each in greatest_changes(here.draft, before.draft)] == [Cause.new]
    assert [each.cause for each in greatest_changes(before.draft, here.draft)] == [Cause.gone]


def test_a_stock_is_told_by_the_hours_that_it_is_kept_for() -> None:
    log = product("log", price("720"), kind=MeterKind.stock)

    def first_hour(month: str, kept: int) -> InvoiceDraft:
        frame = frame_of(month)
        at = frame.starts_at + timedelta(hours=1)
        one_hour = drafted(frame, [log], [("web", "log", frame.starts_at, at, Decimal(1))], at=at)
        (line,) = one_hour.lines
        whole_day = line.charge._replace(usage_hours=24, quantity=Fraction(kept * 24))
        return replace(one_hour, lines=(line._replace(charge=whole_day),))

    (change,) = greatest_changes(first_hour("2026-06", 5), first_hour("2026-05", 3))
    assert (str(change.units_before), str(change.units_after)) == ("3.00", "5.00")
