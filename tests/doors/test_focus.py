"""FOCUS at the doors: the command writes what the API answers, which adds up to the preview."""

from __future__ import annotations

import csv
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest

from tests.doors.conftest import Served
from tests.doors.money import hourly, payer

MONTH = ("--month", "2026-05")


@pytest.fixture(scope="module")
def account(served: Served) -> str:
    return payer(served, "USD", hourly("host.seen", ["h1", "h2"], "2026-05-01T00:00Z", "2026-05-11T00:00Z"))


def test_the_command_writes_what_the_api_answers(served: Served, account: str, tmp_path: Path) -> None:
    path = tmp_path / "may.csv"
    assert str(path) in served.run("focus", "--account", account, *MONTH, "--output", str(path)).stdout
    answer = served.api("GET", "/exports/focus", params={"account": account, "month": "2026-05"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f'filename="focus-{account}-2026-05.csv"' in answer.headers["content-disposition"]
    assert path.read_text(encoding="utf-8") == answer.text
    rows = list(csv.DictReader(StringIO(answer.text)))
    total = served.get("/invoices/preview", account=account, month="2026-05")["total"]
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal(total) > 0


def test_parquet_is_asked_for(served: Served, account: str, tmp_path: Path) -> None:
    path = tmp_path / "may.parquet"
    served.run("focus", "--account", account, *MONTH, "--format", "parquet", "--output", str(path))
    assert path.read_bytes()[:4] == b"PAR1"


@pytest.mark.parametrize("wrong", [{"format": "xlsx"}, {"version": "0.5"}, {"month": "2026-13"}, {"month": "2999-01"}])
def test_what_is_not_offered_is_refused(served: Served, account: str, wrong: dict[str, str]) -> None:
    answer = served.api("GET", "/exports/focus", params={"account": account, **wrong})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
