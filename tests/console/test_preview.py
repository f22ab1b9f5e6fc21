"""The invoice preview: a page of groups at a time, found by name, code or label; sheets; what cannot open says why."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from meterbook.accounts.add_project import add_project
from meterbook.accounts.prove import prove_local
from meterbook.accounts.queries import account_by_code
from meterbook.database import Database
from tests.console.browser import Browser
from tests.console.shop import NOW, Shop, event, furnished, plain, rows
from tests.console.test_sums import sheet_of

MANY = [f"many-{number:03}" for number in range(120)]


@pytest.fixture(scope="module")
def shop(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop with 120 more projects that were used in May."""
    with furnished(migrated, tmp_path_factory.mktemp("preview")) as shop:
        with migrated.transaction() as session:
            account = account_by_code(session, "acme", prove_local("a", "a"))
            for code in MANY:
                add_project(session, NOW, account=account, code=code, name=f"Many {code[-3:]}", labels={"kind": "many"})
        at = datetime(2026, 5, 3, tzinfo=UTC)
        shop.send([event("host.seen", code, at, "host") for code in MANY], NOW)
        yield shop


@pytest.fixture
def client(shop: Shop) -> Iterator[Browser]:
    with shop.open("all@acme.example") as browser:
        yield browser


def groups(page: httpx.Response) -> list[str]:
    return [plain(each) for each in re.findall(r'<a id="toggle-[^>]*class="toggle".*?</a>', page.text, re.DOTALL)]


def link(page: httpx.Response, name: str) -> str:
    found = re.search(rf'id="{name}"[^>]* href="([^"]+)"|id="{name}" [^>]*href="([^"]+)"', page.text)
    assert found, page.text
    return html.unescape(found[1] or found[2])


@pytest.mark.parametrize("path", ["/invoice-preview", "/project-usage"])
def test_a_page_has_fifty_groups_and_the_sums_of_all(client: Browser, path: str) -> None:
    first = client.get(f"{path}?month=2026-05")
    assert len(re.findall(r'<tbody class="group', first.text)) == 50
    assert "1 to 50 of 125" in first.text
    assert 'class="lines"' not in first.text
    second = client.get(link(first, "page-after"))
    third = client.get(link(second, "page-after"))
    assert "101 to 125 of 125" in third.text
    assert "page-after" not in third.text
    assert len(re.findall(r'<tbody class="group', third.text)) == 25
    assert rows(first)[-1] == rows(second)[-1] == rows(third)[-1]
    assert client.get(link(third, "page-before")).text.count('<tbody class="group') == 50
    beyond = client.get(f"{path}?month=2026-05&page=99")
    assert "101 to 125 of 125" in beyond.text


def test_everything_opens_a_page_s_groups_on_any_page(client: Browser) -> None:
    first = client.get("/invoice-preview?month=2026-05")
    everything = client.get(link(first, "toggle-all"))
    assert everything.text.count('class="lines"') == 50
    after = client.get(link(everything, "page-after"))
    assert after.text.count('class="lines"') == 50
    assert client.get(link(after, "toggle-all")).text.count('class="lines"') == 0


@pytest.mark.parametrize(
    ("wanted", "count"), [("MANY-11", 10), ("Many 007", 1), ("kind=many", 120), ("team=front", 2), ("no such", 0)]
)
def test_groups_are_found_by_name_code_and_label_and_sums_stay(client: Browser, wanted: str, count: int) -> None:
    everything = client.get("/invoice-preview?month=2026-05")
    found = client.get("/invoice-preview", params={"month": "2026-05", "q": wanted})
    assert len(re.findall(r'<tbody class="group', found.text)) == min(count, 50)
    assert "the totals are of all" in found.text
    assert rows(found)[-1] == rows(everything)[-1]
    sheet = sheet_of(client.get("/invoice-preview.csv", params={"month": "2026-05", "q": wanted}))
    assert len({row["Project code"] for row in sheet}) == count


def test_a_group_of_many_lines_shows_the_first_and_its_sheet_all(client: Browser) -> None:
    page = client.get("/invoice-preview?month=2026-05&by=product&open=server")
    assert page.text.count('class="metered"') == 100
    assert "100 of 125 lines are shown; the CSV has them all." in page.text
    assert len(sheet_of(client.get("/invoice-preview.csv?month=2026-05&by=product&q=server"))) == 125


def test_products_are_found_by_name(client: Browser) -> None:
    page = client.get("/invoice-preview?month=2026-06&by=product&q=call")
    assert groups(page) == ["Calls"]


def test_metered_units_open_their_hours_and_a_product_says_why_not(client: Browser) -> None:
    page = client.get("/invoice-preview?month=2026-06&open=shop")
    hrefs = [html.unescape(each) for each in re.findall(r'<a class="metered" href="([^"]+)" data-window', page.text)]
    month = "/metering?account=acme&project=shop&product={}&month=2026-06"
    parts = [f"{month.format('server')}&part=2026-06-{day}T00%3A00Z" for day in ("01", "16")]
    assert hrefs == [*parts, month.format("calls"), month.format("logs")]
    by_product = client.get("/invoice-preview?month=2026-06&by=product&open=server")
    assert "5 projects" in by_product.text
    assert "Several projects make up this row, so its hours do not open together." in by_product.text
    split = re.search(r'<a href="([^"]+)"[^>]*>Split it by project', by_product.text)
    assert split
    assert "by=project" in split[1]


def test_the_sheet_can_be_added_up_and_runs_no_formula(client: Browser) -> None:
    answer = client.get("/invoice-preview.csv?month=2026-06")
    assert answer.headers["content-disposition"] == 'attachment; filename="invoice-preview-acme-2026-06.csv"'
    sheet = sheet_of(answer)
    assert len(sheet) == len({tuple(row.values()) for row in sheet})
    assert sheet[0]["From"] == "2026-06-01 00:00"
    assert {row["Unit"] for row in sheet} == {"host", "call", "million lines"}
    korean = client.get("/invoice-preview.csv?month=2026-06&lang=ko").content.decode("utf-8-sig")
    assert korean.startswith("프로젝트,")


def test_a_swapped_table_comes_without_the_chart(client: Browser) -> None:
    whole = client.get("/invoice-preview?month=2026-06")
    swapped = client.get("/invoice-preview?month=2026-06&by=product", headers={"hx-request": "true"})
    assert 'id="chart-data"' in whole.text
    assert 'id="chart-data"' not in swapped.text
    assert 'id="bill"' in swapped.text


def test_bad_input_is_refused(client: Browser) -> None:
    for wrong in ("page=0", "page=x", "by=colour", "month=2026-99", f"q={'x' * 201}", f"open={'x' * 10_001}"):
        for path in ("/invoice-preview", "/project-usage"):
            assert 400 <= client.get(f"{path}?{wrong}").status_code < 500, wrong
