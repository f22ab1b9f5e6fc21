"""Usage acknowledged is usage kept: across restarts, crashes, torn files and failed disks."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from meterbook.errors import Refused
from meterbook.usage import journal as journals
from meterbook.usage.journal import Journal, read_segment
from meterbook.usage.store import open_usage

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


def test_a_failed_write_leaves_no_torn_record_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    journal.append([pa.record_batch({"number": [1]})])

    def full(file: int, parts: object) -> None:
        os.write(file, b"half a record")
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journals, "_write", full)
        with pytest.raises(OSError, match="No space"):
            journal.append([pa.record_batch({"number": [2]})])
    journal.append([pa.record_batch({"number": [3]})])
    path = journal.rotate()
    assert path is not None
    assert [table.to_pylist() for table in read_segment(path)] == [[{"number": 1}], [{"number": 3}]]


def test_every_acknowledged_event_is_there_once_after_kills(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    for run, after in enumerate([1, 7, 23]):
        process = subprocess.Popen(
            [sys.executable, str(_LOADER), str(tmp_path), str(run)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        batches = 0
        for line in process.stdout:
            acknowledged.update(line.split())
            batches += 1
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
