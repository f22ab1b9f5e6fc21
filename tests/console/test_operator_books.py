"""The books as the staff sees them: a month of them added up, and who had what posted."""

from __future__ import annotations

import csv
from decimal import Decimal
from io import StringIO

from sqlalchemy import select

from meterbook.ledger.tables import JournalEntry
from tests.console.browser import Browser
from tests.console.staff import STAFF, confirmed, done, send, words
from tests.office import Office


def test_a_month_of_the_books_is_shown_and_saved(staff: Browser, office: Office) -> None:
    code = office.account(tax="10")
    office.issued(code, "4321.00")
    page = staff.get("/operator/report?month=2027-07")
    assert page.status_code == 200
    told = words(page)
    assert "so far" in told
    assert "Calls" in told
    assert "10%" in told
    saved = staff.get("/operator/report?month=2027-07&format=csv")
    assert saved.headers["content-type"] == "text/csv; charset=utf-8"
    assert "report-2027-07.csv" in saved.headers["content-disposition"]
    rows = list(csv.reader(StringIO(saved.text.lstrip("\ufeff"))))
    assert rows[0] == ["Currency", "Part", "Item", "What", "Amount"]
    opening = [row for row in rows if row[2] == "Receivable" and row[3] == "Opening"]
    changes = [Decimal(row[4]) for row in rows if row[2] == "Receivable" and row[3] not in ("Opening", "Closing")]
    (closing,) = [row for row in rows if row[2] == "Receivable" and row[3] == "Closing"]
    assert sum(changes, Decimal(opening[0][4])) == Decimal(closing[4])
    assert Decimal(closing[4]) == sum(Decimal(row[4]) for row in rows if row[1] == "Owed")
    for wrong in ("2027-13", "x"):
        assert staff.get(f"/operator/report?month={wrong}").status_code == 422
    assert "Nothing is booked yet" in words(staff.get("/operator/report?month=2020-01"))


def test_the_books_say_who_acted(staff: Browser, office: Office) -> None:
    code = office.account()
    office.register(code, "card", "fake_succeeds")
    office.use(code, "20.00")
    page = staff.get(f"/operator/closes?month=2027-06&q={code}")
    done(send(staff, page, "/operator/closes/draft", month="2027-06", account=code))
    office.work()
    page = staff.get(f"/operator/closes/confirm?month=2027-06&account={code}")
    done(send(staff, page, "/operator/closes/confirm"))
    office.work()
    confirmed(staff, f"/operator/accounts/{code}/top-up", amount="5.00", reference="ahead")
    with office.database.transaction() as session:
        own = JournalEntry.account_id == office.row(code).id
        posted = session.execute(select(JournalEntry.reason, JournalEntry.posted_by).where(own)).all()
    assert {tuple(row) for row in posted} == {("invoice", STAFF), ("top_up", STAFF), ("settlement", STAFF)}
    before = office.now
    office.work("2027-07-25T00:00Z")  # the card is charged by nobody in person
    office.now = before
    with office.database.transaction() as session:
        payment = select(JournalEntry.posted_by).where(own, JournalEntry.reason == "payment")
        assert session.scalars(payment).all() == [None]
