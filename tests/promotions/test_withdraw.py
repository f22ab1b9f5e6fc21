"""A registered code is taken back, or the code itself ended: months that are issued stay, others are without it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from meterbook.accounts.queries import all_projects
from meterbook.core.journal import LedgerAccount, Reason
from meterbook.core.period import BillingMonth
from meterbook.database import Database
from meterbook.errors import Invalid, Refused
from meterbook.invoicing.correct import credit
from meterbook.invoicing.draft import Payer, draft_month
from meterbook.invoicing.settle import settle_account
from meterbook.invoicing.tables import Invoice
from meterbook.ledger.queries import credits_left
from meterbook.ledger.tables import JournalEntry, PostingRow
from meterbook.promotions.add_promotion import add_promotion
from meterbook.promotions.change_promotion import change_promotion
from meterbook.promotions.queries import promotion_by_code, redemption_counts
from meterbook.promotions.redeem import redeem
from meterbook.promotions.withdraw import withdraw
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import Office, usd, utc


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path), utc("2027-07-03T00:00Z"))


@pytest.fixture
def account(office: Office) -> str:
    code = office.account()
    office.register(code)
    return code


def add(office: Office, code: str, kind: str = "percent", value: str = "10", **more: Any) -> None:
    with office.database.transaction() as session:
        add_promotion(session, utc("2027-01-01T00:00Z"), code=code, kind=kind, value=Decimal(value), **more)


def register(office: Office, account: str, code: str, *, again: bool = False) -> None:
    with office.database.transaction() as session:
        row = office.row(account)
        redemption, _ = redeem(session, office.now, account=row, code=code, by="test", again=again)
        settle_account(session, office.now, row, f"redemption:{redemption.id}")


def take_back(office: Office, account: str, code: str, reason: str = "a mistake") -> None:
    with office.database.transaction() as session:
        withdraw(session, office.now, account=office.row(account), code=code, reason=reason, by="test")


def total(office: Office, account: str, month: str) -> str:
    """What a month comes to now."""
    with office.database.transaction() as session:
        row = office.row(account)
        payer = Payer(row, all_projects(session, [row.id])[row.id], True)
        return str(draft_month(session, office.usage, payer, BillingMonth.parse(month), office.now).total)


def left(office: Office, account: str) -> int:
    with office.database.transaction() as session:
        return sum(credits_left(session, [office.row(account).id]).values())


def refusal(office: Office, account: str, code: str, *, again: bool = False) -> str:
    with pytest.raises(Refused) as refused:
        register(office, account, code, again=again)
    return refused.value.slug


def test_months_that_are_not_issued_are_without_it(office: Office, account: str) -> None:
    add(office, "TEN")
    register(office, account, "TEN")
    issued = office.issued(account, "100")
    assert issued.total_minor == 9000
    office.use(account, "50", "2027-07-01T10:00:00Z")
    office.now = utc("2027-07-20T00:00Z")
    assert total(office, account, "2027-07") == "45.00"
    take_back(office, account, "TEN")
    assert total(office, account, "2027-07") == "50.00"
    # what comes late for an issued month is counted by that month's own terms
    office.use(account, "100", "2027-06-12T10:00:00Z")
    office.now = utc("2027-08-03T00:00Z")
    assert office.issued(account, month="2027-07").total_minor == 5000 + 9000
    office.check()


def test_a_draft_that_is_kept_has_it_until_it_is_made_again(office: Office, account: str) -> None:
    add(office, "TEN")
    register(office, account, "TEN")
    office.use(account, "100")
    office.close(account, confirm=False)
    take_back(office, account, "TEN")
    office.close(account, confirm=False)
    assert office.issued(account).total_minor == 10000
    office.check()


def test_what_is_left_of_a_credit_is_taken_and_what_goes_back_to_it_too(office: Office, account: str) -> None:
    add(office, "GIFT", "credit", "30", currency="USD")
    register(office, account, "GIFT")
    invoice = office.issued(account, "20")
    assert (invoice.credit_used_minor, left(office, account)) == (2000, 1000)
    take_back(office, account, "GIFT")
    assert left(office, account) == 0
    for _ in range(2):
        with office.database.transaction() as session:
            row, same = office.row(account), session.get_one(Invoice, invoice.id)
            nets = {1: usd("5.00")}
            credit(session, office.now, office.settings, account=row, invoice=same, reason="agreed", nets=nets)
        assert left(office, account) == 0
    with office.database.transaction() as session:
        booked = session.execute(
            select(JournalEntry.reason, func.sum(PostingRow.amount_minor))
            .join(PostingRow, PostingRow.entry_id == JournalEntry.id)
            .where(PostingRow.ledger_account == LedgerAccount.promotional_credit)
            .group_by(JournalEntry.reason)
        )
        moved = {reason: int(minor) for reason, minor in booked}
    assert moved == {
        Reason.credit_granted: -3000,
        Reason.settlement: 2000,
        Reason.credit_withdrawn: 2000,
        Reason.credit_note: -1000,
    }
    office.check()


def test_only_the_operator_registers_it_again(office: Office, account: str) -> None:
    add(office, "ONCE", "credit", "30", currency="USD", redemptions_max=1)
    register(office, account, "ONCE")
    take_back(office, account, "ONCE")
    with office.database.transaction() as session:
        assert redemption_counts(session, [promotion_by_code(session, "ONCE").id]) == {}
    assert refusal(office, account, "ONCE") == "promotion-taken-back"
    register(office, account, "ONCE", again=True)
    assert left(office, account) == 3000
    assert refusal(office, account, "ONCE", again=True) == "promotion-already-used"
    other = office.account()
    office.register(other)
    assert refusal(office, other, "ONCE") == "promotion-used-up"
    office.check()


def test_it_stands_in_the_way_of_no_other(office: Office, account: str) -> None:
    add(office, "ALONE", stackable=False)
    add(office, "OTHER")
    register(office, account, "ALONE")
    assert refusal(office, account, "OTHER") == "promotion-not-combinable"
    take_back(office, account, "ALONE")
    register(office, account, "OTHER")


def test_what_is_not_registered_or_has_no_reason_is_refused(office: Office, account: str) -> None:
    add(office, "TEN")
    with pytest.raises(Refused, match="not registered for this account"):
        take_back(office, account, "TEN")
    register(office, account, "TEN")
    with pytest.raises(Invalid, match="reason"):
        take_back(office, account, "TEN", " ")
    take_back(office, account, "TEN")
    with pytest.raises(Refused, match="not registered for this account"):
        take_back(office, account, "TEN")


def test_an_end_holds_for_months_that_are_not_issued(office: Office, account: str) -> None:
    office.now = utc("2027-06-15T00:00Z")
    add(office, "TEN")
    register(office, account, "TEN")
    office.use(account, "100", "2027-06-05T10:00:00Z")
    office.use(account, "100", "2027-06-10T10:00:00Z")
    assert total(office, account, "2027-06") == "180.00"
    with office.database.transaction() as session:
        change_promotion(session, code=" ten", ends_at=utc("2027-06-08T00:00Z"), name="Ten", redemptions_max=5)
    assert total(office, account, "2027-06") == "190.00"
    other = office.account()
    office.register(other)
    assert refusal(office, other, "TEN") == "promotion-expired"
    with office.database.transaction() as session:
        row = change_promotion(session, code="TEN", ends_at=None, redemptions_max=None)
        assert (row.name, row.ends_at, row.redemptions_max) == ("Ten", None, None)
    assert total(office, account, "2027-06") == "180.00"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ends_at": utc("2027-01-01T00:00Z")}, "until"),
        ({"name": " "}, "name"),
        ({"redemptions_max": 0}, "redemptions_max"),
    ],
    ids=["until", "name", "redemptions_max"],
)
def test_a_change_that_cannot_be_is_refused_whole(office: Office, change: dict[str, Any], field: str) -> None:
    add(office, "TEN", ends_at=utc("2027-06-01T00:00Z") + timedelta(days=30))
    with office.database.transaction() as session:
        row = promotion_by_code(session, "TEN")
        before = (row.name, row.ends_at, row.redemptions_max)
    with pytest.raises(Invalid) as refused, office.database.transaction() as session:
        change_promotion(session, code="TEN", **({"name": "New"} | change))
    assert refused.value.details["field"] == field
    with office.database.transaction() as session:
        row = promotion_by_code(session, "TEN")
        assert (row.name, row.ends_at, row.redemptions_max) == before
