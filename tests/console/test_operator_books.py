"""The books as the staff sees them: a month of them added up, and who had what posted."""

from __future__ import annotations

import csv
from decimal import Decimal
from io import StringIO

from sqlalchemy import select

from meterbook.accounts.tables import Account
from meterbook.core.money import Money, currency
from meterbook.ledger.tables import JournalEntry
from meterbook.payments.record import top_up
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
    for form in ("", "&format=csv"):
        ahead = staff.get(f"/operator/report?month=2027-08{form}")
        assert ahead.status_code == 422
        assert "August 2027 has not begun yet: ask for a month up to now." in words(ahead)
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


def test_the_journal_is_read_entry_by_entry(staff: Browser, office: Office) -> None:
    code, other = office.account(tax="10"), office.account()
    number = office.issued(code, "100.00").number
    confirmed(staff, f"/operator/accounts/{other}/top-up", amount="7.25", reference="ahead")
    page = staff.get(f"/operator/journal?account=+{code}")
    told = words(page)
    for said in ("Invoices invoice:", "Receivable", "$110.00", "Revenue Calls -$100.00", "Tax payable -$10.00"):
        assert said in told, said
    assert f'href="/operator/invoices/{number}"' in page.text
    assert f'href="/operator/accounts/{other}"' not in page.text
    ahead = words(staff.get(f"/operator/journal?reason=top_up&by={STAFF}&account={other}"))
    assert "Cash clearing $7.25 Customer balance -$7.25" in ahead
    assert STAFF in ahead
    assert "Nothing like that was posted." in words(staff.get("/operator/journal?by=nobody"))
    for odd in ("%00", "%27%22--", "money"):
        assert staff.get(f"/operator/journal?account={odd}&reason={odd}&by={odd}&before=1").status_code == 200
    assert f'href="/operator/journal?account={code}"' in staff.get(f"/operator/accounts/{code}").text


def test_the_journal_goes_on_over_pages(staff: Browser, office: Office) -> None:
    code = office.account()
    with office.database.transaction() as session:
        row = session.scalars(select(Account).where(Account.code == code)).one()
        for number in range(1, 103):
            amount = Money(number * 100, currency("USD"))
            top_up(session, office.now, account=row, amount=amount, reference="ahead")
    page = staff.get(f"/operator/journal?account={code}&reason=top_up")
    assert "$102.00" in page.text
    assert "$2.00<" not in page.text
    following = page.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    older = staff.get(following)
    assert "$2.00<" in older.text
    assert "$3.00<" not in older.text
