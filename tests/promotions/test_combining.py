"""A code that is not stackable stands in the way of others for as long as it holds for its account, and no longer."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meterbook.database import Database
from meterbook.errors import Refused
from meterbook.promotions.add_promotion import add_promotion
from meterbook.promotions.redeem import redeem
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import Office, utc


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path), utc("2027-06-15T00:00Z"))


def applied(office: Office, account: str, code: str, kind: str = "percent", value: str = "10", **more: Any) -> str:
    """Add a code and register it; return how it ended."""
    with office.database.transaction() as session:
        add_promotion(
            session, utc("2027-01-01T00:00Z"), code=code, kind=kind, value=Decimal(value), stackable=False, **more
        )
    try:
        with office.database.transaction() as session:
            redeem(session, office.now, account=office.row(account), code=code, by="test")
    except Refused as refused:
        return refused.slug
    return "registered"


def test_one_that_holds_for_some_months_is_over_after_them(office: Office) -> None:
    account = office.account()
    office.register(account)
    assert applied(office, account, "TWO-MONTHS", months=2) == "registered"
    for at, ended in (
        ("2027-07-31T23:59Z", "promotion-not-combinable"),
        ("2027-08-01T00:00Z", "registered"),
    ):
        office.now = utc(at)
        assert applied(office, account, "NEXT") == ended


def test_a_credit_that_is_used_up_is_over(office: Office) -> None:
    account = office.account()
    office.register(account)
    assert applied(office, account, "CREDIT", "credit", "10", currency="USD") == "registered"
    office.now = utc("2027-08-03T00:00Z")
    for month, amount, ended in (
        ("2027-06", "4.00", "promotion-not-combinable"),
        ("2027-07", "6.00", "registered"),
    ):
        office.issued(account, amount, month)
        assert applied(office, account, "NEXT") == ended
    office.check()
