"""Usage acknowledged is usage kept: across restarts, crashes, torn files and failed disks."""

import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event as Signal
from time import monotonic, sleep

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from meterbook.errors import Busy, Refused
from meterbook.usage import load_sieve, record
from meterbook.usage.connection import Connection
from meterbook.usage.journal import Journal, read_segment
from meterbook.usage.store import open_usage
from meterbook.usage.stored import identity_keys
from tests.usage.sending import NOW, Sender, event

_LOADER = Path(__file__).with_name("load_until_killed.py")


def test_an_event_is_known_after_a_restart(tmp_path: Path) -> None:
    store = open_usage(tmp_path)
    assert Sender(store, 1).send([event("a", NOW)]).accepted == 1
    store.close()
    store = open_usage(tmp_path)
    receipt = Sender(store, 1).send([event("a", NOW, value="5"), event("b", NOW)])
    assert (receipt.accepted, receipt.duplicates) == (1, 1)
    assert Sender(store, 1).rows() == ["a", "b"]
    store.close()
    with pytest.raises(Refused, match="closed"):
        Sender(store, 1).send([event("c", NOW)])


def test_one_process_at_a_time(tmp_path: Path) -> None:
    store = open_usage(tmp_path)
    with pytest.raises(Refused, match="Another process"):
        open_usage(tmp_path)
    store.close()
    open_usage(tmp_path).close()


def test_a_segment_of_known_rows_replays_without_effect(tmp_path: Path) -> None:
    store = open_usage(tmp_path)
    sender = Sender(store, 1)
    sender.send([event(f"e{number}", NOW) for number in range(50)])
    folder = tmp_path / "usage" / "journal"
    [segment] = folder.glob("*.journal")
    copy = segment.read_bytes()
    store.settle()
    store.close()
    assert list(folder.glob("*.journal")) == []
    (folder / "00000000000000000007.journal").write_bytes(copy)
    (folder / "00000000000000000008.journal").write_bytes(copy)
    store = open_usage(tmp_path)
    assert len(Sender(store, 1).rows()) == 50
    store.close()
    assert list(folder.glob("*.journal")) == []


@pytest.mark.parametrize("cut", [1, 7, 9, 200])
def test_a_torn_tail_is_cut(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path)
    for number in (1, 2):
        journal.append([pa.record_batch({"number": [number]})])
    path = journal.rotate()
    assert path is not None
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    assert [table.to_pylist() for table in read_segment(path)] == [[{"number": 1}]]
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert [table.to_pylist() for table in read_segment(path)] == [[{"number": 1}]]


def test_a_failed_write_leaves_no_torn_record_behind(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([pa.record_batch({"number": [1]})])
    [path] = journal.segments()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.append([pa.record_batch({"number": [2]})])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    journal.append([pa.record_batch({"number": [3]})])
    assert journal.rotate() == path
    assert [table.to_pylist() for table in read_segment(path)] == [[{"number": 1}], [{"number": 3}]]


def test_a_request_that_could_not_be_journalled_is_not_acknowledged_and_may_come_again(tmp_path: Path) -> None:
    store = open_usage(tmp_path)
    sender = Sender(store, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            sender.send([event("a", NOW)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sender.send([event("a", NOW)]).accepted == 1
    assert sender.rows() == ["a"]
    store.close()


def test_ingest_goes_on_while_clickhouse_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "HELD_ROWS_MAX", 100)
    store = open_usage(tmp_path)
    sender = Sender(store, 1)
    engine = store._engine
    engine.run("rename table events to away")
    assert sender.send([event(f"a{number}", NOW) for number in range(90)]).accepted == 90
    with pytest.raises(Busy, match="cannot be read yet"):
        store.settle()
    with pytest.raises(Busy, match="waiting to be stored") as busy:
        sender.send([event(f"b{number}", NOW) for number in range(20)])
    assert busy.value.retry_after == 1
    assert sender.send([event(f"a{number}", NOW) for number in range(10)]).duplicates == 10
    assert sender.send([event("c", NOW)]).accepted == 1
    engine.run("rename table away to events")
    deadline = monotonic() + 20
    while monotonic() < deadline:
        with suppress(Busy):
            store.settle()
            break
    assert len(sender.rows()) == 91
    assert sender.send([event(f"b{number}", NOW) for number in range(20)]).accepted == 20
    store.close()


def test_what_clickhouse_never_took_is_there_at_the_next_start(tmp_path: Path) -> None:
    store = open_usage(tmp_path)
    store._engine.run("rename table events to away")
    assert Sender(store, 1).send([event("a", NOW)]).accepted == 1
    with pytest.raises(Busy):
        store.settle()
    store._engine.run("rename table away to events")
    assert len(list((tmp_path / "usage" / "journal").glob("*.journal"))) == 1
    store.close()
    store = open_usage(tmp_path)
    assert Sender(store, 1).rows() == ["a"]
    store.close()


def test_senders_of_the_same_event_at_the_same_time(tmp_path: Path) -> None:
    store = open_usage(tmp_path)
    sender = Sender(store, 1)

    def send(run: int) -> int:
        return sum(
            sender.send([event(f"{batch}-{n}", NOW) for n in range(20)]).accepted for batch in range(run % 3, 15)
        )

    with ThreadPoolExecutor(8) as pool:
        accepted = sum(pool.map(send, range(16)))
    assert accepted == len(sender.rows()) == 300
    store.close()


def test_every_acknowledged_event_is_there_once_after_kills(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    for run, after in enumerate([1, 7, 23]):
        process = subprocess.Popen(
            [sys.executable, str(_LOADER), str(tmp_path), str(run)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for batches, line in enumerate(process.stdout, 1):
            acknowledged.update(line.split())
            if batches == after:
                process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert len(acknowledged) >= 100 * (1 + 7 + 23)
    store = open_usage(tmp_path)
    stored = Sender(store, 1).rows()
    assert len(stored) == len(set(stored))
    assert acknowledged <= set(stored)
    receipt = Sender(store, 1).send([event(id_, NOW) for id_ in sorted(acknowledged)])
    assert (receipt.accepted, receipt.duplicates) == (0, len(acknowledged))
    store.close()


def test_a_store_is_read_before_its_identities_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _send_one(tmp_path)
    go = Signal()
    monkeypatch.setattr(load_sieve, "identity_keys", _held_up(go))
    store = open_usage(tmp_path)
    sender = Sender(store, 1)
    assert sender.rows() == ["a"]
    with ThreadPoolExecutor(1) as thread:
        sent = thread.submit(sender.send, [event("a", NOW), event("b", NOW)])
        sleep(0.2)
        assert not sent.done()
        assert sender.rows() == ["a"]
        go.set()
        assert (sent.result().accepted, sent.result().duplicates) == (1, 1)
    assert sender.rows() == ["a", "b"]
    store.close()


def test_a_store_closes_before_its_identities_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _send_one(tmp_path)
    go = Signal()
    with monkeypatch.context() as patch, ThreadPoolExecutor(2) as threads:
        patch.setattr(load_sieve, "identity_keys", _held_up(go))
        store = open_usage(tmp_path)
        sent = threads.submit(Sender(store, 1).send, [event("b", NOW)])
        sleep(0.2)
        closed = threads.submit(store.close)
        sleep(0.2)
        go.set()
        with pytest.raises(Busy, match="closes"):
            sent.result()
        closed.result()
    store = open_usage(tmp_path)
    assert Sender(store, 1).rows() == ["a"]
    assert Sender(store, 1).send([event("b", NOW)]).accepted == 1
    store.close()


def test_senders_hear_of_identities_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Connection) -> Iterator[npt.NDArray[np.uint64]]:
        raise OSError("no space on the device of the identities")
        yield

    monkeypatch.setattr(load_sieve, "identity_keys", broken)
    store = open_usage(tmp_path)
    with pytest.raises(OSError, match="no space"):
        Sender(store, 1).send([event("a", NOW)])
    assert Sender(store, 1).rows() == []
    store.close()


def _send_one(folder: Path) -> None:
    store = open_usage(folder)
    Sender(store, 1).send([event("a", NOW)])
    store.close()


def _held_up(go: Signal) -> Callable[[Connection], Iterator[npt.NDArray[np.uint64]]]:
    def keys(engine: Connection) -> Iterator[npt.NDArray[np.uint64]]:
        go.wait(30)
        yield from identity_keys(engine)

    return keys
