"""Usage before an account's first invoice is named, and a month that is left unbilled is not billed unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from meterbook.audit import Kind, Sought, entries
from meterbook.core.period import BillingMonth
from meterbook.database import Database, acting
from meterbook.errors import Invalid, Refused
from meterbook.invoicing.close import Closed, close_month
from meterbook.invoicing.leave_unbilled import leave_unbilled
from meterbook.invoicing.queries import invoices_of_month
from meterbook.invoicing.schedule import close_due
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import Office, utc

BY = "ann@staff.example"


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path, close_schedule="draft"), utc("2027-08-03T00:00Z"))


def used(office: Office, *months: str) -> str:
    """An account with usage of 10.00 in each month."""
    code = office.account()
    for month in months:
        office.use(code, "10.00", f"{month}-10T10:00:00Z")
    return code


def leave(
    office: Office, code: str | None, month: str, reason: str = "A trial", *, earlier: bool = False
) -> list[tuple[str, str, str]]:
    """Leave a month of an account (None: of all) unbilled; return months, reasons and by whom."""
    ids = None if code is None else [office.row(code).id]
    with acting(office.database.transaction, BY)() as session:
        rows = leave_unbilled(
            session,
            office.usage,
            office.now,
            month=BillingMonth.parse(month),
            account_ids=ids,
            reason=reason,
            by=BY,
            earlier=earlier,
        )
        return [(row.month, row.reason, row.decided_by) for row in rows]


def close_all(office: Office, month: str, *, confirm: bool) -> Closed:
    parsed = BillingMonth.parse(month)
    return close_month(office.database.transaction, office.usage, office.settings, parsed, office.now, confirm=confirm)


def standing(office: Office, code: str, month: str) -> str:
    with office.database.transaction() as session:
        account_id = office.row(code).id
        invoice = invoices_of_month(session, [account_id], BillingMonth.parse(month)).get(account_id)
    return "nothing" if invoice is None else "draft" if invoice.number is None else "issued"


def test_usage_before_the_first_invoice_is_named(office: Office) -> None:
    code = used(office, "2027-04", "2027-06", "2027-07")
    for confirm in (False, True):
        with pytest.raises(Refused, match="2027-04 has usage and is not issued: close it first, or leave it unbilled"):
            office.close(code, "2027-07", confirm=confirm)
    closed = close_all(office, "2027-07", confirm=True)
    assert [(each.account, each.why.other) for each in closed.skipped] == [(code, "2027-04")]
    assert [office.issued(code, month=month).total_minor for month in ("2027-04", "2027-06", "2027-07")] == [1_000] * 3
    office.check()


def test_usage_that_came_before_the_first_invoice_since_its_draft_is_named(office: Office) -> None:
    code = used(office, "2027-07")
    office.close(code, "2027-07", confirm=False)
    office.use(code, "10.00", "2027-06-10T10:00:00Z")
    with pytest.raises(Refused, match="2027-06 has usage and is not issued"):
        office.close(code, "2027-07")
    assert [each.account for each in close_all(office, "2027-07", confirm=True).skipped] == [code]
    assert standing(office, code, "2027-07") == "draft"
    office.issued(code, month="2027-06")
    office.issued(code, month="2027-07")
    office.check()


def test_a_month_on_the_clocks_of_the_account_is_its_own(database: Database, usage: UsageStore, tmp_path: Path) -> None:
    """Usage of the last hours of May in UTC is June's in Seoul: nothing was used before June, and nothing is named."""
    office = Office(database, usage, Settings(data_dir=tmp_path), utc("2027-08-03T00:00Z"))
    code = used(office)
    with database.transaction() as session:
        session.merge(office.row(code)).time_zone = "Asia/Seoul"
    office.use(code, "10.00", "2027-05-31T15:00:00Z")
    assert office.issued(code).total_minor == 1_000
    other = used(office)
    with database.transaction() as session:
        session.merge(office.row(other)).time_zone = "Asia/Seoul"
    office.use(other, "10.00", "2027-05-31T14:59:59Z")
    office.use(other, "10.00")
    with pytest.raises(Refused, match="2027-05 has usage"):
        office.close(other)


def test_a_month_that_nothing_bills_any_more_is_told_so(office: Office) -> None:
    code = used(office, "2027-06")
    office.issued(code, month="2027-06")
    office.use(code, "10.00", "2027-05-10T10:00:00Z")
    with pytest.raises(Refused, match="2027-06 is issued already: usage of 2027-05 is not billed any more"):
        office.close(code, "2027-05")
    office.now = utc("2027-09-03T00:00Z")
    office.issued(code, "1.00", "2027-08")
    with pytest.raises(Refused, match="2027-08 is issued already: late usage of 2027-07 goes on the next invoice"):
        office.close(code, "2027-07")
    with pytest.raises(Refused, match="2027-08 is issued already: whether 2027-07 is billed can no longer be changed"):
        leave(office, code, "2027-07")
    with pytest.raises(Refused, match="2027-08 is issued: give it back by a credit note"):
        leave(office, code, "2027-08")
    office.check()


def test_a_draft_is_discarded_and_the_next_month_is_closed(office: Office) -> None:
    code = used(office, "2027-06", "2027-07")
    office.close(code, confirm=False)
    with pytest.raises(Refused, match="2027-06 is drafted and not issued: issue it first, or leave it unbilled"):
        office.close(code, "2027-07", confirm=False)
    assert leave(office, code, "2027-06", " A trial ") == [("2027-06", "A trial", BY)]
    assert standing(office, code, "2027-06") == "nothing"
    assert leave(office, code, "2027-06", "Another") == [("2027-06", "A trial", BY)], "the first reason stays"
    invoice = office.issued(code, month="2027-07")
    assert (invoice.number, invoice.total_minor) == ("INV-2027-000001", 1_000)
    with pytest.raises(Refused, match="2027-07 is issued already: usage of 2027-06 is not billed any more"):
        office.close(code)
    office.check()
    with office.database.transaction() as session:
        (told,) = entries(session, Sought(kind=Kind.unbilled_month), before=None, limit=9)
        assert (told.entry.action, told.entry.account, told.entry.acted_by) == ("added", code, BY)
        assert {each.name: each.came for each in told.changes} == {"month": "2027-06", "reason": "A trial"}


def test_what_was_left_unbilled_is_drafted_again_when_asked_for_alone(office: Office) -> None:
    code, other = used(office, "2027-07"), used(office, "2027-07")
    close_due(office.database.transaction, office.usage, office.settings, office.now)
    leave(office, code, "2027-07")
    for _ in range(2):
        assert close_due(office.database.transaction, office.usage, office.settings, office.now) == []
    closed = close_all(office, "2027-07", confirm=True)
    reason = "2027-07 was left unbilled: close it for this account alone to bill it after all"
    assert [(each.account, each.reason) for each in closed.skipped] == [(code, reason)]
    assert [standing(office, each, "2027-07") for each in (code, other)] == ["nothing", "issued"]
    office.close(code, "2027-07", confirm=False)
    assert standing(office, code, "2027-07") == "draft"
    assert close_all(office, "2027-07", confirm=False).skipped == []
    office.issued(code, month="2027-07")
    office.check()
    with office.database.transaction() as session:
        told = entries(session, Sought(kind=Kind.unbilled_month), before=None, limit=9)
    assert [each.entry.action for each in told] == ["removed", "added"]


def test_late_usage_of_a_month_that_was_left_unbilled_is_not_billed(office: Office) -> None:
    code = used(office, "2027-05", "2027-06", "2027-07")
    office.issued(code, month="2027-05")
    leave(office, code, "2027-06")
    office.use(code, "1.00", "2027-05-11T10:00:00Z")
    assert office.issued(code, month="2027-07").total_minor == 1_100, "May's late usage, and nothing of June"
    office.use(code, "3.00", "2027-06-11T10:00:00Z")
    office.now = utc("2027-09-03T00:00Z")
    assert office.issued(code, "2.00", "2027-08").total_minor == 200
    office.check()


def test_a_history_is_left_unbilled_at_once(office: Office) -> None:
    code, other, none = used(office, "2027-03", "2027-05", "2027-06", "2027-07"), used(office, "2027-07"), used(office)
    assert [month for month, *_ in leave(office, None, "2027-06", "History", earlier=True)] == [
        "2027-03",
        "2027-05",
        "2027-06",
    ]
    closed = close_all(office, "2027-07", confirm=True)
    assert closed.skipped == []
    assert [standing(office, each, "2027-07") for each in (code, other, none)] == ["issued", "issued", "nothing"]
    office.use(code, "5.00", "2027-05-11T10:00:00Z")
    office.now = utc("2027-09-03T00:00Z")
    assert office.issued(code, "1.00", "2027-08").total_minor == 100
    office.check()


def test_one_month_alone_leaves_those_before_it_open(office: Office) -> None:
    code = used(office, "2027-05", "2027-06", "2027-07")
    assert [month for month, *_ in leave(office, code, "2027-06")] == ["2027-06"]
    with pytest.raises(Refused, match="2027-05 has usage and is not issued"):
        office.close(code, "2027-07")
    assert [office.issued(code, month=month).total_minor for month in ("2027-05", "2027-07")] == [1_000] * 2
    office.check()


def test_a_draft_of_nothing_but_late_usage_is_discarded_and_that_goes_on_the_next_invoice(office: Office) -> None:
    code = used(office, "2027-05", "2027-07")
    office.issued(code, month="2027-05")
    office.use(code, "3.00", "2027-05-11T10:00:00Z")
    office.close(code, "2027-06", confirm=False)
    leave(office, code, "2027-06")
    assert office.issued(code, month="2027-07").total_minor == 1_300
    office.check()


def test_what_cannot_be_left_unbilled_is_refused(office: Office) -> None:
    code = used(office, "2027-07")
    with pytest.raises(Refused, match="2027-06 has neither a draft nor usage: there is nothing to leave unbilled"):
        leave(office, code, "2027-06")
    with pytest.raises(Refused, match="2027-08 is not over"):
        leave(office, code, "2027-08")
    with pytest.raises(Invalid, match="The reason has to have 1 to 500 characters"):
        leave(office, code, "2027-07", " ")
    assert office.issued(code, month="2027-07").total_minor == 1_000
