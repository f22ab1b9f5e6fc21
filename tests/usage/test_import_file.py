"""Files become usage once, whatever they are called, wherever they lie and however often they are read."""

import gzip
import json
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from time import sleep

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbook.errors import Invalid
from meterbook.usage import import_file, read_table
from meterbook.usage.import_file import ImportRequest, TableOptions, read_file
from meterbook.usage.occurrence import Occurrences
from meterbook.usage.read_table import TableColumns
from tests.usage.sending import COUNTER, HOUR, NOW, Sender, event

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

OPTIONS = TableOptions("web", COUNTER.type, "lb")
EXAMPLES = Path(__file__).parents[2] / "examples" / "cloudwatch"


def csv(path: Path, *rows: str, header: str = "timestamp,value") -> Path:
    path.write_text("\n".join([header, *rows, ""]))
    return path


def load(sender: Sender, path: Path, options: TableOptions | None = OPTIONS) -> tuple[int, int, list[tuple[int, str]]]:
    """Import a file; return how many rows were new, how many known, and each other row with the reason."""
    accepted, duplicates, refused = 0, 0, []
    for request in read_file(path, options):
        receipt = sender.post(request.body, request.content_type)
        accepted += receipt.accepted
        duplicates += receipt.duplicates
        refused += [(row.row, row.reason) for row in request.refused]
        refused += [(int(request.rows[one.index]), one.reason) for one in receipt.rejected]
    return accepted, duplicates, sorted(refused)


def rows_of(count: int, start: int = 0) -> list[str]:
    begin = datetime.fromisoformat("2026-03-01")
    return [f"{begin + timedelta(minutes=5 * number)},{number}.5" for number in range(start, start + count)]


def test_the_same_rows_count_once(sender: Sender, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    half = csv(tmp_path / "half.csv", *rows_of(500))
    assert load(sender, half) == (500, 0, [])
    assert load(sender, half) == (0, 500, [])
    assert load(sender, half.rename(tmp_path / "other" / "renamed.csv")) == (0, 500, [])
    whole = csv(tmp_path / "whole.csv", *rows_of(1000))
    assert load(sender, whole) == (500, 500, [])
    assert load(sender, csv(tmp_path / "late.csv", *rows_of(100, start=950))) == (50, 50, [])
    assert len(sender.rows()) == 1050


def test_other_resources_types_and_projects_are_other_usage(sender: Sender, tmp_path: Path) -> None:
    for name in ("one.csv", "two.csv"):
        assert load(sender, csv(tmp_path / name, *rows_of(3)), TableOptions("web", COUNTER.type))[0] == 3
    assert load(sender, tmp_path / "one.csv", TableOptions("batch", COUNTER.type))[0] == 3
    assert load(sender, tmp_path / "one.csv", TableOptions("web", "host.seen"))[0] == 3
    assert load(sender, tmp_path / "two.csv", TableOptions("web", COUNTER.type, "one")) == (0, 3, [])
    assert set(sender.rows("resource")) == {"one", "two"}


def test_a_corrected_value_changes_nothing(sender: Sender, tmp_path: Path) -> None:
    assert load(sender, csv(tmp_path / "a.csv", "2026-03-01,1"))[0] == 1
    assert load(sender, csv(tmp_path / "a.csv", "2026-03-01,2")) == (0, 1, [])
    assert sender.rows("value") == [Decimal(1)]


def test_rows_at_the_same_time_are_told_apart(sender: Sender, tmp_path: Path) -> None:
    time = "2026-03-01 00:00:00"
    assert load(sender, csv(tmp_path / "a.csv", f"{time},1", f"{time},1", "2026-03-02,7", f"{time},2")) == (4, 0, [])
    assert load(sender, csv(tmp_path / "a.csv", f"{time},1", f"{time},1", f"{time},2")) == (0, 3, [])
    assert sum(sender.rows("value")) == 11


def test_times_in_every_dress(sender: Sender, tmp_path: Path) -> None:
    times = ["2026-03-01 14:30:00", "2026-03-01T14:30:01", "2026-03-01T14:30:02Z", "2026-03-01T23:30:03+09:00"]
    times += ["2026-03-01 14:30:04.25", "2026-03-01T14:30:05.123456789Z", "2026-03-01"]
    assert load(sender, csv(tmp_path / "mixed.csv", *(f"{time},1" for time in times))) == (7, 0, [])
    for number, time in enumerate(times):
        assert load(sender, csv(tmp_path / f"{number}.csv", f"{time},1"))[1:] == (1, [])
    seen = [f"{at:%H:%M:%S.%f}" for at in sender.rows("at")]
    assert seen[:5] == ["00:00:00.000000", *(f"14:30:0{second}.000000" for second in range(4))]
    assert seen[5:] == ["14:30:04.250000", "14:30:05.123456"]


def test_bad_rows_are_told_and_their_neighbours_kept(sender: Sender, tmp_path: Path) -> None:
    path = csv(
        tmp_path / "bad.csv",
        "2026-03-01 00:00:00,1",
        "yesterday,2",
        "2026-03-01 02:00:00,many",
        "2026-03-01 03:00:00",
        "2026-03-01 04:00:00,-4",
        "2026-03-01 05:00:00,nan",
        "2030-03-01 05:00:00,1",
        "2026-03-01 06:00:00,",
        ",8",
        "2026-03-01 09:00:00,9",
    )
    accepted, duplicates, refused = load(sender, path)
    assert (accepted, duplicates) == (2, 0)
    assert [row for row, _ in refused] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert [reason.split(":")[0] for _, reason in refused] == [
        "time is not an instant such as 2026-11-20T10",
        "value is not a decimal number",
        "the row has 1 fields, the header 2",
        "value is negative",
        "value is not finite",
        "time is more than an hour ahead",
        "no value",
        "time is not an instant such as 2026-11-20T10",
    ]


def test_a_repaired_row_is_taken_then(sender: Sender, tmp_path: Path) -> None:
    time = "2026-03-01 00:00:00"
    assert load(sender, csv(tmp_path / "a.csv", f"{time},x", f"{time},2"))[0] == 1
    assert load(sender, csv(tmp_path / "a.csv", f"{time},1", f"{time},2")) == (1, 1, [])
    assert sum(sender.rows("value")) == 3


def test_values_never_pass_through_a_binary_float(sender: Sender, tmp_path: Path) -> None:
    csv(tmp_path / "a.csv", "2026-03-01,0.1", "2026-03-02,41.361999999999995", "2026-03-03,123456789012345678.1")
    load(sender, tmp_path / "a.csv")
    assert sender.rows("value") == [Decimal("0.1"), Decimal("41.362"), Decimal("123456789012345678.1")]


def test_other_columns_and_an_id_column(sender: Sender, tmp_path: Path) -> None:
    options = TableOptions("web", COUNTER.type, "lb", TableColumns("when", "amount", "ref"))
    header = "note,ref,amount,when"
    path = csv(tmp_path / "a.csv", 'x,r1,1,2026-03-01\n"y, z",r2,2,2026-03-01\nq,r1,3,2026-03-09', header=header)
    assert load(sender, path, options) == (2, 1, [])
    assert sender.rows() == ["r1", "r2"]


@pytest.mark.parametrize("pack", ["plain", ".gz", ".zst"])
def test_packed_files(sender: Sender, tmp_path: Path, pack: str) -> None:
    plain = csv(tmp_path / "lb-7.csv", *rows_of(20))
    lines = tmp_path / "events.ndjson"
    lines.write_text("".join(json.dumps(event(f"e{n}", NOW - n * HOUR)) + "\n" for n in range(20)))
    for path in (plain, lines):
        packed = path
        if pack != "plain":
            packed = path.with_name(path.name + pack)
            packed.write_bytes((gzip if pack == ".gz" else zstd).compress(path.read_bytes()))
        assert load(sender, packed, TableOptions("web", COUNTER.type)) == (20, 0, [])
    assert set(sender.rows("resource")) == {"lb-7", "host-1"}


def test_lines_keep_their_numbers(sender: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_file, "_LINES_MAX", 3)
    path = tmp_path / "events.jsonl"
    lines = [json.dumps(event(f"e{n}", NOW)) for n in range(8)]
    lines[1], lines[4], lines[7] = "", "{broken", json.dumps(event("x", NOW, subject="nowhere"))
    path.write_text("\n".join(lines))
    accepted, _, refused = load(sender, path, None)
    assert accepted == 5
    assert [row for row, _ in refused] == [5, 8]


def test_parquet(sender: Sender, tmp_path: Path) -> None:
    times = pa.array([datetime.fromisoformat(f"2026-03-0{day}") for day in (1, 2, 3)])
    path = tmp_path / "lb.parquet"
    for kind in ("us", "ns", "ms"):
        for unit_zone in (pa.timestamp(kind), pa.timestamp(kind, "Asia/Seoul")):
            values = pa.array([0.1, 1e-7, 41.361999999999995])
            pq.write_table(
                pa.table({"timestamp": times.cast(unit_zone), "value": values, "note": ["a", "b", "c"]}), path
            )
            accepted, duplicates, refused = load(sender, path)
            assert (accepted + duplicates, refused) == (3, [])
    assert sender.rows("value") == [Decimal("0.1"), Decimal("0.0000001"), Decimal("41.362")]
    for values in (pa.array([1, 2, None]), pa.array([Decimal("1.5"), None, None]), pa.array(["1", "2", None])):
        pq.write_table(pa.table({"timestamp": times, "value": values}), path)
        assert load(sender, path, TableOptions("web", COUNTER.type, f"r{values.type}"))[0] in (1, 2)
    pq.write_table(pa.table({"timestamp": ["2026-03-01", "x", None], "value": [float("nan"), 1.0, 1.0]}), path)
    assert [row for row, _ in load(sender, path)[2]] == [1, 2, 3]


def test_csv_and_parquet_of_the_same_rows_are_the_same_usage(sender: Sender, tmp_path: Path) -> None:
    load(sender, csv(tmp_path / "a.csv", "2026-03-01 00:00:00,1.5", "2026-03-01 00:00:00,2.5"))
    times = pa.array([datetime.fromisoformat("2026-03-01")] * 2, pa.timestamp("ns"))
    pq.write_table(pa.table({"timestamp": times, "value": [1.5, 2.5]}), tmp_path / "a.parquet")
    assert load(sender, tmp_path / "a.parquet") == (0, 2, [])


def test_real_files_import_whole(sender: Sender) -> None:
    for path in sorted(EXAMPLES.glob("*.csv")):
        count = len(path.read_text().splitlines()) - 1
        options = TableOptions("web", COUNTER.type)
        assert load(sender, path, options) == (count, 0, [])
        assert load(sender, path, options) == (0, count, [])


def test_progress_and_batches_are_bounded(tmp_path: Path) -> None:
    path = csv(tmp_path / "big.csv", *rows_of(120_000))
    requests = list(read_file(path, OPTIONS))
    assert sum(len(request.rows) for request in requests) == 120_000
    assert int(requests[0].rows[0]) == 1
    assert int(requests[-1].rows[-1]) == 120_000
    assert max(len(request.rows) for request in requests) <= 100_000
    assert max(len(request.body) for request in requests) < 10 << 20
    progress = [request.bytes_read for request in requests]
    assert progress == sorted(progress)
    assert progress[-1] == requests[-1].bytes_total == path.stat().st_size


@pytest.mark.parametrize(
    ("name", "text", "options", "slug"),
    [
        ("a.txt", "", OPTIONS, "unknown-file"),
        ("a", "", OPTIONS, "unknown-file"),
        ("a.parquet.gz", "", OPTIONS, "unknown-file"),
        ("a.csv", "timestamp,value\n", None, "missing-option"),
        ("a.csv", "", OPTIONS, "broken-file"),
        ("a.csv", "time,value\n2026-03-01,1\n", OPTIONS, "broken-file"),
        ("a.csv.gz", "no gzip", OPTIONS, "broken-file"),
        ("a.ndjson.zst", "no zstd", None, "broken-file"),
        ("a.parquet", "no parquet", OPTIONS, "broken-file"),
        ("a.csv", "timestamp,value\n", TableOptions("web", "x" * 300), "missing-option"),
    ],
)
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, name: str, text: str, options: TableOptions | None, slug: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Invalid) as refusal:
        list[ImportRequest](read_file(tmp_path / name, options))
    assert refusal.value.slug == slug


def test_a_parquet_file_says_what_its_columns_must_be(tmp_path: Path) -> None:
    for columns in ({"timestamp": [1], "value": [1]}, {"timestamp": ["2026"], "value": [True]}, {"value": [1]}):
        pq.write_table(pa.table(columns), tmp_path / "a.parquet")
        with pytest.raises(Invalid, match="column"):
            list(read_file(tmp_path / "a.parquet", OPTIONS))


@given(st.lists(st.lists(st.integers(0, 6), max_size=8), max_size=8))
def test_occurrences_are_numbered_over_the_whole_file(batches: list[list[int]]) -> None:
    every = [time for batch in batches for time in batch]

    def reread(count: int) -> Iterable[np.ndarray[tuple[int], np.dtype[np.int64]]]:
        return [np.array(every[:count], dtype=np.int64)] if count else []

    occurrences = Occurrences(reread)
    numbers = [int(n) for batch in batches for n in occurrences.number(np.array(batch, dtype=np.int64))]
    assert numbers == [every[:row].count(time) for row, time in enumerate(every)]


def test_times_that_go_back_between_batches(sender: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_file, "_ROWS_MAX", 10)
    monkeypatch.setattr(read_table, "_BLOCK_BYTES", 400)
    rows = [*rows_of(25), "broken,1", *rows_of(30), *rows_of(5)]
    accepted, duplicates, refused = load(sender, csv(tmp_path / "a.csv", *rows))
    assert (accepted, duplicates, [row for row, _ in refused]) == (60, 0, [26])
    assert load(sender, csv(tmp_path / "a.csv", *rows))[:2] == (0, 60)


def test_rows_are_numbered_past_skipped_ones_in_every_batch(
    sender: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_file, "_ROWS_MAX", 7)
    monkeypatch.setattr(read_table, "_BLOCK_BYTES", 300)
    rows = rows_of(200)
    for number in range(1, 201):
        if number % 9 == 0:
            rows[number - 1] = "too,many,fields"
        if number % 13 == 0:
            rows[number - 1] = f"broken {number},1"
    accepted, _, refused = load(sender, csv(tmp_path / "a.csv", *rows))
    assert [row for row, _ in refused] == [n for n in range(1, 201) if n % 9 == 0 or n % 13 == 0]
    assert accepted == 200 - len(refused)
    assert all(f"broken {row}" in reason for row, reason in refused if row % 13 == 0)


class _SlowDisk(BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        sleep(0.02)
        return super().read(size)


def test_rows_refused_while_a_request_is_away_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_table, "_BLOCK_BYTES", 300)
    monkeypatch.setattr(import_file, "_unpacked", lambda raw, _packed: _SlowDisk(raw.read()))
    rows = [row if number % 9 else "too,many,fields" for number, row in enumerate(rows_of(100), start=1)]
    file = csv(tmp_path / "a.csv", *rows)
    # The first reading loads what it uses; from the second on the reader is ahead of whoever takes the requests.
    for _ in range(2):
        refused: list[int] = []
        for request in read_file(file, OPTIONS):
            sleep(0.03)
            refused.extend(rejection.row for rejection in request.refused)
        assert sorted(refused) == list(range(9, 101, 9))
