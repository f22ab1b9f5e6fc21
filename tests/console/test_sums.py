"""The sums are the same everywhere, to the cent: a month with promotions, a new price and a trial that ends in it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from meterbook.database import Database
from tests.console.shop import SCRIPT, Shop, event, figures, furnished, plain, rows

JULY = datetime(2026, 7, 4, 12, tzinfo=UTC)
LATER = datetime(2026, 7, 8, 12, tzinfo=UTC)
LATE = [event("calls", "shop", datetime(2026, 6, 3, 5, tzinfo=UTC), "late", "1000")]


@pytest.fixture(scope="module")
def shop(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with furnished(migrated, tmp_path_factory.mktemp("sums")) as shop:
        yield shop


def amount(text: str) -> Decimal:
    return Decimal(text.replace("$", "").replace(",", ""))


def chart_of(page: httpx.Response) -> Any:
    found = re.search(r'id="chart-data">(.*?)</script>', page.text, re.DOTALL)
    assert found
    return json.loads(found[1])


def charted(page: httpx.Response) -> Decimal:
    return sum((Decimal(height) for one in chart_of(page)["series"] for height in one["heights"] if height), Decimal(0))


def sheet_of(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_the_month_is_a_hard_one(shop: Shop) -> None:
    told = shop.told("/invoices/preview")
    assert [each["code"] for each in told["discounts"]] == ["OFF-0", "OFF-1"]
    assert all(Decimal(each["amount"]) > 0 for each in told["discounts"])
    lines = [line for group in told["groups"] for line in group["lines"] if line["project"] == "beta"]
    servers = [(line["waiver"], line["from"]) for line in lines if line["product"] == "server"]
    assert servers == [
        ("trial", "2026-06-01T00:00:00Z"),
        ("trial", "2026-06-16T00:00:00Z"),
        (None, "2026-06-20T10:00:00Z"),
    ]


def test_overview_preview_and_api_say_the_same(shop: Shop) -> None:
    told = shop.told("/invoices/preview")
    with shop.open("all@acme.example") as client:
        overview, preview = client.get("/overview"), client.get("/invoice-preview?open=*")
    assert amount(figures(overview)[0]) == amount(figures(preview)[0]) == Decimal(told["total"])
    assert amount(figures(overview)[1]) == amount(figures(preview)[1]) == Decimal(told["forecast"])
    assert charted(overview) == charted(preview) == Decimal(told["subtotal"])
    steps = {row[0]: amount(row[-1]) for row in rows(preview, "waterfall")[1:]}
    assert steps["Monthly usage amount (excl. tax)"] == Decimal(told["net"])
    assert steps["OFF-0"] == -Decimal(told["discounts"][0]["amount"])
    assert steps["Amount due"] == Decimal(told["due"])


@pytest.mark.parametrize("by", ["project", "product"])
def test_each_group_and_line_is_that_of_the_api(shop: Shop, by: str) -> None:
    told = shop.told("/invoices/preview", group_by=by)
    used = shop.told("/project-usage", group_by=by)
    with shop.open("all@acme.example") as client:
        pages = [client.get(f"{path}?by={by}&open=*") for path in ("/invoice-preview", "/project-usage")]
        sheets = [sheet_of(client.get(f"{path}.csv?by={by}")) for path in ("/invoice-preview", "/project-usage")]
    lines = [line for group in told["groups"] for line in group["lines"]]
    for page in pages:
        groups = re.findall(r'<tbody class="group open">.*?<td class="num cost">(.*?)</td>', page.text, re.DOTALL)
        assert [amount(plain(each)) for each in groups] == [Decimal(each["total_cost"]) for each in told["groups"]]
        opened = re.findall(r'<tbody class="lines".*?</tbody>', page.text, re.DOTALL)
        costs = [cost for each in opened for cost in re.findall(r'<td class="num cost">(.*?)</td>', each, re.DOTALL)]
        assert [amount(plain(each)) for each in costs] == [Decimal(line["amount"]) for line in lines]
        assert amount(rows(page)[-1][-1]) == Decimal(told["subtotal"])
    for sheet in sheets:
        assert [row["Total cost (USD)"] for row in sheet] == [line["amount"] for line in lines]
        assert [row["Cost after discount (USD)"] for row in sheet] == [line["net"] for line in lines]
        assert {row["Project"] for row in sheet} >= {SCRIPT, "Shop"}
    for each in used["groups"]:
        group = next(group for group in told["groups"] if group[by] == each[by])
        assert (each["total_cost"], each["net_cost"]) == (group["total_cost"], group["net_cost"])


def test_the_usage_of_a_project_costs_what_the_preview_says(shop: Shop) -> None:
    told = shop.told("/invoices/preview")
    with shop.open("all@acme.example") as client:
        for group in told["groups"]:
            page = client.get(f"/usage?account=acme&project={group['project']}&month=2026-06")
            shown = plain(re.sub(r"<script.*?</script>", "", page.text, flags=re.DOTALL))
            assert f"{Decimal(group['total_cost']):,.2f}" in shown, group["project"]


def test_an_issued_month_is_shown_as_it_was_billed_whatever_came_late(shop: Shop) -> None:
    shop.leave_unbilled("2026-05", JULY)
    number = shop.close("2026-06", JULY)
    billed = shop.told(f"/invoices/{number}", JULY)
    shop.send(LATE, LATER)
    with shop.open("all@acme.example", LATER) as client:
        preview, use = (client.get(f"{path}?month=2026-06&open=*") for path in ("/invoice-preview", "/project-usage"))
        overview, running = client.get("/overview?month=2026-06"), client.get("/invoice-preview?month=2026-07&open=*")
        now = client.get("/overview")
    used = shop.told("/project-usage", LATER, month="2026-06")
    assert (used["status"], used["groups"]) == (
        "final",
        [
            {**group, "lines": [{k: v for k, v in line.items() if k != "line"} for line in group["lines"]]}
            for group in billed["groups"]
        ],
    )
    assert amount(figures(preview)[0]) == amount(figures(overview)[0]) == Decimal(billed["total"])
    assert amount(rows(use)[-1][-1]) == amount(rows(preview)[-1][-1]) == Decimal(billed["subtotal"])
    for page in (preview, use, overview):
        assert ">final</span>" in page.text
    # the late calls are on July, and are the only thing that July has
    told = shop.told("/invoices/preview", LATER, month="2026-07")
    assert amount(figures(running)[0]) == amount(figures(now)[0]) == Decimal(told["total"]) > 0
    assert "late usage of June 2026" in running.text


def test_the_same_hours_of_an_issued_month_are_cut_out_of_what_was_billed(shop: Shop) -> None:
    replayed = shop.told("/invoices/preview", JULY, month="2026-06")
    at = datetime(2026, 7, 8, 12, tzinfo=UTC)
    then = shop.told("/invoices/preview", month="2026-06", at="2026-06-08T12:00:00Z")
    with shop.open("all@acme.example", at) as client:
        page = client.get("/overview")
    assert amount(figures(page)[2]) < Decimal(replayed["total"])
    # replaying counts the late calls, what was billed does not
    late = Decimal("33.30") * Decimal("0.89") * Decimal("1.10")
    assert Decimal(then["total"]) - amount(figures(page)[2]) == pytest.approx(late, abs=Decimal("0.02"))
    assert "as billed" in page.text
    assert "until Jun 8 12:00" in page.text
