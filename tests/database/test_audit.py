"""The tables that write the audit log: each change once, with who made it, without secrets, however it is made."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from meterbook.accounts.add_account import add_account
from meterbook.accounts.add_member import add_member
from meterbook.accounts.add_project import add_project
from meterbook.accounts.add_user import add_user, set_password
from meterbook.accounts.create_key import create_key, revoke_key
from meterbook.accounts.tables import Account
from meterbook.audit import Kind, Sought, Told, entries
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.core.roles import Scope
from meterbook.database import Database, acting, acts_as
from tests.office import CATALOG

NOW = datetime(2026, 11, 20, tzinfo=UTC)
PASSWORD = "correct horse battery"
EVERYTHING = Sought()
# What is money or follows from it (the journal and its documents say who), what the server keeps for its own work, and
# what people do by being there.
NOT_AUDITED = {
    *("journal_entry", "posting", "prepayment", "credit"),
    *("invoice", "invoice_line", "invoice_discount", "invoice_tax", "number_series", "close_run", "delivery"),
    *("credit_note", "credit_note_line", "credit_note_tax"),
    *("payment", "payment_attempt", "refund", "gateway_event", "card_setup"),
    *("fake_gateway_charge", "fake_gateway_setup"),
    *("audit_entry", "schema_version", "usage_turn", "recent_try", "idempotency_key", "budget_alert"),
    *("sign_in", "one_time_link", "recovery_code"),
}


def account(session: Session, code: str = "acme") -> Account:
    return add_account(session, NOW, code=code, currency="USD", billing_email="bills@acme.example")


def newest(database: Database, sought: Sought = EVERYTHING) -> Told:
    return told(database, sought)[0]


def told(database: Database, sought: Sought = EVERYTHING) -> list[Told]:
    with database.transaction() as session:
        return entries(session, sought, before=None, limit=100)


def said(entry: Told) -> dict[str, tuple[object, object]]:
    return {each.name: (each.was, each.came) for each in entry.changes}


def test_every_table_is_audited_or_is_not_for_a_reason(database: Database) -> None:
    with database.transaction() as session:
        tables = set(session.scalars(text("select tablename from pg_tables where schemaname = 'public'")))
        triggers = "select relname from pg_trigger join pg_class on pg_class.oid = tgrelid where tgname = 'audit'"
        audited = set(session.scalars(text(triggers)))
    assert {table for table in tables - audited if not table.startswith("procrastinate_")} == NOT_AUDITED
    assert not audited & NOT_AUDITED


def test_what_was_changed_is_told_with_who_did_it(database: Database) -> None:
    with acting(database.transaction, "ann@staff.example")() as session:
        account(session)
    added = newest(database)
    assert (added.entry.kind, added.entry.action, added.entry.subject) == ("account", "added", "acme")
    assert (added.entry.acted_by, added.entry.account) == ("ann@staff.example", "acme")
    assert said(added)["billing_email"] == (None, "bills@acme.example")
    with database.transaction() as session:
        acts_as(session, "ben@staff.example")
        session.execute(text("update account set tax_percent = 8.25, name = 'Acme Inc.'"))
    changed = newest(database)
    assert (changed.entry.action, changed.entry.acted_by) == ("changed", "ben@staff.example")
    assert said(changed) == {"name": ("acme", "Acme Inc."), "tax_percent": ("0", "8.25")}
    with database.transaction() as session:
        session.execute(text("update account set tax_percent = 8.2500, created_at = now()"))
    assert len(told(database)) == 2
    assert abs(datetime.now(UTC) - changed.entry.acted_at).total_seconds() < 300


def test_who_acts_is_known_to_one_transaction_alone(database: Database) -> None:
    """Connections are used again: an act of nobody in person is not put on whoever had the connection before."""
    with acting(database.transaction, "ann@staff.example")() as session:
        account(session)
    with database.transaction() as session:
        account(session, "second")
    assert newest(database).entry.acted_by is None


def test_what_is_undone_is_not_told(database: Database) -> None:
    with database.transaction() as session:
        with session.begin_nested() as point:
            account(session)
            session.flush()
            point.rollback()
        account(session, "kept")
    assert [each.entry.subject for each in told(database)] == ["kept"]


def test_by_hand_in_the_database_is_told_too(database: Database) -> None:
    with database.transaction() as session:
        account(session)
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        connection.execute("update account set tax_percent = 0.5")
    user = database.engine.url.username
    assert newest(database).entry.acted_by == f"postgresql:{user}"
    assert said(newest(database)) == {"tax_percent": ("0", "0.5")}


def test_no_secret_is_told(database: Database) -> None:
    with database.transaction() as session:
        payer = account(session)
        user = add_user(session, NOW, email="ann@acme.example", password=PASSWORD)
        made = create_key(session, NOW, scope=Scope.account, account=payer, name="billing")
        session.execute(
            text(
                "insert into payment_information (account_id, method, gateway, method_reference, method_label, company,"
                " recipient, email, cc, language, updated_at) values"
                " (:account, 'card', 'fake', 'pm_secret', 'Visa 4242', '', '', 'pay@acme.example', '[]', 'en', now())"
            ),
            {"account": payer.id},
        )
    (renewed,) = [each for each in told(database, Sought(kind=Kind.user)) if each.entry.action == "added"]
    assert "password_hash" not in said(renewed)
    with database.transaction() as session:
        set_password(session, NOW, user=session.merge(user), password=f"another {PASSWORD}")
    assert said(newest(database)) == {"password": (None, None)}
    with database.transaction() as session:
        written = session.scalars(text("select to_jsonb(audit_entry)::text from audit_entry")).all()
        hashed = session.scalars(text('select password_hash from "user"')).one()
    everything = "\n".join(written)
    assert "Visa 4242" in everything
    for secret in (made.secret, PASSWORD, hashed, "argon2", "pm_secret", "secret_sha256", "method_reference"):
        assert secret not in everything
    assert newest(database, Sought(kind=Kind.api_key)).entry.subject == made.key.prefix


def test_people_of_a_project_and_keys_that_end(database: Database) -> None:
    with database.transaction() as session:
        payer = account(session)
        project = add_project(session, NOW, account=payer, code="web")
        user = add_user(session, NOW, email="ann@acme.example", password=None)
        add_member(session, NOW, user=user, account=payer, project=project, role="viewer", billing=True)
        key = create_key(session, NOW, scope=Scope.events, account=payer, project=project).key
        session.flush()
        revoke_key(session, NOW, key=key)
        session.execute(text("update api_key set last_used_on = now()"))
    member = newest(database, Sought(kind=Kind.membership))
    assert (member.entry.subject, member.entry.account, member.entry.project) == ("ann@acme.example", "acme", "web")
    assert said(member) == {"role": (None, "viewer"), "billing": (None, True)}
    ended, made = told(database, Sought(kind=Kind.api_key))
    assert (ended.entry.action, list(said(ended)), made.entry.project) == ("changed", ["revoked_at"], "web")
    with database.transaction() as session:
        session.execute(text("delete from membership"))
    removed = newest(database)
    assert (removed.entry.action, removed.entry.subject) == ("removed", "ann@acme.example")
    assert said(removed) == {"role": ("viewer", None), "billing": (True, None)}


def test_a_price_is_told_under_its_product(database: Database) -> None:
    with database.transaction() as session:
        for price in ("1", "1.50"):
            catalog = parse_catalog(CATALOG.replace('unit_price = "1"', f'unit_price = "{price}"'))
            apply_catalog(session, catalog, NOW, lambda *_: False)
    changed, *rest = told(database, Sought(subject="calls"))
    assert (changed.entry.kind, changed.entry.subject) == ("price", "calls USD 2010-01-01T00:00Z")
    assert said(changed) == {"unit_price": ("1", "1.5")}
    assert {each.entry.kind for each in rest} == {"product", "price"}
    assert told(database, Sought(subject="call")) == []


def test_the_log_stays(database: Database) -> None:
    with database.transaction() as session:
        account(session)
    for act in ("update audit_entry set acted_by = 'nobody'", "delete from audit_entry", "truncate audit_entry"):
        with pytest.raises(DBAPIError, match="append-only"), database.transaction() as session:
            session.execute(text(act))
    assert [each.entry.subject for each in told(database)] == ["acme"]
