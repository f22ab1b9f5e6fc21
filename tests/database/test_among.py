"""Statements that name many rows: a parameter for each would be too many from 65,536 on."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text

from meterbook.database import Database
from meterbook.invoicing.account_standings import account_standings
from meterbook.invoicing.queries import invoices_by_id
from meterbook.ledger.queries import receivables, unpaid_by_invoice

MANY = range(1, 70_000)


def test_however_many_ids_are_asked_for(database: Database) -> None:
    with database.reading() as session:
        assert invoices_by_id(session, MANY) == {}
        assert unpaid_by_invoice(session, MANY) == {}
        assert receivables(session, MANY, MANY) == {}


def test_all_accounts_are_listed_however_many_they_are(database: Database) -> None:
    with database.transaction() as session:
        session.execute(
            text(
                "insert into account (code, name, currency, time_zone, language, tax_percent, created_at)"
                " select 'many-' || n, 'Many', 'USD', 'UTC', 'en', 0, now() from generate_series(1, 70000) n"
            )
        )
        assert len(account_standings(session, datetime.now(UTC), limit=None)) == 70_000
