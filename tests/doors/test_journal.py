"""The journal at the doors: the operator's alone, the same by the command and over HTTP."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import pytest

from tests.doors.asking import check_problem
from tests.doors.conftest import Served
from tests.doors.money import hourly, issued, payer

TIME = {"from": "2026-01-01", "until": "2027-01-01"}


@pytest.fixture(scope="module")
def account(served: Served) -> str:
    code = payer(served, "USD", hourly("host.seen", ["h1"], "2026-05-01T00:00Z", "2026-05-11T00:00Z"))
    issued(served, code, "2026-05")
    return code


def test_the_command_writes_what_the_api_answers(served: Served, account: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.csv"
    options = ("--from", TIME["from"], "--until", TIME["until"], "--account", account, "--output", str(path))
    assert str(path) in served.run("journal", *options).stdout
    answer = served.api("GET", "/exports/journal", params={**TIME, "account": account})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert path.read_text(encoding="utf-8") == answer.text
    rows = list(csv.DictReader(StringIO(answer.text)))
    assert {row["account"] for row in rows} == {account}
    assert [row["ledger_account"] for row in rows][:2] == ["receivable", "revenue"]
    everything = served.api("GET", "/exports/journal", params=TIME).text
    assert set(answer.text.splitlines()) <= set(everything.splitlines())


@pytest.mark.parametrize(
    ("wrong", "status", "slug"),
    [
        ({"until": "2026-01-01"}, 422, "wrong-range"),
        ({"from": "yesterday"}, 422, "wrong-instant"),
        ({"from": "2026-02-30"}, 422, "wrong-day"),
        ({"account": "nobody"}, 404, "unknown-account"),
    ],
)
def test_what_is_no_time_or_no_account_is_refused(
    served: Served, wrong: dict[str, str], status: int, slug: str
) -> None:
    check_problem(served.api("GET", "/exports/journal", params={**TIME, **wrong}), status, slug)


def test_each_entry_says_who_had_it_posted(served: Served, account: str) -> None:
    key = served.key("operator")
    for proof in (key, None):
        body = {"account": account, "amount": "1.00", "reference": "who"}
        assert served.api("POST", "/payments/record", proof, json=body).status_code == 201
    answer = served.api(
        "GET", "/exports/journal", params={"from": "2026-01-01", "until": "2100-01-01", "account": account}
    )
    rows = list(csv.DictReader(StringIO(answer.text)))
    assert {row["posted_by"] for row in rows if row["reason"] == "payment"} == {key[:16], "local"}
    # the close of the month was a command
    assert {row["posted_by"] for row in rows if row["reason"] == "invoice"} == {"local"}
