"""The books cannot be changed through the database, and verify finds what does not follow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from meterbook.database import Database
from meterbook.invoicing.verify import verify
from meterbook.payments.record import top_up
from meterbook.payments.take_back import take_back
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import Office, usd


@pytest.mark.parametrize(
    "statement",
    [
        "update posting set amount_minor = amount_minor + 1",
        "delete from posting",
        "truncate posting cascade",
        "update journal_entry set reason = 'other'",
        "delete from journal_entry",
        "update invoice set total_minor = 0",
        "delete from invoice",
        "update invoice_line set amount_minor = 0",
        "delete from invoice_line",
        "insert into invoice_tax select id, 99, 0, 0 from invoice",
        "update payment set amount_minor = 1",
        "delete from credit_note",
    ],
)
def test_the_database_itself_refuses_to_change_the_books(
    database: Database, usage: UsageStore, tmp_path: Path, statement: str
) -> None:
    office = Office(database, usage, Settings(data_dir=tmp_path))
    office.issued(office.account("10"), "10.00")
    with pytest.raises(IntegrityError, match=r"append-only|never edited"), database.transaction() as session:
        session.execute(text(statement))
    office.check()


def test_verify_finds_what_does_not_follow(database: Database, usage: UsageStore, tmp_path: Path) -> None:
    office = Office(database, usage, Settings(data_dir=tmp_path))
    codes = [office.account("10") for _ in range(2)]
    first, second = (office.issued(code, "10.00") for code in codes)
    with database.transaction() as session:
        account, now = office.row(codes[0]), office.now
        payment = top_up(session, now, account=account, amount=usd("20.00"), reference="")
        take_back(session, now, account=account, payment=payment, reason="returned")
    tampered = [
        (
            f"update invoice_line set quantity = 11, amount_minor = 1100 where invoice_id = {first.id}",
            "does not follow",
        ),
        (f"update invoice set total_minor = total_minor + 1 where id = {first.id}", "total is"),
        ("update posting set amount_minor = amount_minor + 1 where ledger_account = 'revenue'", "does not balance"),
        (f"update invoice set number = 'INV-2027-000009' where id = {first.id}", "earlier date|gap"),
        ("update number_series set last_number = last_number + 1", "gap"),
        ("delete from posting where ledger_account = 'tax_payable'", "does not balance"),
        ("update payment set amount_minor = amount_minor + 1", "payment is not what came in"),
        ("update refund set amount_minor = amount_minor + 1", "taken back, is not what went"),
    ]
    for statement, words in tampered:
        with database.engine.connect() as connection:
            connection.execute(text("set session_replication_role = replica"))
            connection.execute(text(statement))

            @contextmanager
            def same() -> Iterator[Session]:
                yield Session(connection)

            _, faults = verify(same, usage)
            connection.rollback()
        assert any(word in fault for fault in faults for word in words.split("|")), (statement, faults)
    office.check()
    assert second.number == "INV-2027-000002"
