"""Several processes record on one server: what each acknowledged counts once, whoever dies or goes away meanwhile."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pytest

from meterbook.core.period import billing_zone
from meterbook.database import Database
from meterbook.errors import Busy, Refused
from meterbook.settings import Settings
from meterbook.usage.connection import instant
from meterbook.usage.intake import SharedIntake
from meterbook.usage.keep_shared import SharedKeeper
from meterbook.usage.server import Server, connect
from meterbook.usage.store import UsageStore, open_shared
from tests.server_process import ServerProcess, environment_of
from tests.usage.sending import COUNTER, NOW, Sender, event

_RECORDER = Path(__file__).with_name("record_until_killed.py")


@pytest.fixture(params=["server", "cluster"])
def house(request: pytest.FixtureRequest, server: ServerProcess) -> Settings:
    """Settings of a new database of the server, which any number of stores may open."""
    return server.another_database(is_cluster=request.param == "cluster")


@pytest.fixture
def first(house: Settings, migrated: Database) -> Iterator[UsageStore]:
    store = open_shared(house, migrated)
    yield store
    store.close()


@pytest.fixture
def second(house: Settings, migrated: Database) -> Iterator[UsageStore]:
    store = open_shared(house, migrated)
    yield store
    store.close()


class Died(Exception):
    """Stands for the end of a process in the middle of something."""


def keeper_of(store: UsageStore) -> SharedKeeper:
    assert isinstance(store._intake, SharedIntake)
    return store._intake._keeper


def server_of(store: UsageStore) -> Server:
    assert isinstance(store._engine, Server)
    return store._engine


def die_in_a_turn(store: UsageStore) -> tuple[int, str]:
    """Begin a group and do no more; return its moment and token."""
    try:
        with keeper_of(store).turns.held() as turn:
            moment, token = turn.begin(0)
            raise Died
    except Died:
        return moment, token


def rows_like(sender: Sender, name: str, moment: int) -> pa.Table:
    """Return a stored event with another id and moment of receipt."""
    sql = "select * replace ({name:String} as id, {moment:DateTime64(6, 'UTC')} as received_at) from events limit 1"
    return sender.store.read(sql, {"name": name, "moment": instant(moment)})


def test_what_one_records_all_know(first: UsageStore, second: UsageStore) -> None:
    one, other = Sender(first, 1), Sender(second, 1)
    assert one.send([event("a", NOW)]).accepted == 1
    assert other.rows() == ["a"]
    assert other.send([event("a", NOW), event("b", NOW)]).duplicates == 1
    assert one.send([event("b", NOW), event("c", NOW)]).duplicates == 1
    assert one.rows() == other.rows() == ["a", "b", "c"]
    assert first.received_through() == second.received_through()
    assert first.pending_count == 0
    assert first.faults() == second.faults() == []


def test_one_that_starts_later_knows_all_that_is_there(house: Settings, first: UsageStore, migrated: Database) -> None:
    Sender(first, 1).send([event(f"e{number}", NOW) for number in range(50)])
    later = open_shared(house, migrated)
    assert Sender(later, 1).send([event(f"e{number}", NOW) for number in range(51)]).accepted == 1
    later.close()


def test_a_group_that_never_came_cannot_come_later(first: UsageStore, second: UsageStore) -> None:
    sender = Sender(first, 1)
    sender.send([event("a", NOW)])
    moment, token = die_in_a_turn(second)
    assert sender.send([event("b", NOW)]).accepted == 1
    server_of(second).insert("events", rows_like(sender, "late", moment), token)
    assert sender.rows() == ["a", "b"]
    # the token is remembered with a part, which is empty by now
    table = "events_local" if server_of(first).layout.cluster else "events"
    made = first.read(f"show create table {table}", {}).to_pylist()[0]["statement"]
    assert "remove_empty_parts = 0" in made
    assert first.faults() == []


def test_a_group_whose_keeper_died_before_the_identities_is_made_whole(first: UsageStore, second: UsageStore) -> None:
    sender = Sender(first, 1)
    sender.send([event("a", NOW)])
    moment, token = die_in_a_turn(second)
    server_of(second).insert("events", rows_like(sender, "half", moment), token)
    # whoever sent it got no answer, and sends it again
    assert sender.send([event("half", NOW), event("b", NOW)]).duplicates == 1
    assert sender.rows() == ["a", "b", "half"]
    assert first.faults() == []


def test_a_keeper_that_was_taken_for_dead_does_not_acknowledge(first: UsageStore, second: UsageStore) -> None:
    Sender(first, 1).send([event("a", NOW)])
    with keeper_of(first).turns.held() as turn:
        moment, _ = turn.begin(0)
        # the lock of a connection that was silent for too long is lost while its holder lives
        turn._connection.exec_driver_sql("select pg_advisory_unlock_all()")
        assert Sender(second, 1).send([event("b", NOW)]).accepted == 1
        with pytest.raises(Busy, match="took this one for dead"):
            turn.check(moment)


@pytest.mark.parametrize("house", ["server"], indirect=True)
def test_an_answer_that_is_lost_counts_nothing_twice(first: UsageStore) -> None:
    sender = Sender(first, 1)
    sender.send([event("a", NOW)])
    server = server_of(first)
    server.run("drop answers 2")
    assert sender.send([event("b", NOW), event("c", NOW)]).accepted == 2
    server.run("drop answers 9")
    with pytest.raises(Busy, match="usage store cannot answer now"):
        sender.send([event("d", NOW), event("e", NOW)])
    server.run("drop answers 0")
    assert sender.send([event("d", NOW), event("f", NOW)]).duplicates == 1
    assert sender.rows() == ["a", "b", "c", "d", "e", "f"]
    assert first.faults() == []


def test_a_step_of_the_roll_up_that_was_cut_off_adds_nothing_twice(first: UsageStore, second: UsageStore) -> None:
    sender = Sender(first, 1)
    sender.send([event("a", NOW, COUNTER.type, value="3")])
    first.rolled([1], billing_zone("UTC"))
    first._roll_up.begin()
    sender.send([event("b", NOW, COUNTER.type, value="4")])
    server = server_of(second)
    server.run("drop answers 9")
    with pytest.raises(Busy):
        second._roll_up.go_on()
    server.run("drop answers 0")
    first._roll_up.go_on()
    assert first.faults() == second.faults() == []


def test_a_server_that_goes_away_and_comes_back(migrated: Database, tmp_path: Path) -> None:
    process = ServerProcess(tmp_path)
    process.start()
    store = open_shared(process.another_database(), migrated)
    sender = Sender(store, 1)
    assert sender.send([event("a", NOW)]).accepted == 1
    process.kill()
    for act in (sender.rows, lambda: sender.send([event("b", NOW)])):
        with pytest.raises(Busy, match="usage store cannot answer now") as busy:
            act()
        assert (busy.value.slug, busy.value.retry_after) == ("usage-unavailable", 5)
    process.start()
    assert sender.send([event("a", NOW), event("b", NOW)]).accepted == 1
    assert sender.rows() == ["a", "b"]
    assert store.faults() == []
    store.close()
    process.kill()


def test_a_server_that_does_not_let_us_in(server: ServerProcess) -> None:
    for settings, said in (
        (server.settings("default", password="not the right one"), "Authentication failed"),
        (Settings(clickhouse_url="http://me:some-word@127.0.0.1:9/usage"), "127.0.0.1:9/usage cannot be reached"),
    ):
        with pytest.raises(Refused, match=said) as refused:
            connect(settings)
        assert refused.value.slug == "usage-unreachable"
        assert not re.search("not the right one|some-word", refused.value.message)


@pytest.mark.parametrize("house", ["server"], indirect=True)
def test_processes_that_record_at_once_and_are_killed(house: Settings, migrated: Database, tmp_path: Path) -> None:
    environment = os.environ | environment_of(house, migrated)
    acknowledged: set[str] = set()

    def start(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(_RECORDER), name]
        with (tmp_path / f"{name}.log").open("wb") as log:
            return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)

    def hear(process: subprocess.Popen[str], batches: int | None = None) -> None:
        assert process.stdout is not None
        # a line that the kill has torn was not heard
        lines = [line for line in islice(process.stdout, batches) if line.endswith("\n")]
        assert len(lines) >= (batches or 0), "".join(log.read_text() for log in tmp_path.glob("*.log"))
        acknowledged.update(name for line in lines for name in line.split())

    def kill(process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGKILL)
        hear(process)
        assert process.stdout is not None
        process.stdout.close()
        process.wait()

    survivor = start("survivor")
    for name, batches in (("first", 1), ("second", 7)):
        dies = start(name)
        hear(dies, batches)
        kill(dies)
        # with no turn lost: who is left goes on at once
        hear(survivor, 10)
    kill(survivor)
    store = open_shared(house, migrated)
    sender = Sender(store, 1)
    stored = sender.rows()
    assert len(stored) == len(set(stored))
    assert acknowledged <= set(stored)
    again = sender.send([event(name, NOW, COUNTER.type) for name in stored])
    assert again.duplicates == len(stored)
    assert store.faults() == []
    store.close()
