"""An archive holds everything, comes back as it was into other stores, and never over something or by halves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from meterbook.archive.manifest import NAME, Manifest
from meterbook.archive.restore import restore_archive
from meterbook.archive.tables import carried_tables
from meterbook.archive.write import write_archive
from meterbook.database import Database, migrate
from meterbook.errors import Invalid, Refused
from meterbook.settings import Settings
from meterbook.usage.carry import events_through, open_shared_sink, open_sink
from meterbook.usage.store import UsageStore, open_shared, open_usage
from tests.conftest import emptied
from tests.office import Office
from tests.server_process import ServerProcess


@contextmanager
def at_office(database: Database, folder: Path, now: datetime | None = None) -> Iterator[Office]:
    """Open an office over a folder's usage store; a process has one such store open at a time."""
    store = open_usage(folder)
    try:
        office = Office(database, store, Settings(data_dir=folder))
        office.now = now or office.now
        yield office
    finally:
        store.close()


def furnish(office: Office) -> None:
    """Have an invoice, a kept draft of the month after, jobs that wait, and usage that came late."""
    code = office.account(tax="10")
    office.register(code)
    office.issued(code, "20.00")
    office.use(code, "1.50")
    office.now += timedelta(days=31)
    office.use(code, "3.00", "2027-07-10T10:00:00Z")
    office.close(code, "2027-07", confirm=False)


@dataclass(frozen=True)
class Archived:
    """An archive, and what was in the stores that it was written from."""

    folder: Path
    manifest: Manifest
    rows: dict[str, list[Any]]
    events: list[dict[str, Any]]
    now: datetime


@pytest.fixture
def archived(database: Database, tmp_path: Path) -> Archived:
    with at_office(database, tmp_path / "old") as office:
        furnish(office)
        told: list[int] = []
        manifest = write_archive(database, office.usage, tmp_path / "a", office.now, told.append)
        assert sum(told) == sum(part.rows for part in manifest.parts)
        return Archived(tmp_path / "a", manifest, rows_of(database), events_of(office.usage), office.now)


@pytest.fixture
def empty(migrated: Database) -> Iterator[Database]:
    """Another migrated database, without a row."""
    with migrated.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("create database restored"))
    other = Database(migrated.engine.url.set(database="restored"))
    migrate(other)
    yield other
    other.dispose()
    with migrated.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("drop database restored"))


def rows_of(database: Database) -> dict[str, list[Any]]:
    """Return every row of every table that is carried, as text."""
    with database.engine.connect() as connection:
        return {
            table: sorted(connection.scalars(text(f'select t::text from "{table}" as t')).all())
            for table in carried_tables(connection)
        }


def events_of(store: UsageStore) -> list[dict[str, Any]]:
    rows = [row for batch in events_through(store, store.received_through()) for row in batch.to_pylist()]
    return sorted(rows, key=lambda row: (row["source"], row["id"]))


def restore(database: Database, folder: Path, data_dir: Path) -> Manifest:
    with open_sink(data_dir) as sink:
        return restore_archive(database, sink, folder)


def test_everything_comes_back_as_it_was_and_goes_on(archived: Archived, empty: Database, tmp_path: Path) -> None:
    assert restore(empty, archived.folder, tmp_path / "b") == archived.manifest
    assert rows_of(empty) == archived.rows
    with at_office(empty, tmp_path / "b", archived.now) as there:
        assert events_of(there.usage) == archived.events
        there.check()
        # numbers go on, and the books are guarded again
        assert there.issued(there.account(), "5.00").number == "INV-2027-000002"
        with pytest.raises(DatabaseError, match="append-only"), empty.transaction() as session:
            session.execute(text("delete from posting"))
        there.check()


def test_an_archive_of_what_was_restored_is_the_same(archived: Archived, empty: Database, tmp_path: Path) -> None:
    restore(empty, archived.folder, tmp_path / "b")
    store = open_usage(tmp_path / "b")
    second = write_archive(empty, store, tmp_path / "c", archived.now)
    store.close()
    first = archived.manifest
    assert (second.schema, second.received_through) == (first.schema, first.received_through)
    assert {name: part.rows for name, part in second.tables.items()} == {
        name: part.rows for name, part in first.tables.items()
    }
    assert second.event_count == first.event_count


def test_what_happens_meanwhile_stays_out(database: Database, tmp_path: Path) -> None:
    with at_office(database, tmp_path / "old") as office:
        furnish(office)
        written = write_archive(database, office.usage, tmp_path / "a", office.now, lambda _: office.account() and None)
        assert len(rows_of(database)["account"]) > 1
    assert written.tables["account"].rows == 1


def test_nothing_is_restored_over_something(
    archived: Archived, database: Database, empty: Database, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="in use already"):
        restore(database, archived.folder, tmp_path / "b")
    assert rows_of(database) == archived.rows
    with at_office(database, tmp_path / "c") as office:
        office.use(office.account(), "1.00")
    with pytest.raises(Refused, match="holds 4 events and the archive 3"):
        restore(empty, archived.folder, tmp_path / "c")
    assert not any(rows_of(empty).values())


def test_a_restore_that_was_cut_off_is_run_again(archived: Archived, empty: Database, tmp_path: Path) -> None:
    def cut_off(_rows: int) -> None:
        raise KeyboardInterrupt

    with open_sink(tmp_path / "b") as sink:
        with pytest.raises(KeyboardInterrupt):
            restore_archive(empty, sink, archived.folder, cut_off)
        assert not any(rows_of(empty).values())
        restore_archive(empty, sink, archived.folder)
    assert rows_of(empty) == archived.rows


@pytest.mark.parametrize("harm", ["flip", "cut", "lose", "climb"])
def test_a_damaged_archive_is_refused_whole(archived: Archived, empty: Database, tmp_path: Path, harm: str) -> None:
    path = archived.manifest.events[0].path
    part = archived.folder / path
    content = bytearray(part.read_bytes())
    if harm == "flip":
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
    elif harm == "cut":
        part.write_bytes(content[:-1])
    elif harm == "lose":
        part.unlink()
    else:
        shutil.copy(part, tmp_path / "outside")
        manifest = archived.folder / NAME
        manifest.write_text(manifest.read_text().replace(path, "../outside"))
    with pytest.raises(Invalid, match="missing or damaged"):
        restore(empty, archived.folder, tmp_path / "b")
    assert not any(rows_of(empty).values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"form": 2}, "newer one"),
        ({"schema": "0001"}, "restore it with that version"),
        ({"tables": None}, "no archive"),
    ],
)
def test_an_archive_of_another_form_is_refused(
    archived: Archived, empty: Database, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    manifest = archived.folder / NAME
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    with pytest.raises(Invalid, match=said):
        restore(empty, archived.folder, tmp_path / "b")


def test_a_write_that_fails_leaves_nothing(database: Database, tmp_path: Path) -> None:
    def full(_rows: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "there").mkdir()
    with at_office(database, tmp_path / "old") as office:
        with pytest.raises(Refused, match="there already"):
            write_archive(database, office.usage, tmp_path / "there", office.now)
        with pytest.raises(Refused, match="No space left"):
            write_archive(database, office.usage, tmp_path / "a", office.now, full)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "there"]


@pytest.mark.parametrize("is_cluster", [False, True])
def test_a_house_moves_to_servers_and_back(
    archived: Archived, database: Database, empty: Database, server: ServerProcess, tmp_path: Path, is_cluster: bool
) -> None:
    settings = server.another_database(is_cluster=is_cluster)
    with open_shared_sink(settings, empty) as sink:
        assert restore_archive(empty, sink, archived.folder) == archived.manifest
    assert rows_of(empty) == archived.rows
    store = open_shared(settings, empty)
    there = Office(empty, store, Settings(data_dir=tmp_path / "there"))
    there.now = archived.now
    assert events_of(store) == archived.events
    there.check()
    assert there.issued(there.account(), "5.00").number == "INV-2027-000002"
    write_archive(empty, store, tmp_path / "back", there.now)
    moved = events_of(store)
    assert len(moved) > len(archived.events)
    store.close()
    restore(emptied(database), tmp_path / "back", tmp_path / "home")
    assert rows_of(database) == rows_of(empty)
    with at_office(database, tmp_path / "home", there.now) as home:
        assert events_of(home.usage) == moved
        home.check()
