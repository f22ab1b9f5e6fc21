"""The journal as a file: every posting once, in the order of booking, and its sums are the trial balance."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest

from meterbook.database import Database
from meterbook.exports.journal import COLUMNS, begun, journal_csv
from meterbook.ledger.check import trial_balances
from meterbook.payments.record import record
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import Office, usd, utc

BEGINNING, END = utc("2027-01-01T00:00Z"), utc("2028-01-01T00:00Z")


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    return Office(database, usage, Settings(data_dir=tmp_path))


def billed(office: Office) -> str:
    """Bill 10.00 with a tenth of tax, and let 15.00 come in an hour later; return the account's code."""
    code = office.account(tax="10")
    office.issued(code, "10.00")
    with office.database.transaction() as session:
        now, account = office.now + timedelta(hours=1), office.row(code)
        record(session, now, account=account, amount=usd("15.00"), received_on=now.date(), reference="wire")
    return code


def rows(
    office: Office, starts_at: datetime = BEGINNING, ends_at: datetime = END, code: str = ""
) -> list[dict[str, str]]:
    account_id = office.row(code).id if code else None
    text = "".join(begun(journal_csv(office.database.reading, starts_at, ends_at, account_id)))
    return list(csv.DictReader(StringIO(text)))


def balance(row: dict[str, str]) -> Decimal:
    return Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)


def test_each_posting_is_a_row_of_debit_or_credit(office: Office) -> None:
    code = billed(office)
    found = [
        (row["reason"], row["ledger_account"], row["product"], row["debit"], row["credit"])
        for row in rows(office, code=code)
    ]
    assert found == [
        ("invoice", "receivable", "", "11.00", ""),
        ("invoice", "revenue", "calls", "", "10.00"),
        ("invoice", "tax_payable", "", "", "1.00"),
        ("payment", "cash_clearing", "", "15.00", ""),
        ("payment", "receivable", "", "", "11.00"),
        ("payment", "customer_balance", "", "", "4.00"),
    ]
    first = rows(office, code=code)[0]
    assert list(first) == list(COLUMNS)
    assert first["invoice"].startswith("INV-2027-")
    assert (first["account"], first["currency"], first["source"][:8]) == (code, "USD", "invoice:")
    assert utc(first["posted_at"]) == office.now


def test_the_sums_are_the_trial_balance(office: Office) -> None:
    codes = [billed(office) for _ in range(3)]
    found = rows(office)
    assert {row["account"] for row in found} >= set(codes)
    assert sum(map(balance, found)) == 0
    with office.database.transaction() as session:
        (dollars,) = (each for each in trial_balances(session) if each.currency == "USD")
    for name, amount in dollars.amounts:
        own = [row for row in found if row["ledger_account"] == name and row["currency"] == "USD"]
        assert sum(map(balance, own)) == amount.decimal, name


def test_a_time_begins_with_its_first_moment_and_ends_before_its_last(office: Office) -> None:
    code, hour = billed(office), timedelta(hours=1)
    parts = [
        rows(office, BEGINNING, office.now, code),
        rows(office, office.now, office.now + hour, code),
        rows(office, office.now + hour, END, code),
    ]
    assert [{row["reason"] for row in part} for part in parts] == [set(), {"invoice"}, {"payment"}]
    assert [row for part in parts for row in part] == rows(office, code=code)
