"""A running month's draft is kept while nothing of it changes, and is made anew after anything that decides it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from meterbook.accounts.change_account import change_account
from meterbook.accounts.change_project import change_project
from meterbook.accounts.queries import all_projects, projects_by_codes
from meterbook.accounts.tables import Account, Project
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.core.invoice import InvoiceDraft
from meterbook.core.period import BillingMonth
from meterbook.database import Database
from meterbook.invoicing.account_month import KeptMonths
from meterbook.invoicing.draft import Payer, begin_drafts
from meterbook.invoicing.settle import settle_account
from meterbook.payments.give_credit import give_credit
from meterbook.payments.record import record, top_up
from meterbook.promotions.add_promotion import add_promotion
from meterbook.promotions.change_promotion import change_promotion
from meterbook.promotions.redeem import redeem
from meterbook.promotions.withdraw import withdraw
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import CATALOG, Office, usd, utc

JULY = BillingMonth(2027, 7)
NOW = utc("2027-07-20T10:17:42Z")


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path), NOW)


def drafted(
    office: Office, code: str, kept: KeptMonths | None, at: datetime | None = None, *, part: int | None = None
) -> InvoiceDraft:
    """Draft July for the whole account, or for its first projects alone."""
    with office.database.reading() as session:
        account = session.get_one(Account, office.row(code).id)
        projects = all_projects(session, [account.id])[account.id]
        payer = Payer(account, projects[:part], part is None)
        return begin_drafts(session, office.usage, [payer], JULY, at or office.now, kept=kept)()[0].draft


def register(office: Office, code: str, **promotion: object) -> str:
    """Register a promotion code with an account, and return it."""
    name = f"{code}-{promotion['kind']}"
    begins = utc("2027-07-01T00:00:00Z")
    with office.database.transaction() as session:
        add_promotion(session, office.now, code=name, currency="USD", starts_at=begins, **promotion)  # type: ignore[arg-type]
        redemption, _ = redeem(session, office.now, account=office.row(code), code=name, by="test")
        settle_account(session, office.now, office.row(code), f"redemption:{redemption.id}")
    return name


def of_account(**wanted: object) -> Callable[[Office, str], None]:
    def change(office: Office, code: str) -> None:
        with office.database.transaction() as session:
            change_account(session, session.get_one(Account, office.row(code).id), **wanted)  # type: ignore[arg-type]

    return change


def of_project(**wanted: object) -> Callable[[Office, str], None]:
    def change(office: Office, code: str) -> None:
        with office.database.transaction() as session:
            place = projects_by_codes(session, [code])[code]
            account, project = session.get_one(Account, place.account_id), session.get_one(Project, place.project_id)
            change_project(session, office.now, account=account, project=project, **wanted)  # type: ignore[arg-type]

    return change


def of_prices(was: str, to_be: str) -> Callable[[Office, str], None]:
    def change(office: Office, _: str) -> None:
        with office.database.transaction() as session:
            apply_catalog(session, parse_catalog(CATALOG.replace(was, to_be)), office.now, lambda *_: False)

    return change


def of_money(act: Callable[..., object], **given: object) -> Callable[[Office, str], None]:
    def change(office: Office, code: str) -> None:
        with office.database.transaction() as session:
            act(session, office.now, account=session.get_one(Account, office.row(code).id), **given)

    return change


def end_promotion(office: Office, code: str) -> None:
    with office.database.transaction() as session:
        change_promotion(session, code=f"{code}-percent", ends_at=utc("2027-07-15T00:00:00Z"))


def take_promotion_back(office: Office, code: str) -> None:
    with office.database.transaction() as session:
        account, name = session.get_one(Account, office.row(code).id), f"{code}-percent"
        withdraw(session, office.now, account=account, code=name, reason="test", by="test")


CHANGES: dict[str, Callable[[Office, str], object]] = {
    "usage": lambda office, code: office.use(code, "3", "2027-07-19T10:00:00Z"),
    "usage of the running hour": lambda office, code: office.use(code, "3", "2027-07-20T10:00:00Z"),
    "usage come late": lambda office, code: office.use(code, "3", "2027-06-19T10:00:00Z"),
    "tax": of_account(tax_percent=Decimal(8)),
    "tax class": of_account(tax_class="exempt"),
    "a project's name": of_project(name="Another"),
    "a trial": of_project(trial_until=utc("2027-07-15T00:00:00Z")),
    "a free plan": of_project(plan="free"),
    "a project's end": of_project(deleted=True),
    "a price": of_prices('unit_price = "1"', 'unit_price = "2"'),
    "a product's unit": of_prices('unit = "call"', 'unit = "ring"'),
    "a payment": of_money(record, amount=usd("5"), received_on=NOW.date(), reference="test"),
    "money paid ahead": of_money(top_up, amount=usd("50"), reference="test"),
    "credit": of_money(give_credit, amount=usd("3"), name="test", ends_at=None),
    "an amount off": lambda office, code: register(
        office, code, kind="amount", value=Decimal(2), applies_to="invoice", priority=9
    ),
    "a promotion's end": end_promotion,
    "a promotion taken back": take_promotion_back,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_draft_is_kept_until_something_of_it_changes(office: Office, name: str) -> None:
    code, kept = office.account(tax="10"), KeptMonths()
    office.register(code)
    office.issued(code, "7")
    office.use(code, "10.25", "2027-07-18T10:00:00Z")
    register(office, code, kind="percent", value=Decimal(20), applies_to="invoice")
    before = drafted(office, code, kept)
    assert before == drafted(office, code, None)
    assert drafted(office, code, kept) is before, "nothing changed"
    CHANGES[name](office, code)
    after, anew = drafted(office, code, kept), drafted(office, code, None)
    assert after is not before
    assert (after, repr(after)) == (anew, repr(anew))
    assert after != before, "the change decides something"
    assert drafted(office, code, kept) is after


def test_a_draft_is_of_the_hours_that_it_was_asked_for(office: Office) -> None:
    code, kept = office.account(), KeptMonths()
    office.use(code, "5", "2027-07-18T10:00:00Z")
    office.use(code, "3", "2027-07-20T10:30:00Z")
    first, later = drafted(office, code, kept), drafted(office, code, kept, NOW + timedelta(minutes=20))
    assert (first.total, later.total) == (usd("5.00"), usd("8.00"))
    assert first.until == later.until, "in one hour, events that were sent ahead come to count"
    hour_after = drafted(office, code, kept, NOW + timedelta(hours=1))
    assert hour_after == drafted(office, code, None, NOW + timedelta(hours=1))
    assert hour_after.until > later.until


def test_readers_of_some_projects_get_a_draft_of_their_own(office: Office) -> None:
    code, kept = office.account(), KeptMonths()
    office.issued(code, "7")
    office.use(code, "5", "2027-07-18T10:00:00Z")
    whole, part = drafted(office, code, kept), drafted(office, code, kept, part=1)
    assert (whole.unpaid, part.unpaid) == (usd("7.00"), usd("0"))
    for _ in range(2):
        assert drafted(office, code, kept) == whole
        assert drafted(office, code, kept, part=1) == part


def test_no_more_is_kept_than_may_be(office: Office) -> None:
    one, two, kept = office.account(), office.account(), KeptMonths(lines_max=60)
    for code in (one, two):
        office.use(code, "5", "2027-07-18T10:00:00Z")
    first = drafted(office, one, kept)
    assert drafted(office, one, kept) is first
    drafted(office, two, kept)
    again = drafted(office, one, kept)
    assert again == first
    assert again is not first, "two months are more than 60 lines"
