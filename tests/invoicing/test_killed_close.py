"""`kill -9` at every step of a close: run again, the result is the same as without, and numbers have no gap."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from meterbook.accounts.add_account import add_account
from meterbook.accounts.add_project import add_project
from meterbook.accounts.queries import projects_by_codes
from meterbook.accounts.tables import Account
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.core.money import Money, currency
from meterbook.database import Database, migrate
from meterbook.invoicing.verify import verify
from meterbook.payments.record import top_up
from meterbook.payments.register import checked, register
from meterbook.promotions.add_promotion import add_promotion
from meterbook.promotions.redeem import redeem
from meterbook.usage.events import read_events
from meterbook.usage.ingest import Destination, ingest
from meterbook.usage.store import open_usage
from tests.office import CATALOG

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ZONES = ("UTC", "Asia/Seoul")  # a group of accounts, and so two transactions, for each
SCRIPT = Path(__file__).with_name("close_until_killed.py")
SNAPSHOTS = {
    "invoices": """
        select i.number, a.code, i.month, i.total_minor, i.unpaid_minor, i.credit_used_minor, i.balance_used_minor,
            i.issued_at::text, i.due_on::text, i.document, i.terms -> 'tax_rate'
        from invoice i join account a on a.id = i.account_id order by i.number
        """,
    "lines": """
        select i.number, l.position, l.project_code, l.product_code, l.quantity::text, l.amount_minor, l.discount_minor
        from invoice_line l join invoice i on i.id = l.invoice_id order by 1, 2
        """,
    "entries": """
        select a.code, e.reason, p.ledger_account, p.amount_minor, p.product, e.posted_at > :closed
        from posting p join journal_entry e on e.id = p.entry_id join account a on a.id = e.account_id
        order by 1, 2, 3, 4
        """,
    "letters": "select message_id, kind, recipient from delivery order by 1",
    "jobs": "select task_name, scheduled_at::text from procrastinate_jobs order by 1, 2",
    "series": "select document_type, year, last_number from number_series order by 1, 2",
}


@dataclass
class Closer:
    """Databases made from a prepared one, and a process that closes the month in them."""

    server: Database
    folder: Path
    process: subprocess.Popen[str]
    made: int = 0

    def fresh(self) -> Database:
        self.made += 1
        name = f"killed_{self.made}"
        with self.server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"create database {name} template prepared strategy file_copy"))
        return Database(self.server.engine.url.set(database=name))

    def close(self, database: Database, kill_at: int = 0) -> tuple[int, int]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.process.stdin.write(f"{url} {self.folder} {kill_at}\n")
        self.process.stdin.flush()
        code, steps = self.process.stdout.readline().split()
        return int(code), int(steps)

    def drop(self, database: Database) -> None:
        name = database.engine.url.database
        database.dispose()
        with self.server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"drop database {name} with (force)"))


@pytest.fixture(scope="module")
def closer(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closer]:
    folder = tmp_path_factory.mktemp("killed")
    with migrated.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("create database prepared"))
    prepared = Database(migrated.engine.url.set(database="prepared"))
    migrate(prepared)
    furnish(prepared, folder)
    prepared.dispose()
    process = subprocess.Popen([sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield Closer(migrated, folder, process)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.wait(timeout=60)
    process.stdout.close()
    with migrated.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("drop database prepared with (force)"))


def furnish(database: Database, folder: Path) -> None:
    """Two accounts with use of 100.00: one has a promotion and credit, one a balance."""
    usd = currency("USD")
    with database.transaction() as session:
        apply_catalog(session, parse_catalog(CATALOG), NOW, lambda *_: False)
        accounts: list[Account] = []
        for number, zone in enumerate(ZONES):
            account = add_account(
                session, NOW, code=f"a{number}", currency="USD", time_zone=zone, tax_percent=Decimal(10)
            )
            add_project(session, NOW, account=account, code=f"p{number}")
            accounts.append(account)
            information = checked(
                account,
                method="send_invoice",
                company=None,
                registration_number=None,
                recipient=None,
                email=f"a{number}@money.example",
                cc=[],
                language=None,
            )
            register(session, NOW, account=account, information=information, gateway=None, card=None)
        add_promotion(session, NOW, code="TEN", kind="percent", value=Decimal(10))
        add_promotion(
            session, NOW, code="GIFT", kind="credit", value=Decimal(5), currency="USD", ends_at=NOW + timedelta(days=20)
        )
        for code in ("TEN", "GIFT"):
            redeem(session, NOW, account=accounts[0], code=code, by="test")
        top_up(session, NOW, account=accounts[1], amount=Money(4_000, usd), reference="ahead")
    store = open_usage(folder)
    with database.transaction() as session:
        places = projects_by_codes(session, {f"p{number}" for number in range(len(ZONES))})
    events = [
        {
            "specversion": "1.0",
            "id": code,
            "source": "test",
            "type": "calls",
            "subject": code,
            "time": "2026-06-10T10:00:00Z",
            "data": {"value": "100"},
        }
        for code in places
    ]
    decoded = read_events(json.dumps(events).encode(), "application/json", None)
    found = {code: Destination(*place) for code, place in places.items()}
    receipt = ingest(store, decoded, lambda _: found, frozenset({"calls"}), datetime(2026, 6, 11, tzinfo=UTC)).result()
    assert receipt.accepted == len(ZONES)
    store.close()


def snapshot(database: Database) -> dict[str, list[Any]]:
    with database.transaction() as session:
        return {
            name: [tuple(row) for row in session.execute(text(sql), {"closed": NOW} if ":closed" in sql else {})]
            for name, sql in SNAPSHOTS.items()
        }


def test_a_close_that_is_killed_at_any_step_and_run_again_is_the_same(closer: Closer) -> None:
    whole = closer.fresh()
    code, steps = closer.close(whole)
    assert code == 0
    assert steps > 3 * len(ZONES)
    wanted = snapshot(whole)
    assert [row[0] for row in wanted["invoices"]] == [f"INV-2026-00000{number}" for number in (1, 2)]
    assert len(wanted["letters"]) == len(wanted["jobs"]) == len(ZONES)
    again, _ = closer.close(whole)
    assert again == 0
    assert snapshot(whole) == wanted, "closing twice changes nothing"
    for step in range(1, steps + 1):
        database = closer.fresh()
        assert closer.close(database, step)[0] == -9, f"step {step} was not reached"
        partial = snapshot(database)
        assert len(partial["letters"]) == len(partial["jobs"]) == sum(row[0] is not None for row in partial["invoices"])
        assert closer.close(database)[0] == 0
        assert snapshot(database) == wanted, f"killed at step {step} of {steps}"
        closer.drop(database)
    usage = open_usage(closer.folder)
    count, faults = verify(whole.transaction, usage)
    usage.close()
    closer.drop(whole)
    assert (count, faults) == (len(ZONES), [])
