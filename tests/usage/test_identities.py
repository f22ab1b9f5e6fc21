"""Every stored event has its identity, once: after crashes between the two, restores and moves from older stores."""

from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np
import pyarrow as pa
import pytest

from meterbook.errors import Busy
from meterbook.usage.carry import open_sink
from meterbook.usage.connection import statement
from meterbook.usage.engine import Engine
from meterbook.usage.identity import IDENTITY, Known, identities, identities_of, keys_of
from meterbook.usage.intake import OwnIntake
from meterbook.usage.journal import Journal
from meterbook.usage.store import UsageStore, engine_folder, open_usage
from meterbook.usage.stored import find_stored
from tests.usage.sending import NOW, Sender, event

_ROWS = "select account_id, project_id, type, resource, at, value, source, id, dimensions, received_at from events"
_MIGRATIONS = files("meterbook.usage").joinpath("sql", "migrations")


def test_identities_are_of_account_source_and_id() -> None:
    accounts = np.array([1, 1, 2, 1], dtype=np.uint64)
    sources, ids = pa.array(["s", "s", "s", "t"]), pa.array(["a", "b", "a", "a"])
    found = identities(accounts, sources, ids)
    assert len(set(found.tolist())) == 4
    assert found[0] == identities(accounts[:1], sources[:1], ids[:1])[0]
    assert len(identities(accounts[:0], sources[:0], ids[:0])) == 0


def test_clickhouse_gives_the_same_identities(tmp_path: Path) -> None:
    sender = Sender(open_usage(tmp_path), 1)
    sources = ["agent", "urn:x", "日本", "s" * 1024, " "]
    ids = ["1", "a b", "한국어", "i" * 256, "\\0", "'"]
    sender.send([event(id_, NOW, source=source) for source in sources for id_ in ids])
    sql = Template(
        "with $identity select head, tail, $key as key, account_id, toString(source) as source, id from events"
    )
    rows = sender.store.read(sql.substitute(identity=statement("identity"), key=statement("identity_key")), {})
    pairs = list(zip(rows.column("head").to_pylist(), rows.column("tail").to_pylist(), strict=True))
    assert len(pairs) == 30
    assert pairs == identities_of(rows).tolist()
    assert rows.column("key").to_pylist() == keys_of(identities_of(rows)).tolist()
    assert find_stored(sender.store._engine, identities_of(rows)) == set(pairs)
    assert sender.store.faults() == []
    sender.store.close()


def test_known_finds_what_is_in_it_even_where_keys_are_the_same() -> None:
    random = np.random.default_rng(3)
    pairs = [(int(head), int(tail)) for head, tail in random.integers(0, 40, (900, 2))]
    known, added = Known(), list(dict.fromkeys(pairs))[:300]
    for start in range(0, 300, 7):
        known.add(np.array(added[start : start + 7], IDENTITY))
        few = pairs[start : start + 5]
        assert known.those_of(np.array(few, IDENTITY)) == set(added[: start + 7]) & set(few)
        if start % 70 == 0:
            assert known.those_of(np.array(pairs, IDENTITY)) == set(added[: start + 7]) & set(pairs)
    assert known.those_of(np.array(pairs, IDENTITY)) == set(added) & set(pairs)
    assert Known().those_of(np.array(pairs, IDENTITY)) == set()


def test_an_event_that_is_stored_twice_is_found(tmp_path: Path) -> None:
    store = open_usage(tmp_path)
    Sender(store, 1).send([event(f"e{number}", NOW) for number in range(9)])
    rows = store.read(_ROWS, {}).combine_chunks()
    store._engine.insert("events", rows[:2])
    assert store.faults() == ["events: 11 events and 9 identities do not agree"]
    store._engine.run("insert into event_identities select * from event_identities limit 2")
    assert store.faults()[0] == "events: 2 are stored more than once"
    store.close()


def _check(folder: Path, names: list[str]) -> None:
    """Open a store, whose events of account 1 are these, each known."""
    store = open_usage(folder)
    sender = Sender(store, 1)
    assert sorted(sender.rows()) == sorted(names)
    assert sender.send([event(name, NOW) for name in names]).duplicates == len(names)
    assert store.faults() == []
    store.close()


def _break_off(store: UsageStore, table: str) -> None:
    """Have a flush fail at a table, and leave the segment behind."""
    store._engine.run(f"rename table {table} to away")
    with pytest.raises(Busy):
        store.settle()
    store._engine.run(f"rename table away to {table}")
    assert isinstance(store._intake, OwnIntake)
    store._intake._recorder.close()
    flusher = store._intake._flusher
    with flusher._changed:
        flusher._open = False
        flusher._changed.notify_all()


def test_a_crash_between_events_and_their_identities(tmp_path: Path) -> None:
    store = open_usage(tmp_path)
    sender = Sender(store, 1)
    sender.send([event("first", NOW)])
    store.settle()
    sender.send([event(f"e{number}", NOW) for number in range(40)])
    sender.send([event(f"f{number}", NOW) for number in range(40)])
    _break_off(store, "event_identities")
    counts = store._engine.query(statement("stored_counts")).to_pylist()
    assert counts == [{"events": 81, "identities": 1}]
    store.close()
    assert len(Journal(tmp_path / "usage" / "journal").segments()) == 1
    _check(tmp_path, ["first", *(f"{letter}{number}" for letter in "ef" for number in range(40))])


def test_a_crash_in_the_middle_of_the_events(tmp_path: Path) -> None:
    store = open_usage(tmp_path)
    sender = Sender(store, 1)
    sender.send([event(f"e{number}", NOW) for number in range(40)])
    _break_off(store, "events")
    store.close()
    [segment] = Journal(tmp_path / "usage" / "journal").segments()
    copy = segment.read_bytes()
    open_usage(tmp_path).close()
    engine = Engine(engine_folder(tmp_path))
    engine.run("alter table events delete where id like 'e1%' settings mutations_sync = 1")
    engine.run("alter table event_identities delete where tail % 2 = 0 settings mutations_sync = 1")
    engine.close()
    segment.write_bytes(copy)
    _check(tmp_path, [f"e{number}" for number in range(40)])


def test_a_restore_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    store = open_usage(tmp_path / "a")
    Sender(store, 1).send([event(f"e{number}", NOW) for number in range(40)])
    rows = store.read(_ROWS, {}).combine_chunks()
    store.close()
    with open_sink(tmp_path / "b") as sink:
        sink._engine.insert("events", rows[:30])
    with open_sink(tmp_path / "b") as sink:
        for batch in rows.to_batches(max_chunksize=8):
            sink.put(batch)
        assert sink.count() == 40
    _check(tmp_path / "b", [f"e{number}" for number in range(40)])


def test_a_store_from_before_identities_had_a_table_is_carried_over(tmp_path: Path) -> None:
    store = open_usage(tmp_path / "new")
    sender = Sender(store, 1)
    sender.send([event(f"e{number}", NOW) for number in range(20)])
    rows = store.read(_ROWS, {}).combine_chunks()
    sender.send([event(f"j{number}", NOW) for number in range(20)])
    journalled = store.read(f"{_ROWS} where id like 'j%'", {})
    store.close()

    old = Engine(engine_folder(tmp_path / "old"))
    old.run(old.layout.fill(statement("schema_versions")))
    for name in sorted(entry.name for entry in _MIGRATIONS.iterdir()):
        if name < "0006":
            old.run(old.layout.fill(_MIGRATIONS.joinpath(name).read_text("utf-8")))
            old.query("insert into schema_versions (name) values ({name:String})", {"name": name})
    identity = pa.array([identity.tobytes() for identity in identities_of(rows)], pa.binary(16))
    old.insert("events", rows.append_column("identity", identity))
    old.close()
    journal = Journal(tmp_path / "old" / "usage" / "journal")
    journal.append(journalled.append_column("identity", identity).to_batches())
    journal.rotate()

    _check(tmp_path / "old", [f"{letter}{number}" for letter in "ej" for number in range(20)])
    _check(tmp_path / "old", [f"{letter}{number}" for letter in "ej" for number in range(20)])
