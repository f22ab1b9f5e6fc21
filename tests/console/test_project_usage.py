"""Project usage: the month is picked by year and month, every project the reader takes part in is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest

from meterbook.console.formats import NOTHING
from meterbook.database import Database
from tests.console.browser import Browser
from tests.console.shop import Shop, furnished, rows


@pytest.fixture(scope="module")
def shop(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with furnished(migrated, tmp_path_factory.mktemp("project-usage")) as shop:
        yield shop


@pytest.fixture
def client(shop: Shop) -> Iterator[Browser]:
    with shop.open("all@acme.example") as browser:
        yield browser


def test_the_month_is_picked_by_year_and_month(client: Browser) -> None:
    picked = client.get("/project-usage?account=acme&year=2026&month=5")
    assert picked.status_code == 200
    assert rows(picked) == rows(client.get("/project-usage?account=acme&month=2026-05"))
    assert re.search(r'<option value="5" selected>May</option>', picked.text)
    assert re.search(r"<option selected>2026</option>", picked.text)
    for wrong in ("year=2026&month=13", "year=2026&month=0", "year=2026&month=x", "year=1&month=1", "year=x&month=1"):
        assert 400 <= client.get(f"/project-usage?{wrong}").status_code < 500, wrong
    assert "has not begun yet" in client.get("/project-usage?year=2026&month=12").text


@pytest.mark.parametrize("by", ["project", "product"])
def test_a_reader_of_the_account_sees_what_the_api_says(client: Browser, shop: Shop, by: str) -> None:
    told = shop.told("/project-usage", group_by=by)
    page = client.get(f"/project-usage?by={by}")
    shown = [row for row in rows(page)[1:-1] if len(row) == 5]
    assert [row[-1] for row in shown] == [f"{Decimal(each['total_cost']):,}" for each in told["groups"]]
    assert [row[2] for row in shown] == [
        NOTHING
        if each["total_time"] is None
        else f"{Decimal(each['total_time']).quantize(Decimal('0.01')).normalize():,f} h"
        for each in told["groups"]
    ]


def test_an_empty_month_leads_to_one_with_usage(client: Browser) -> None:
    page = client.get("/project-usage?month=2026-02")
    assert "Nothing was metered in February 2026" in page.text
    assert "See June 2026" in page.text


def test_the_words_are_the_reader_s(client: Browser) -> None:
    for language, title, find in (
        ("ko", "프로젝트 사용량", "프로젝트 찾기"),
        ("ja", "プロジェクト使用量", "プロジェクトを検索"),
    ):
        page = client.get(f"/project-usage?lang={language}")
        assert f"<h1>{title}</h1>" in page.text
        assert find in page.text
