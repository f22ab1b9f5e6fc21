"""What every room's tests stand on: one real PostgreSQL for the run, emptied before each test that asks for it."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text

from meterbook.cli.serving import collect_seldom
from meterbook.database import Database, migrate, open_database
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore, open_usage
from tests.server_process import ServerProcess


def pytest_collection_finish() -> None:
    """Look no more for garbage among the thousands of tests and modules that stay, as the product does not either."""
    gc.collect()
    gc.freeze()
    collect_seldom()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command run in a test logs to that test's captured stderr, which is closed when the next one logs."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def migrated() -> Iterator[Database]:
    """The run's embedded PostgreSQL with every table in it; it need not survive a power cut."""
    # Not in pytest's own folder: each start of pytest closes that to all others, the server's user among them.
    with tempfile.TemporaryDirectory(prefix="meterbook-test-") as folder:
        database = open_database(Settings(data_dir=Path(folder, "data")))
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("alter system set fsync = off"))
            connection.execute(text("select pg_reload_conf()"))
        migrate(database)
        yield database
        database.dispose()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One ClickHouse server for the run."""
    process = ServerProcess(tmp_path_factory.mktemp("clickhouse"))
    process.start()
    yield process
    process.kill()


@pytest.fixture(scope="module")
def usage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UsageStore]:
    """A usage store for the tests of a module."""
    store = open_usage(tmp_path_factory.mktemp("usage"))
    yield store
    store.close()


@pytest.fixture
def database(migrated: Database) -> Database:
    """A database with all tables and no rows."""
    return emptied(migrated)


def emptied(database: Database) -> Database:
    """Take every row out of a database and return it."""
    with database.transaction() as session:
        tables = session.scalars(text("select quote_ident(tablename) from pg_tables where schemaname = 'public'")).all()
        # the books refuse to be emptied; a replica's session may
        session.execute(text("set local session_replication_role = replica"))
        # of few rows, deleting takes a thirtieth of truncating
        session.execute(text("; ".join(f"delete from {table}" for table in tables if table != "schema_version")))
    return database
