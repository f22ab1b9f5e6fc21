"""`kill -9` at every step of a close and of a delivery: done again, the result is the same as without."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import text
from sqlalchemy.orm import Session

from meterbook.accounts.add_account import add_account
from meterbook.accounts.add_project import add_project
from meterbook.accounts.queries import projects_by_codes
from meterbook.accounts.tables import Account
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.core.money import Money, currency
from meterbook.core.period import BillingMonth
from meterbook.database import Database, migrate
from meterbook.invoicing.close import close_month
from meterbook.invoicing.deliver import deliver
from meterbook.invoicing.verify import verify
from meterbook.mail import SmtpMailer, SmtpServer
from meterbook.payments.gateways.fake import FakeGateway
from meterbook.payments.record import top_up
from meterbook.payments.register import checked, register
from meterbook.promotions.add_promotion import add_promotion
from meterbook.promotions.redeem import redeem
from meterbook.settings import Settings
from meterbook.usage.events import read_events
from meterbook.usage.ingest import Destination, ingest
from meterbook.usage.store import UsageStore, open_usage
from tests.invoicing.close_until_killed import AT, Order
from tests.mail.conftest import Postbox, free_port
from tests.office import CATALOG

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ZONES = ("Asia/Seoul", "UTC", "UTC")  # a group of accounts, and so two transactions, for each that is another
CODES = [f"p{number}" for number in range(len(ZONES))]
SCRIPT = Path(__file__).with_name("close_until_killed.py")
KILLED = -9
# everything a close leaves behind, without the ids that a rolled back transaction uses up
SNAPSHOTS = {
    "invoices": """
        select i.number, a.code, i.month, i.total_minor, i.tax_minor, i.unpaid_minor, i.credit_used_minor,
            i.balance_used_minor, i.issued_at::text, i.due_on::text, i.document, i.terms
        from invoice i join account a on a.id = i.account_id order by i.number
        """,
    "lines": """
        select i.number, l.position, l.project_code, l.product_code, l.quantity::text, l.amount_minor, l.discount_minor
        from invoice_line l join invoice i on i.id = l.invoice_id order by 1, 2
        """,
    "entries": """
        select a.code, e.reason, p.ledger_account, p.amount_minor, p.product, i.number, e.posted_at::text
        from posting p
        join journal_entry e on e.id = p.entry_id
        join account a on a.id = e.account_id
        left join invoice i on i.id = p.invoice_id
        order by 1, 7, 2, 3, 4
        """,
    "letters": """
        select d.message_id, d.kind, d.recipient, i.number, d.queued_at::text
        from delivery d join invoice i on i.id = d.invoice_id order by 1
        """,
    "jobs": """
        select j.task_name, j.scheduled_at::text, j.status::text, d.message_id, i.number, j.args ->> 'attempt'
        from procrastinate_jobs j
        left join delivery d on d.id = (j.args ->> 'delivery_id')::bigint
        left join invoice i on i.id = (j.args ->> 'invoice_id')::bigint
        order by 1, 4, 5
        """,
    "series": "select document_type, year, last_number from number_series order by 1, 2",
}


@dataclass
class Closer:
    """A database of its own, a process whose children are killed in it, and what does their work again here."""

    database: Database
    process: subprocess.Popen[str]
    folder: Path
    usage: UsageStore
    settings: Settings

    def renew(self) -> None:
        """Put every row back as it was prepared."""
        with self.database.transaction() as session:
            session.execute(text("set local session_replication_role = replica"))
            for table in tables(session):
                session.execute(text(f"delete from {table}"))
                session.execute(text(f"insert into {table} overriding system value select * from prepared.{table}"))

    def killed(self, at: int, port: int = 0, delivery_id: int = 0) -> tuple[int, int]:
        """Close, or deliver a letter, in a child that is killed at a step; return its exit status and its steps."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        url = self.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        order = Order(url=url, folder=str(self.folder), kill_at=at, port=port, delivery_id=delivery_id)
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        code, steps = self.process.stdout.readline().split()
        return int(code), int(steps)

    def close(self) -> None:
        close_month(self.database.transaction, self.usage, self.settings, BillingMonth(2026, 6), AT, confirm=True)


def tables(session: Session) -> list[str]:
    return list(session.scalars(text("select quote_ident(tablename) from pg_tables where schemaname = 'public'")))


def outside(server: Database, statement: str) -> None:
    """Run a statement that no transaction may hold."""
    with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))


@pytest.fixture(scope="module")
def closer(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closer]:
    folders = [tmp_path_factory.mktemp("killed") for _ in range(2)]
    with ExitStack() as stack:
        outside(migrated, "create database killed")
        stack.callback(outside, migrated, "drop database killed with (force)")
        database = Database(migrated.engine.url.set(database="killed"))
        stack.callback(database.dispose)
        migrate(database)
        furnish(database)
        # a close only reads usage: the same is in a folder for each of the two processes
        for folder in folders:
            use(database, folder)
        with database.transaction() as session:
            session.execute(text("create schema prepared"))
            for table in tables(session):
                session.execute(text(f"create table prepared.{table} as table {table}"))
        usage = open_usage(folders[1])
        stack.callback(usage.close)
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with process:
            yield Closer(database, process, folders[0], usage, Settings(data_dir=folders[1]))


def furnish(database: Database) -> None:
    """Add an account for each zone: one with a promotion and credit, one with a balance, one with a card."""
    with database.transaction() as session:
        apply_catalog(session, parse_catalog(CATALOG), NOW, lambda *_: False)
        accounts: list[Account] = []
        for code, zone in zip(CODES, ZONES, strict=True):
            account = add_account(session, NOW, code=code, currency="USD", time_zone=zone, tax_percent=Decimal(10))
            add_project(session, NOW, account=account, code=code)
            accounts.append(account)
            has_card = account is accounts[-1] and len(accounts) == len(ZONES)
            information = checked(
                account,
                method="card" if has_card else "send_invoice",
                company=None,
                registration_number=None,
                recipient=None,
                email=f"{code}@money.example",
                cc=[],
                language=None,
            )
            card = FakeGateway(database, "secret").attach(code, information.email, "fake_succeeds", code)
            register(
                session,
                NOW,
                account=account,
                information=information,
                gateway="fake" if has_card else None,
                card=card if has_card else None,
            )
        add_promotion(session, NOW, code="TEN", kind="percent", value=Decimal(10))
        ends_at = NOW + timedelta(days=20)
        add_promotion(session, NOW, code="GIFT", kind="credit", value=Decimal(200), currency="USD", ends_at=ends_at)
        for code in ("TEN", "GIFT"):
            redeem(session, NOW, account=accounts[0], code=code, by="test")
        top_up(session, NOW, account=accounts[1], amount=Money(4_000, currency("USD")), reference="ahead")


def use(database: Database, folder: Path) -> None:
    """Meter calls for 100.00 dollars in each project."""
    with database.transaction() as session:
        found = {code: Destination(*place) for code, place in projects_by_codes(session, set(CODES)).items()}
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
        for code in CODES
    ]
    decoded = read_events(json.dumps(events).encode(), "application/json", None)
    store = open_usage(folder)
    receipt = ingest(store, decoded, lambda _: found, frozenset({"calls"}), datetime(2026, 6, 11, tzinfo=UTC)).result()
    store.close()
    assert receipt.accepted == len(CODES)


def snapshot(database: Database) -> dict[str, list[Any]]:
    with database.transaction() as session:
        return {name: [tuple(row) for row in session.execute(text(sql))] for name, sql in SNAPSHOTS.items()}


def check_between(found: dict[str, list[Any]]) -> None:
    """What a killed close left is whole: each number has its entries, its letter and its jobs, and none is missing."""
    numbers = [row[0] for row in found["invoices"] if row[0] is not None]
    assert numbers == [f"INV-2026-{number:06d}" for number in range(1, len(numbers) + 1)]
    assert [row[2] for row in found["series"]] == ([len(numbers)] if numbers else [])
    assert [row[3] for row in found["letters"]] == numbers
    assert [row[3] for row in found["jobs"] if row[0] == "deliver"] == [row[0] for row in found["letters"]]
    assert sorted({row[5] for row in found["entries"] if row[1] == "invoice" and row[5]}) == numbers


def test_a_close_that_is_killed_at_any_step_and_run_again_is_the_same(closer: Closer) -> None:
    closer.renew()
    code, steps = closer.killed(at=0)
    assert code == 0
    assert steps > 10 * len(set(ZONES))
    wanted = snapshot(closer.database)
    check_between(wanted)
    assert [row[3] for row in wanted["invoices"]] == [9_900, 11_000, 11_000]
    # credit pays the first, the balance a part of the second; on the due date a card pays what is left, if one is there
    assert [row[6:8] for row in wanted["invoices"]] == [(9_900, 0), (0, 4_000), (0, 0)]
    assert [row[4] for row in wanted["jobs"] if row[0] == "collect"] == [row[0] for row in wanted["invoices"][1:]]
    closer.close()
    assert snapshot(closer.database) == wanted, "closing twice changes nothing"
    for step in range(1, steps + 1):
        closer.renew()
        assert closer.killed(at=step)[0] == KILLED, f"step {step} was not reached"
        check_between(snapshot(closer.database))
        closer.close()
        assert snapshot(closer.database) == wanted, f"killed at step {step} of {steps}"
        assert verify(closer.database.transaction, closer.usage) == (len(ZONES), []), f"killed at {step} of {steps}"


@pytest.mark.parametrize(
    # before its reading ends nothing was sent; before its note is written, or committed, the server has it
    ("step", "sent"),
    [(1, 0), (2, 1), (3, 1)],
)
def test_a_letter_that_is_sent_again_after_a_kill_is_the_same_letter(closer: Closer, step: int, sent: int) -> None:
    postbox, database = Postbox(), closer.database
    closer.renew()
    closer.close()
    letter = letters(database)[0]
    controller = Controller(postbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        assert closer.killed(step, controller.port, letter.id)[0] == KILLED
        assert letters(database)[0] == letter
        assert len(postbox.letters) == sent
        mailer = SmtpMailer(SmtpServer("127.0.0.1", controller.port), closer.settings.mail_from)
        for _ in range(2):
            deliver(database.transaction, mailer, closer.settings, lambda: AT, delivery_id=letter.id)
            assert letters(database)[0] == letter._replace(attempts=1, sent_at=AT)
    finally:
        controller.stop()
    assert [each["Message-ID"] for each in postbox.letters] == [letter.message_id] * (sent + 1)
    papers = [[part.get_content() for part in each.iter_attachments()] for each in postbox.letters]
    assert all(paper == papers[0] for paper in papers), "every byte of the paper is the same"


class Noted(NamedTuple):
    id: int
    message_id: str
    attempts: int
    sent_at: datetime | None


def letters(database: Database) -> list[Noted]:
    with database.transaction() as session:
        found = session.execute(text("select id, message_id, attempts, sent_at from delivery order by message_id"))
        return [Noted(*row) for row in found]
