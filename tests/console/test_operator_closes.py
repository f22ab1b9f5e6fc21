"""Closing months from the staff's pages: what is chosen, what is passed over, and letters that did not arrive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from meterbook.core.period import BillingMonth
from meterbook.database import Database
from meterbook.errors import Refused
from meterbook.house import House
from meterbook.invoicing.close_run import STILL_MINUTES_MAX, begin_close, last_run
from meterbook.invoicing.queries import invoices_of_month
from meterbook.invoicing.tables import Delivery
from tests.conftest import emptied
from tests.console.browser import Browser
from tests.console.staff import confirmed, done, form_of, send, staffed, words
from tests.office import Office

JUNE = BillingMonth.parse("2027-06")
CLOSES = "/operator/closes?month=2027-06"


@pytest.fixture
def installation(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, House]]:
    with staffed(emptied(migrated), tmp_path_factory.mktemp("closes")) as found:
        yield found


def used(office: Office, *amounts: str) -> list[str]:
    codes = []
    for amount in amounts:
        code = office.account()
        office.register(code)
        office.use(code, amount)
        codes.append(code)
    return codes


def draft_all(staff: Browser, office: Office) -> None:
    done(send(staff, staff.get(CLOSES), "/operator/closes/draft"))
    office.work()


def issued(office: Office, *codes: str) -> list[bool]:
    with office.database.transaction() as session:
        rows = [invoices_of_month(session, [office.row(code).id], JUNE).get(office.row(code).id) for code in codes]
    return [row is not None and row.number is not None for row in rows]


def test_only_the_chosen_ones_are_issued(staff: Browser, office: Office) -> None:
    one, two, three = used(office, "10", "20", "40")
    draft_all(staff, office)
    page = staff.get(f"/operator/closes/confirm?month=2027-06&account={one}&account={three}&account=nobody")
    assert "2 invoices" in words(page)
    assert "50.00" in page.text
    done(send(staff, page, "/operator/closes/confirm"))
    office.work()
    assert issued(office, one, two, three) == [True, False, True]
    page = staff.get(CLOSES)
    assert "Drafted 1" in words(page)
    assert f'name="account" value="{two}"' in page.text
    sheet = staff.get(CLOSES, params={"month": "2027-06", "format": "csv"}).text.splitlines()
    assert f"{two},{two},UTC,Drafted,,USD,20.00,0.00,20.00," in sheet
    assert re.search(rf"^{one},{one},UTC,Issued,INV-2027-\d+,USD,10.00,0.00,10.00,", "\n".join(sheet), re.MULTILINE)
    drafted = staff.get(CLOSES, params={"month": "2027-06", "state": "drafted", "format": "csv"}).text
    assert [line.split(",")[0] for line in drafted.splitlines()[1:]] == [two]
    assert staff.get(CLOSES, params={"month": "2027-06", "state": "x", "format": "csv"}).status_code == 422
    office.check()


def test_drafts_that_changed_are_not_issued(staff: Browser, office: Office) -> None:
    (code,) = used(office, "10")
    draft_all(staff, office)
    page = staff.get("/operator/closes/confirm?month=2027-06")
    office.use(code, "5", "2027-06-11T00:00:00Z")
    office.close(code, confirm=False)
    answer = send(staff, page, "/operator/closes/confirm")
    assert answer.status_code == 409
    assert "The drafts changed meanwhile" in words(answer)
    assert "15.00" in answer.text
    office.work()
    assert issued(office, code) == [False]
    done(send(staff, answer, "/operator/closes/confirm"))
    office.work()
    assert issued(office, code) == [True]


def test_running_it_twice_changes_nothing(staff: Browser, office: Office) -> None:
    (code,) = used(office, "10")
    draft_all(staff, office)
    for _ in range(2):
        page = staff.get("/operator/closes/confirm?month=2027-06")
        if "There is no draft to issue" not in words(page):
            done(send(staff, page, "/operator/closes/confirm"))
        office.work()
    assert 'action="/operator/closes/draft"' not in staff.get(CLOSES).text
    assert issued(office, code) == [True]
    assert len(office.letters()) == 1
    assert staff.get(CLOSES).text.count(">INV-") == 1


def test_who_is_passed_over_is_told_with_what_to_do(staff: Browser, office: Office) -> None:
    ready, behind = used(office, "10", "20")
    office.issued(behind, "7", month="2027-04")
    office.use(behind, "3", "2027-05-10T00:00:00Z")
    told = words(staff.get(CLOSES))
    assert "not its turn May 2027 has usage and is not issued: close it first, or leave it unbilled." in told
    draft_all(staff, office)
    told = words(staff.get(CLOSES))
    assert "Done: 2 accounts were looked at. 1 was passed over." in told
    assert f"{behind} : May 2027 has usage and is not issued" in told
    assert issued(office, ready, behind) == [False, False]


def test_a_month_that_runs_is_not_closed(staff: Browser, office: Office) -> None:
    used(office, "10")
    page = staff.get("/operator/closes?month=2027-07")
    answer = send(staff, page, "/operator/closes/draft")
    assert answer.status_code == 409
    assert "is not over" in words(answer)
    assert staff.get("/operator/closes?month=July").status_code == 422


def test_one_run_of_a_month_at_a_time(staff: Browser, office: Office) -> None:
    used(office, "10")
    done(send(staff, staff.get(CLOSES), "/operator/closes/draft"))
    answer = send(staff, staff.get(CLOSES), "/operator/closes/draft")
    assert answer.status_code == 409
    assert "being closed just now" in words(answer)
    later = office.now + timedelta(minutes=STILL_MINUTES_MAX + 1)
    with office.database.transaction() as session:
        first = last_run(session, JUNE)
        again = begin_close(session, later, month=JUNE, account_ids=None, confirm=False, by="x")
        assert first is not None
        assert again.id != first.id
        assert first.ended_at == later
    with office.database.transaction() as session, pytest.raises(Refused, match="being closed"):
        begin_close(session, later, month=JUNE, account_ids=None, confirm=False, by="x")
    office.work()
    with office.database.transaction() as session:
        run = last_run(session, JUNE)
        assert run is not None
        assert (run.done_count, run.ended_at is not None) == (1, True)


def test_a_letter_that_failed_is_sent_again(staff: Browser, office: Office) -> None:
    code = office.account()
    invoice = office.issued(code, "10")
    page = staff.get(f"/operator/invoices/{invoice.number}")
    assert "no address" in words(page)
    assert "1" in words(staff.get("/operator")).partition("Letters that did not arrive")[2][:4]
    (path,) = re.findall(r'action="(/operator/invoices/[^"]+/letters/\d+)"', page.text)
    answer = send(staff, page, path)
    assert answer.status_code == 409
    assert "There is no address" in words(answer)
    office.register(code)
    page = staff.get(done(send(staff, page, path)))
    assert f"{code}@money.example" in page.text
    office.work()
    assert len(office.letters()) == 1
    with office.database.transaction() as session:
        assert session.query(Delivery).one().sent_at is not None
    page = staff.get(f"/operator/invoices/{invoice.number}")
    assert path not in page.text
    answer = staff.post(
        path,
        data=form_of(staff.get(CLOSES), "/operator/closes/draft")
        if "closes/draft" in staff.get(CLOSES).text
        else form_of(staff.get("/operator/new-account"), "/operator/new-account"),
    )
    assert answer.status_code == 409
    assert "was delivered" in words(answer)


def test_a_draft_of_nobody_is_not_shown(staff: Browser, office: Office) -> None:
    (code,) = used(office, "10")
    assert staff.get(f"/operator/closes/2027-06/{code}").status_code == 404
    invoice = office.issued(code)
    assert staff.get(f"/operator/closes/2027-06/{code}").headers["location"] == f"/invoices/{invoice.number}"


def test_a_draft_is_discarded_and_drafted_after_all(staff: Browser, office: Office) -> None:
    code, other = used(office, "10", "20")
    draft_all(staff, office)
    page = staff.get(f"/operator/closes/2027-06/{code}")
    path = f"/operator/closes/2027-06/{code}/unbilled"
    assert f'href="{path}"' in page.text
    assert "Drafted $10.00" in words(staff.get(path))
    refused = staff.get(path, params={"look": "1", "reason": ""})
    assert refused.status_code == 422
    assert "The reason has to have 1 to 500 characters." in words(refused)
    looked = staff.get(path, params={"look": "1", "reason": "A trial"})
    assert "Left unbilled June 2027 Draft that is discarded $10.00 Reason A trial" in words(looked)
    assert staff.get(f"/operator/closes/2027-06/{code}").status_code == 200, "nothing is done yet"
    to = confirmed(staff, path, reason="A trial")
    assert "It is left unbilled; later months can be closed." in words(staff.get(to))
    assert staff.get(f"/operator/closes/2027-06/{code}").status_code == 404
    draft_all(staff, office)
    told = words(staff.get(CLOSES))
    assert "left unbilled A trial" in told
    assert f"{code} : June 2027 was left unbilled: draft it for this account alone to bill it after all." in told
    assert "Month left unbilled" in words(staff.get(f"/operator/audit-log?account={code}&kind=unbilled_month"))
    page = staff.get(path)
    assert "June 2027 is left unbilled. Reason A trial Who staff@operator.example" in words(page)
    done(send(staff, page, "/operator/closes/draft"))
    office.work()
    assert "Drafted 2" in words(staff.get(CLOSES))
    assert issued(office, code, other) == [False, False]


def test_months_before_the_first_are_left_unbilled_from_the_one_that_waits(staff: Browser, office: Office) -> None:
    (code,) = used(office, "10")
    for month in ("2027-03", "2027-05"):
        office.use(code, "3", f"{month}-10T00:00:00Z")
    page = staff.get(CLOSES)
    path = f"/operator/closes/2027-03/{code}/unbilled"
    assert "not its turn March 2027 has usage and is not issued: close it first, or leave it unbilled." in words(page)
    assert f'href="{path}"' in page.text
    path = f"/operator/closes/2027-05/{code}/unbilled"
    looked = staff.get(path, params={"look": "1", "reason": "History", "earlier": "1"})
    assert "Left unbilled March 2027, May 2027 Reason History" in words(looked)
    confirmed(staff, path, reason="History", earlier="1")
    assert office.issued(code).total_minor == 1_000
    told = words(staff.get(path))
    assert "A later month is issued: this one is not billed any more." in told
    assert "Draft it after all" not in told
    told = words(staff.get(f"/operator/closes/2027-06/{code}/unbilled?look=1&reason=Free"))
    assert "June 2027 is issued: give it back by a credit note." in told
    assert "June 2027 is issued already: usage of this month is not billed any more" in words(
        staff.get("/operator/closes?month=2027-04")
    )
