"""The command line: exit codes, messages, JSON, imports, keys, and how a server starts, shares its folder and stops."""

from __future__ import annotations

import csv
import gzip
import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meterbook.accounts.prove import KEY_FORM
from meterbook.cli.app import main
from meterbook.cli.client import RUN_FILE, running_server
from meterbook.settings import Settings
from tests.doors.conftest import CATALOG, Served, start, wait_ready

PRODUCTS = CATALOG.read_text(encoding="utf-8")
SECONDS = 120


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def run(*arguments: object, stdin: str | None = None) -> Said:
    """Run a command in a process of its own, as a person would."""
    command = [sys.executable, "-m", "meterbook", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def say(served: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command in this process against the running server; much faster, and otherwise the same."""

    def said(*arguments: object) -> Said:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["meterbook", *map(str, arguments), "--data-dir", str(served.folder)])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert left.value.code is None or isinstance(left.value.code, int)
        return Said(left.value.code or 0, out, err)

    return said


# --- codes and messages


def test_help_answers_at_once() -> None:
    spent = []
    for arguments in (["--help"], ["import", "--help"], ["serve", "--help"]):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = run(*arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert (said.code, said.err) == (0, "")
    assert min(spent) < 0.5
    assert run("--version").out.startswith("meterbook ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["unheard"],
        ["preview"],
        ["preview", "--account", "a", "--unheard"],
        ["account", "add", "a"],
        ["usage", "--project", "p"],
        ["import"],
        ["serve", "--port", "70000"],
        ["serve", "--port", "x"],
        ["key", "create"],
        ["catalog", "unheard", "x.toml"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2(say: Any, arguments: list[str]) -> None:
    said = say(*arguments)
    assert (said.code, said.out) == (2, "")
    assert "Usage" in said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["preview", "--account", "nobody"], "There is no account 'nobody'."),
        (["preview", "--account", "cli", "--month", "2026-13"], "'2026-13' is not a month such as 2014-02"),
        (["preview", "--account", "cli", "--month", "2190-01"], "2190-01 has not begun yet"),
        (["preview", "--account", "cli", "--at", "noon"], "'noon' is not an instant such as 2026-06-12T06:00:00Z"),
        (["preview", "--account", "cli", "--by", "colour"], "'project' or 'product'"),
        (["usage", "--project", "nowhere", "--from", "2026-06-01", "--until", "2026-07-01"], "no project 'nowhere'"),
        (["usage", "--project", "cli", "--from", "2026-07-01", "--until", "2026-06-01"], "`from` has to lie before"),
        (["usage", "--project", "cli", "--from", "2026-06-01", "--until", "2026-06-31"], "'2026-06-31' is not a day"),
        (["account", "add", "Capital", "--currency", "USD"], "'Capital' is not allowed"),
        (["account", "add", "cli-x", "--currency", "DOLLAR"], "not an ISO 4217 currency code"),
        (["account", "add", "cli", "--currency", "KRW"], "exists already and differs: currency is USD there"),
        (["account", "add", "cli-x", "--currency", "USD", "--tax-percent", "101"], "0 to 100"),
        (["account", "add", "cli-x", "--currency", "USD", "--time-zone", "Mars/Olympus"], "not a time zone"),
        (["project", "add", "nobody", "cli-x"], "There is no account 'nobody'."),
        (["project", "add", "cli", "cli-x", "--label", "novalue"], "key=value"),
        (["project", "add", "cli", "cli-x", "--trial-until", "2026-06-20T10:30:00Z"], "start of an hour"),
        (["user", "add", "nobody"], "not an e-mail address"),
        (["member", "add", "nobody@cli.example", "cli"], "There is no user 'nobody@cli.example'."),
        (["member", "add", "nobody@cli.example"], "either the project or"),
        (["key", "create", "--scope", "events"], "needs the account"),
        (["key", "create", "--scope", "everything"], "'events', 'account' or 'operator'"),
        (["key", "revoke", "mbk_e_unheard"], "There is no key"),
        (["import", "absent.csv"], "There is no file absent.csv; nothing was imported."),
        (["catalog", "check", "absent.toml"], "Cannot read absent.toml: No such file or directory."),
    ],
    ids=lambda each: " ".join(each)[:60] if isinstance(each, list) else "",
)
def test_what_is_refused_exits_1_and_says_why(served: Served, say: Any, arguments: list[str], message: str) -> None:
    served.account("cli", projects=["cli"])
    said = say(*arguments)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("meterbook: ")
    assert message in said.err
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err


def test_lists_and_what_was_added(served: Served, say: Any) -> None:
    for _ in range(2):  # the very same again changes nothing
        assert say("account", "add", "cli-all", "--currency", "JPY", "--name", "All of it").out == (
            "Account cli-all is there.\n"
        )
        added = ["cli-all", "cli-all-web", "--label", "team=core", "--trial-until", "2026-06-20T10:00:00Z"]
        assert say("project", "add", *added).out == "Project cli-all-web is there.\n"
        served.run("user", "add", "ann@cli.example", "--name", "Ann", "--password-stdin", stdin="a long password\n")
        assert say("member", "add", "ann@cli.example", "cli-all-web", "--role", "admin", "--billing").code == 0
        assert say("member", "add", "ann@cli.example", "--account", "cli-all").out == (
            "ann@cli.example is viewer of account cli-all.\n"
        )
    (project,) = served.read("project", "list", "cli-all")["items"]
    assert (project["labels"], project["trial_until"]) == ({"team": "core"}, "2026-06-20T10:00:00Z")
    members = served.read("member", "list", "cli-all")["items"]
    assert [(each["project"], each["role"], each["billing"]) for each in members] == [
        ("cli-all-web", "admin", True),
        (None, "viewer", False),
    ]
    (account,) = [each for each in served.read("account", "list")["items"] if each["code"] == "cli-all"]
    assert (account["name"], account["currency"], account["rounding"]) == ("All of it", "JPY", "down")
    for listing in (["account", "list"], ["project", "list", "cli-all"], ["member", "list", "cli-all"]):
        said = say(*listing)
        assert (said.code, said.err) == (0, "")
        assert "cli-all" in said.out


# --- the catalog


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.toml"


def test_a_catalog_mistake_names_line_and_field(served: Served, say: Any, file: Path) -> None:
    before = served.get("/catalog")
    wrong = PRODUCTS.replace('unit_price = "12.00"', 'unit_price = "12,00"').replace('kind = "gauge"', 'kind = "gouge"')
    file.write_text(wrong, encoding="utf-8")
    lines = wrong.split("\n")
    places = [lines.index('unit_price = "12,00"') + 1, next(n for n, text in enumerate(lines, 1) if "gouge" in text)]
    for command in ("check", "diff", "apply"):
        said = say("catalog", command, file)
        assert (said.code, said.out) == (1, "")
        told = said.err.splitlines()
        assert told[0].startswith(f"{file}:{places[0]}: products.prices.unit_price: ")
        assert told[1].startswith(f"{file}:{places[1]}: products.meter.kind: ")
    file.write_text("version = \n")
    assert say("catalog", "check", file).err.startswith(f"{file}:1: ")
    file.write_text("")
    assert say("catalog", "check", file).err.startswith(f"{file}:1: version: ")
    assert served.get("/catalog") == before


def test_a_price_in_use_is_followed_and_never_changed(served: Served, say: Any, file: Path) -> None:
    served.account("cli-used", projects=["cli-used"])
    served.send([event("cli-used", "host.seen", "2026-06-01T00:30:00Z")])
    before = served.get("/catalog")
    file.write_text(PRODUCTS.replace('unit_price = "12.00"', 'unit_price = "13.00"'), encoding="utf-8")
    assert say("catalog", "check", file).code == 0
    said = say("catalog", "apply", file)
    assert (said.code, said.out) == (1, "")
    assert "the price of server in USD from 2010-01-01T00:00:00Z cannot be changed" in said.err
    assert served.get("/catalog") == before
    following = 'currency = "USD"\nfrom = 2190-01-01T00:00:00Z\nmodel = "per_unit"\nper = "month"\nunit_price = "13.00"'
    file.write_text(
        PRODUCTS.replace('unit_price = "12.00"\n', f'unit_price = "12.00"\n\n[[products.prices]]\n{following}\n'),
        encoding="utf-8",
    )
    shown = say("catalog", "diff", file)
    assert (shown.code, shown.out) == (0, "price of server in USD from 2190-01-01T00:00:00Z added\n")
    assert served.get("/catalog") == before
    assert say("catalog", "apply", file).out == shown.out
    assert say("catalog", "apply", file).out.startswith("Nothing changed")
    assert say("catalog", "apply", CATALOG, "--json").json()["changes"] != []
    assert served.get("/catalog") == before


# --- import


def event(project: str, type_: str, at: str, value: str = "1", id_: str | None = None) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id_ or at,
        "source": "test",
        "type": type_,
        "subject": project,
        "time": at,
        "data": {"value": value, "resource": "lb"},
    }


def hourly(hours: int) -> list[tuple[str, str]]:
    begins = datetime(2026, 6, 1, tzinfo=UTC)
    return [(f"{begins + timedelta(hours=hour):%Y-%m-%d %H:%M:%S}", f"{hour}.5") for hour in range(hours)]


def write_csv(path: Path, rows: Sequence[tuple[str, str]], header: Sequence[str] = ("timestamp", "value")) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def requests(served: Served, project: str) -> str:
    (item,) = served.read(
        "usage", "--project", project, "--from", "2026-06-01", "--until", "2026-07-01", "--window", "month"
    )["items"]
    quantity: str = item["quantity"]
    return quantity


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
    told = [line.strip() for line in said.err.splitlines() if "lb.csv:" in line]
    assert told[0].startswith("lb.csv:4: time is not an instant such as 2026-11-20T10:00:00Z: 'yesterday'")
    assert told[1:] == ["lb.csv:7: value is negative: -1", "lb.csv:9: value is not a decimal number: 'many'"]
    assert requests(served, "cli-rows") == "31.5"


def test_files_that_cannot_be_imported(served: Served, say: Any, tmp_path: Path) -> None:
    served.account("cli-none", projects=["cli-none"])
    what = ["--project", "cli-none", "--type", "request.count"]
    write_csv(tmp_path / "lb.csv", hourly(10))
    write_csv(tmp_path / "other.csv", hourly(10), header=("when", "what"))
    (tmp_path / "lb.txt").write_text("timestamp,value\n")
    (tmp_path / "lb.parquet").write_bytes(b"PAR1 and nothing else")
    (tmp_path / "lb.csv.gz").write_bytes(b"not packed at all")
    (tmp_path / "empty.csv").write_bytes(b"")
    refused = {
        "lb.txt": "lb.txt is none of .csv, .parquet, .ndjson and .jsonl",
        "other.csv": "timestamp",
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
    assert "lb.csv:1: unknown type, no product is metered by it: nothing.known" in said.err
    missing = say("import", tmp_path / "lb.csv", tmp_path / "absent.csv", *what)
    assert (missing.code, missing.out) == (1, "")
    usage = served.read("usage", "--project", "cli-none", "--from", "2026-06-01", "--until", "2026-07-01")
    assert usage["items"] == []


# --- reading


def test_usage_and_preview_for_people_and_for_programs(served: Served, say: Any) -> None:
    served.account("cli-read", "USD", "--tax-percent", "10", projects=["cli-read"])
    served.send([event("cli-read", "request.count", f"2026-06-0{day}T00:30:00Z", "500000") for day in (1, 2, 3)])
    usage = ["usage", "--project", "cli-read", "--from", "2026-06-01", "--until", "2026-07-01"]
    items = served.read(*usage)["items"]
    assert [(item["starts_at"], item["quantity"]) for item in items] == [
        (f"2026-06-0{day}T00:00:00Z", "500000") for day in (1, 2, 3)
    ]
    assert [item["resource"] for item in served.read(*usage, "--group-by", "resource")["items"]] == ["lb"] * 3
    said = say(*usage, "--window", "hour")
    assert "2026-06-02T00:00:00Z" in said.out
    assert "data through 2026-06-03T01:00:00Z" in said.out
    preview = say("preview", "--account", "cli-read", "--month", "2026-06")
    assert (preview.code, preview.err) == (0, "")
    assert "0.0004 x 1,500,000" in preview.out
    for amount in ("600.00", "60.00", "660.00"):
        assert amount in preview.out
    assert "cli-read" in say("preview", "--account", "cli-read", "--month", "2026-06", "--by", "product").out


# --- keys


def test_keys_are_made_listed_and_revoked(served: Served, say: Any) -> None:
    served.account("cli-keys", projects=["cli-keys"])
    said = say("key", "create", "--scope", "account", "--account", "cli-keys", "--project", "cli-keys", "--name", "CI")
    key = said.out.strip()
    assert (said.code, said.err, said.out) == (0, "", f"{key}\n")
    assert KEY_FORM.fullmatch(key)
    (item,) = served.read("key", "list", "--account", "cli-keys")["items"]
    assert (item["name"], item["scope"], item["revoked_at"]) == ("CI", "account", None)
    assert served.api("GET", "/accounts", key).status_code == 200
    assert say("key", "revoke", item["prefix"]).out == f"Key {item['prefix']} is revoked.\n"
    assert served.api("GET", "/accounts", key).status_code == 401
    assert key not in say("key", "list").out


# --- a folder of its own: without a server, and how one starts and stops


@contextmanager
def serving(folder: Path, stopped_by: signal.Signals) -> Iterator[Served]:
    """Run a server in the folder, stop it by a signal, and see that it left everything closed."""
    process = start(folder)
    try:
        served = wait_ready(process, folder)
        yield served
        assert (folder / "postgres" / "postmaster.pid").exists()
        with httpx.Client(base_url=served.url, verify=False) as idle:  # a connection kept alive does not delay it
            assert idle.get("/healthz").status_code == 200
            began = time.monotonic()
            process.send_signal(stopped_by)
            assert process.wait(timeout=60) == 0
            assert time.monotonic() - began < 20
    finally:
        process.kill()
        process.wait()
    assert not (folder / RUN_FILE).exists()
    assert not (folder / "postgres" / "postmaster.pid").exists()
    assert list((folder / "usage" / "journal").glob("*.journal")) == []
    assert "Traceback" not in served.log


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalog and a project, that no process has open."""
    folder = tmp_path_factory.mktemp("own")
    with serving(folder, signal.SIGTERM) as served:
        served.run("catalog", "apply", str(CATALOG))
        served.account("half", projects=["half"])
    return folder


def test_an_import_killed_half_way_and_run_again_counts_once(folder: Path, tmp_path: Path) -> None:
    rows = 600_000
    times = np.datetime64("2026-06-01T00:00:00") + np.arange(rows).astype("timedelta64[s]")
    with (tmp_path / "lb.csv").open("w") as file:
        file.write("timestamp,value\n")
        file.writelines(f"{at},{number % 7}\n" for number, at in enumerate(times.astype(str)))
    what = ["import", str(tmp_path / "lb.csv"), "--project", "half", "--type", "request.count"]
    command = [sys.executable, "-m", "meterbook", *what, "--data-dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal, until = folder / "usage" / "journal", time.monotonic() + SECONDS
    try:
        # the second segment begins when the first holds a whole request
        while not any(int(path.stem) > 1 for path in journal.glob("*.journal")):
            assert process.poll() is None, "the import was over before it could be stopped"
            assert time.monotonic() < until
            time.sleep(0.005)
    finally:
        process.kill()
        process.wait()
    said = run(*what, "--data-dir", folder, "--json")
    assert said.code == 0, said.err
    (outcome,) = said.json()["files"]
    assert outcome["accepted"] + outcome["duplicates"] == rows
    assert 0 < outcome["duplicates"] < rows, "it was stopped half way"
    with serving(folder, signal.SIGINT) as served:
        assert requests(served, "half") == str(sum(number % 7 for number in range(rows)))
        (outcome,) = served.read(*what)["files"]
        assert outcome["duplicates"] == rows


def test_keys_made_without_a_server_and_beside_one(folder: Path) -> None:
    made = run("key", "create", "--scope", "operator", "--data-dir", folder)
    key = made.out.strip()
    assert (made.code, made.err, made.out) == (0, "", f"{key}\n")
    with serving(folder, signal.SIGTERM) as served:
        assert served.api("GET", "/accounts", key).status_code == 200
        beside = run("key", "create", "--scope", "operator", "--data-dir", folder)
        assert (beside.code, beside.err) == (0, "")
        assert served.api("GET", "/accounts", beside.out.strip()).status_code == 200
        second = run("serve", "--port", "0", "--data-dir", folder)
        assert (second.code, second.out) == (1, "")
        assert second.err == (
            f"meterbook: Another process has the folder {folder} open: stop it, or let the command talk to it\n"
        )
        taken = run("serve", "--port", httpx.URL(served.url).port, "--data-dir", folder.with_name("other"))
        assert (taken.code, taken.out) == (1, "")
        assert taken.err.startswith("meterbook: Cannot listen on 127.0.0.1:")


def test_what_a_killed_server_leaves_confuses_nothing(served: Served, folder: Path) -> None:
    process = start(folder)
    try:
        killed = wait_ready(process, folder)
    finally:
        process.kill()
        process.wait()
    assert (folder / RUN_FILE).exists()
    settings = Settings(data_dir=folder)
    assert running_server(settings) is None
    # a half file, an address that is none, and another server at the address that was this one's
    for written in (
        "",
        "[]",
        '{"url": "http',
        '{"url": 7, "token": "x"}',
        '{"url": "http://[", "token": "x"}',
        json.dumps({"url": served.url, "token": killed.token}),
    ):
        (folder / RUN_FILE).write_text(written)
        assert running_server(settings) is None, written
    listed = run("account", "list", "--data-dir", folder, "--json")
    assert (listed.code, listed.err) == (0, "")
    assert [account["code"] for account in listed.json()["items"]] == ["half"]
    assert running_server(Settings(data_dir=served.folder)) == (served.url, served.token)
