from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import meterbook.accounts.tables
import meterbook.audit
import meterbook.budgets.tables
import meterbook.catalog.tables
import meterbook.idempotency
import meterbook.invoicing.tables
import meterbook.ledger.tables
import meterbook.payments.gateways.fake_tables
import meterbook.payments.tables
import meterbook.promotions.tables
import meterbook.tries
import meterbook.usage.tables  # noqa: F401 - all are part of what is compared
from meterbook import migrations
from meterbook.database import Base, Database, migrate, open_database
from meterbook.errors import Refused
from meterbook.settings import Settings


def test_the_migrations_give_exactly_the_tables_of_the_rooms(database: Database) -> None:
    with database.engine.connect() as connection:
        options = {
            "version_table": "schema_version",
            "compare_type": True,
            "compare_server_default": True,
            # the queue's tables are Procrastinate's own
            "include_name": lambda name, kind, _: kind != "table" or not str(name).startswith("procrastinate_"),
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    migrate(database)
    with database.transaction() as session:
        (version,) = session.scalars(text("select version_num from schema_version")).all()
    assert version == ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head()


def test_revisions_are_numbered_by_their_files() -> None:
    """By their names a start knows whether there is anything to migrate."""
    revisions = list(ScriptDirectory(str(Path(migrations.__file__).parent)).walk_revisions())
    numbers = [revision.revision for revision in revisions]
    assert numbers == [Path(revision.path).name.partition("_")[0] for revision in revisions]
    assert numbers == sorted(numbers, reverse=True)


def test_two_at_once_migrate_once(tmp_path: Path) -> None:
    database = open_database(Settings(data_dir=tmp_path / "data"))
    errors: list[BaseException] = []

    def run() -> None:
        try:
            migrate(database)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.transaction() as session:
        assert session.scalar(text("select count(*) from schema_version")) == 1
    database.dispose()
    assert errors == []


def test_a_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    database = open_database(Settings(data_dir=tmp_path / "data"))
    migrate(database)
    with database.transaction() as session:
        session.execute(text("update schema_version set version_num = '9999'"))
    with pytest.raises(Refused, match="newer version") as refused:
        migrate(database)
    database.dispose()
    assert refused.value.slug == "database-newer"
