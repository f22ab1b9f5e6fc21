"""The worked examples of the domain through the command line (DOMAIN 7), and the recorded months of real servers.

Two examples lie ahead of today's clock; they run on the month of the same shape before it: February 2024 for E03's
leap year, November 2025 for E13's autumn.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.doors.conftest import Served

HOUR = timedelta(hours=1)
RECORDED = Path(__file__).parents[2] / "examples" / "cloudwatch"
_numbers = count(1)

Reading = tuple[str, str, datetime, str]  # type, resource, time, value


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def hourly(kind: str, resources: Iterable[str], begins: str, ends: str, value: str = "1") -> list[Reading]:
    """One reading of every resource in every hour that has begun, in the middle of it."""
    start, end = utc(begins), utc(ends)
    hours = [start + HOUR * number for number in range((end - start) // HOUR)]
    return [(kind, resource, at + HOUR / 2, value) for resource in resources for at in hours]


def account(served: Served, folder: Path, readings: list[Reading], currency: str, *options: str) -> str:
    """Add an account with one project, and import the readings as a file of CloudEvents."""
    code = f"case-{next(_numbers)}"
    served.account(code, currency, *options, projects=[code])
    imported(served, folder, code, readings)
    return code


def imported(served: Served, folder: Path, project: str, readings: list[Reading]) -> None:
    file = folder / f"{project}.ndjson"
    with file.open("w") as lines:
        for number, (kind, resource, at, value) in enumerate(readings):
            event = {
                "specversion": "1.0",
                "id": str(number),
                "source": f"test/{project}",
                "type": kind,
                "subject": project,
                "time": at.isoformat(),
                "data": {"value": value, "resource": resource},
            }
            lines.write(json.dumps(event) + "\n")
    served.run("import", str(file))


def preview(served: Served, code: str, month: str, *options: str) -> Any:
    by_project = served.read("preview", "--account", code, "--month", month, *options)
    by_product = served.read("preview", "--account", code, "--month", month, "--by", "product", *options)
    for total in ("subtotal", "net", "tax", "total", "due", "forecast"):
        assert by_project[total] == by_product[total]
    return by_project


def lines(shown: Any) -> list[tuple[str, str]]:
    found = [line for group in shown["groups"] for line in group["lines"]]
    return [(line.get("unit_hours") or line["quantity"], line["amount"]) for line in found]


def test_e01_and_e16_three_hosts_in_june(served: Served, tmp_path: Path) -> None:
    hosts = hourly("host.seen", ["a", "b", "c"], "2026-06-01T00:00Z", "2026-07-01T00:00Z")
    code = account(served, tmp_path, hosts, "USD")
    june = preview(served, code, "2026-06")
    assert lines(june) == [("2160", "36.00")]
    (group,) = june["groups"]
    assert group["lines"][0]["formula"] == "12.00 x 2,160 h / 720 h"
    assert (group["total_time"], group["average_cost"], june["reference_hours"]) == ("2160", "0.0167", 720)
    early = preview(served, code, "2026-06", "--at", "2026-06-12T06:00:00Z")
    assert (early["total"], early["forecast"], early["data_through"]) == ("13.50", "36.00", "2026-06-12T06:00:00Z")


def test_e02_july_has_744_hours(served: Served, tmp_path: Path) -> None:
    three = hourly("host.seen", ["a", "b", "c"], "2026-07-01T00:00Z", "2026-08-01T00:00Z")
    assert lines(preview(served, account(served, tmp_path, three, "USD"), "2026-07")) == [("2232", "36.00")]
    one = hourly("host.seen", ["a"], "2026-07-01T00:00Z", "2026-07-31T00:00Z")
    assert lines(preview(served, account(served, tmp_path, one, "USD"), "2026-07")) == [("720", "11.61")]
    hundred = hourly("host.seen", [f"h{n}" for n in range(100)], "2026-07-01T00:00Z", "2026-08-01T00:00Z")
    assert lines(preview(served, account(served, tmp_path, hundred, "USD"), "2026-07")) == [("74400", "1200.00")]


def test_e03_hosts_that_begin_within_a_month(served: Served, tmp_path: Path) -> None:
    june = [("host.seen", "a", utc("2026-06-10T09:20Z"), "1")]
    june += hourly("host.seen", ["a"], "2026-06-10T10:00Z", "2026-07-01T00:00Z")
    assert lines(preview(served, account(served, tmp_path, june, "USD"), "2026-06")) == [("495", "8.25")]
    leap = hourly("host.seen", ["a"], "2024-02-20T00:00Z", "2024-03-01T00:00Z")
    assert lines(preview(served, account(served, tmp_path, leap, "USD"), "2024-02")) == [("240", "4.14")]


def test_e04_cores_on_average(served: Served, tmp_path: Path) -> None:
    cores = hourly("apm.cores", ["a"], "2026-06-01T00:00Z", "2026-06-13T12:00Z", "4")
    cores += hourly("apm.cores", ["a"], "2026-06-13T12:00Z", "2026-07-01T00:00Z", "8")
    shown = preview(served, account(served, tmp_path, cores, "KRW"), "2026-06")
    assert lines(shown) == [("4560", "253333")]
    assert shown["groups"][0]["lines"][0]["metered_units"] == "6.33"
    assert shown["groups"][0]["lines"][0]["usage_hours"] == "720"


def test_e05_a_price_change_in_seoul(served: Served, tmp_path: Path) -> None:
    hosts = hourly("host.seen", ["a", "b"], "2026-07-01T00:00+09:00", "2026-08-01T00:00+09:00")
    code = account(served, tmp_path, hosts, "KRW", "--time-zone", "Asia/Seoul")
    shown = preview(served, code, "2026-07")
    assert lines(shown) == [("720", "13548"), ("768", "16516")]
    assert shown["total"] == "30064"
    assert shown["groups"][0]["lines"][1]["from"] == "2026-07-16T00:00:00+09:00"


@pytest.mark.parametrize(
    ("kind", "a_day", "amount"),
    [
        ("log.lines", "21.5", "253.50"),
        ("log.volume", "21.5", "193.50"),
        ("log.lines", "3.333333333", "50.00"),
        ("log.lines", "16.666666667", "210.00"),
    ],
)
def test_e06_log_lines_kept_for_three_days(served: Served, tmp_path: Path, kind: str, a_day: str, amount: str) -> None:
    days = [utc("2026-06-01T12:00Z") + timedelta(days=number) for number in range(30)]
    code = account(served, tmp_path, [(kind, "stream", day, a_day) for day in days], "USD")
    shown = preview(served, code, "2026-06")
    assert shown["total"] == amount
    if a_day == "21.5":
        assert shown["groups"][0]["lines"][0]["metered_units"] == "64.5"


def test_e09_tax_once_on_the_net(served: Served, tmp_path: Path) -> None:
    at = utc("2026-06-03T10:00Z")
    amounts = [("won.a", "", at, "10005"), ("won.b", "", at, "20006"), ("won.c", "", at, "30007")]
    shown = preview(served, account(served, tmp_path, amounts, "KRW", "--tax-percent", "10"), "2026-06")
    assert (shown["subtotal"], shown["tax"], shown["total"]) == (
        "60018",
        [{"rate": "10", "amount": "6001"}],
        "66019",
    )


def test_e10_projects_round_on_their_own(served: Served, tmp_path: Path) -> None:
    served.account("e10", "JPY", "--tax-percent", "10", projects=["e10-a", "e10-b", "e10-c"])
    for project in ("e10-a", "e10-b", "e10-c"):
        imported(served, tmp_path, project, hourly("host.seen", [project], "2026-06-01T00:00Z", "2026-06-03T03:00Z"))
    shown = preview(served, "e10", "2026-06")
    assert [group["total_cost"] for group in shown["groups"]] == ["106", "106", "106"]
    assert (shown["subtotal"], shown["tax"][0]["amount"], shown["total"]) == ("318", "31", "349")


@pytest.mark.parametrize(
    ("month", "begins", "ends", "hours", "amount"),
    [
        ("2026-03", "2026-03-01T00:00-05:00", "2026-04-01T00:00-04:00", "743", "11.98"),
        ("2025-11", "2025-11-01T00:00-04:00", "2025-12-01T00:00-05:00", "720", "12.00"),
    ],
)
def test_e13_new_york_changes_its_clocks(
    served: Served, tmp_path: Path, month: str, begins: str, ends: str, hours: str, amount: str
) -> None:
    host = hourly("host.seen", ["a"], begins, ends)
    code = account(served, tmp_path, host, "USD", "--time-zone", "America/New_York")
    assert lines(preview(served, code, month)) == [(hours, amount)]
    months = served.get("/usage", project=code, **{"from": begins, "until": ends}, window="month")["items"]
    assert [item["unit_hours"] for item in months] == [hours], "as it is billed"


def test_e15_a_trial_ends(served: Served, tmp_path: Path) -> None:
    served.account("e15", "KRW")
    served.run("project", "add", "e15", "e15", "--trial-until", "2026-06-20T10:00:00Z")
    imported(served, tmp_path, "e15", hourly("host.seen", ["a"], "2026-06-01T00:00Z", "2026-07-01T00:00Z"))
    shown = preview(served, "e15", "2026-06")
    assert lines(shown) == [("466", "0"), ("254", "4938")]
    assert [line["waiver"] for line in shown["groups"][0]["lines"]] == ["trial", None]


TYPES = {"ec2": "host.seen", "rds": "database.seen", "elb": "request.count"}
MONTHS = {
    "2014-02": {"server": ("674", "12.04"), "database": ("337", "10.03"), "subtotal": "22.07"},
    "2014-03": {"server": ("394", "6.35"), "subtotal": "6.35"},
    "2014-04": {
        "server": ("674", "11.23"),
        "database": ("336", "9.33"),
        "requests": ("249327", "99.73"),
        "subtotal": "120.29",
    },
}


@pytest.mark.parametrize("code", ["forward", "backward", "shuffled"])
def test_the_recorded_months_in_any_order_and_twice(served: Served, code: str) -> None:
    files = sorted(RECORDED.glob("*.csv"))
    assert len(files) == 8
    if code == "backward":
        files.reverse()
    if code == "shuffled":
        random.Random(7).shuffle(files)
    served.account(code, projects=[code])
    for file in [*files, *files]:
        served.run("import", str(file), "--project", code, "--type", TYPES[file.name[:3]])
    for month, expected in MONTHS.items():
        shown = preview(served, code, month)
        found = {
            line["product"]: (line.get("unit_hours") or line["quantity"], line["amount"])
            for group in shown["groups"]
            for line in group["lines"]
        }
        assert {**found, "subtotal": shown["subtotal"]} == expected
    assert preview(served, code, "2014-02")["data_through"] == "2014-02-28T15:00:00Z"


def test_the_recorded_hosts_imported_all_at_once(served: Served) -> None:
    served.account("at-once", projects=["at-once"])
    files = sorted(map(str, RECORDED.glob("ec2_*.csv")))
    served.run("import", *files, "--project", "at-once", "--type", "host.seen")
    assert [preview(served, "at-once", month)["subtotal"] for month in MONTHS] == ["12.04", "6.35", "11.23"]
