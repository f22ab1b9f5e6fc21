"""The command that imports files: every form of one series, bad rows, files that cannot be read."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.doors.commands import event, requests
from tests.doors.conftest import Served


def hourly(hours: int) -> list[tuple[str, str]]:
    begins = datetime(2026, 6, 1, tzinfo=UTC)
    return [(f"{begins + timedelta(hours=hour):%Y-%m-%d %H:%M:%S}", f"{hour}.5") for hour in range(hours)]


def write_csv(path: Path, rows: Sequence[tuple[str, str]], header: Sequence[str] = ("timestamp", "value")) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def test_one_series_in_every_form_counts_the_same(served: Served, say: Any, tmp_path: Path) -> None:
    rows = hourly(100)
    write_csv(tmp_path / "lb.csv", rows)
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress((tmp_path / "lb.csv").read_bytes()))
    write_csv(tmp_path / "named.csv", [(value, at) for at, value in rows], header=("Sum", "When"))
    times = pa.array([datetime.fromisoformat(at).replace(tzinfo=UTC) for at, _ in rows])
    pq.write_table(pa.table({"timestamp": times, "value": [value for _, value in rows]}), tmp_path / "lb.parquet")
    with (tmp_path / "lb.ndjson").open("w") as file:
        for at, value in rows:
            file.write(json.dumps(event("cli-ndjson", "request.count", f"{at.replace(' ', 'T')}Z", value)) + "\n")
    forms = {
        "cli-csv": ["lb.csv"],
        "cli-gz": ["packed.csv.gz", "--resource", "lb"],
        "cli-named": ["named.csv", "--time-column", "When", "--value-column", "Sum"],
        "cli-parquet": ["lb.parquet"],
        "cli-ndjson": ["lb.ndjson"],
    }
    served.account("cli-forms", projects=[*forms])
    for project, (name, *options) in forms.items():
        what = [] if project == "cli-ndjson" else ["--project", project, "--type", "request.count"]
        first = say("import", tmp_path / name, *what, *options)
        assert (first.code, first.out) == (0, f"{name}: 100 accepted, 0 duplicates, 0 rejected\n")
        again = say("import", tmp_path / name, *what, *options, "--json")
        assert (again.code, again.err) == (0, "")
        outcome = {"name": name, "accepted": 0, "duplicates": 100, "rejected": 0, "rejections": []}
        assert again.json() == {"files": [outcome]}
        assert requests(served, project) == "5000"


def test_a_bad_row_is_told_and_its_neighbours_kept(served: Served, say: Any, tmp_path: Path) -> None:
    served.account("cli-rows", projects=["cli-rows"])
    rows = hourly(10)
    rows[3], rows[6], rows[8] = ("yesterday", "1"), (rows[6][0], "-1"), (rows[8][0], "many")
    write_csv(tmp_path / "lb.csv", rows)
    said = say("import", tmp_path / "lb.csv", "--project", "cli-rows", "--type", "request.count")
    assert (said.code, said.out) == (1, "lb.csv: 7 accepted, 0 duplicates, 3 rejected\n")
    told = [line.strip() for line in said.err.splitlines() if "lb.csv, data row" in line]
    assert told[0].startswith("lb.csv, data row 4: time is not an instant such as 2026-11-20T10:00:00Z: 'yesterday'")
    assert told[1:] == [
        "lb.csv, data row 7: value is negative: -1",
        "lb.csv, data row 9: value is not a decimal number: 'many'",
    ]
    assert requests(served, "cli-rows") == "31.5"


def test_an_event_that_is_not_taken_is_told_with_its_id(served: Served, say: Any, tmp_path: Path) -> None:
    served.account("cli-ids", projects=["cli-ids"])
    lines = [event("cli-ids", "request.count", f"2026-06-01T0{hour}:00:00Z", hour - 1) for hour in range(3)]
    (tmp_path / "ev.ndjson").write_text("\n".join(map(json.dumps, lines)))
    told = say("import", tmp_path / "ev.ndjson", "--json")
    refused = {"row": 1, "id": lines[0]["id"], "reason": "value is negative: -1"}
    assert (told.code, told.json()["files"][0]["rejections"]) == (1, [refused])
    assert f"ev.ndjson:1, event {lines[0]['id']}: value is negative: -1" in say("import", tmp_path / "ev.ndjson").err


def test_files_that_cannot_be_imported(served: Served, say: Any, tmp_path: Path) -> None:
    served.account("cli-none", projects=["cli-none"])
    what = ["--project", "cli-none", "--type", "request.count"]
    write_csv(tmp_path / "lb.csv", hourly(10))
    write_csv(tmp_path / "other.csv", hourly(10), header=("when", "what"))
    (tmp_path / "semicolons.csv").write_text("timestamp;value\n2026-06-01;1\n")
    (tmp_path / "tabs.csv").write_text("timestamp\tvalue\n2026-06-01\t1\n")
    (tmp_path / "lb.txt").write_text("timestamp,value\n")
    (tmp_path / "lb.parquet").write_bytes(b"PAR1 and nothing else")
    (tmp_path / "lb.csv.gz").write_bytes(b"not packed at all")
    (tmp_path / "empty.csv").write_bytes(b"")
    refused = {
        "lb.txt": "lb.txt is none of .csv, .parquet, .ndjson and .jsonl",
        "other.csv": "no column 'timestamp': name the right one with --time-column; the columns are when, what",
        "semicolons.csv": "The separator has to be a comma: the header 'timestamp;value' is one column",
        "tabs.csv": "has to be a comma: the header 'timestamp\\tvalue' is one column, parted by tabs",
        "lb.parquet": "lb.parquet",
        "lb.csv.gz": "lb.csv.gz",
        "empty.csv": "empty.csv",
    }
    for name, message in refused.items():
        said = say("import", tmp_path / name, *what)
        assert said.code == 1, name
        assert said.err.splitlines()[-1].startswith(f"meterbook: {tmp_path / name}: "), said.err
        assert message in said.err
        assert "Traceback" not in said.err
    assert "name both" in say("import", tmp_path / "lb.csv").err
    said = say("import", tmp_path / "lb.csv", "--project", "cli-none", "--type", "nothing.known")
    assert (said.code, said.out) == (1, "lb.csv: 0 accepted, 0 duplicates, 10 rejected\n")
    assert "lb.csv, data row 1: unknown type, no product is metered by it: nothing.known" in said.err
    missing = say("import", tmp_path / "lb.csv", tmp_path / "absent.csv", *what)
    assert (missing.code, missing.out) == (1, "")
    usage = served.read("usage", "--project", "cli-none", "--from", "2026-06-01", "--until", "2026-07-01")
    assert usage["items"] == []
