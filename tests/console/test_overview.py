"""The overview: what the month comes to beside the last one, what changed most and why, and what the account owes."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

from meterbook.console.formats import NOTHING
from meterbook.database import Database
from tests.console.browser import Browser
from tests.console.shop import NOW, SCRIPT, Shop, figures, furnished, plain, rows


@pytest.fixture(scope="module")
def shop(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with furnished(migrated, tmp_path_factory.mktemp("overview")) as shop:
        yield shop


@pytest.fixture
def client(shop: Shop) -> Iterator[Browser]:
    with shop.open("all@acme.example") as browser:
        yield browser


def dollars(amount: str) -> str:
    return f"${Decimal(amount):,}"


def titles(page: httpx.Response) -> list[str]:
    return [plain(each) for each in re.findall(r"<dt>(.*?)</dt>", page.text, re.DOTALL)]


def changes(page: httpx.Response) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in rows(page, "overview-changes")[1:]}


def test_six_figures_answer_what_is_to_be_paid(client: Browser, shop: Shop) -> None:
    page = client.get("/overview")
    names = ["So far", "Forecast", "Same hour last month", "Unpaid", "Balance", "Next payment"]
    assert titles(page) == names
    told = shop.told("/invoices/preview")
    then = shop.told("/invoices/preview", month="2026-05", at="2026-05-25T07:00:00Z")
    assert figures(page) == [
        dollars(told["total"]),
        dollars(told["forecast"]),
        dollars(then["total"]),
        "$0.00",
        "$0.00",
        "Jul 25",
    ]
    more = (float(told["total"]) / float(then["total"]) - 1) * 100
    assert f"{more:+.1f}% until May 25 07:00, not billed yet" in plain(page.text)
    assert "Data through Jun 25 07:00 UTC" in page.text
    assert "All of the account: 5 projects" in page.text
    assert ">estimated</span>" in page.text


def test_what_changed_most_is_ordered_and_says_why(client: Browser) -> None:
    page = client.get("/overview")
    shown = changes(page)
    assert 3 <= len(shown) <= 5
    sizes = [abs(float(row[-1].replace("+", ""))) for row in shown.values()]
    assert sizes == sorted(sizes, reverse=True)
    (web,) = [name for name in shown if name.startswith(f"{SCRIPT} · Server")]
    assert "3 → 4 hosts since Jun 9" in web
    hrefs = [html.unescape(each) for each in re.findall(r'<a href="(/metering[^"]+)" data-window>', page.text)]
    assert hrefs[0].startswith("/metering?account=acme&project=")
    assert all(client.get(href).status_code == 200 for href in hrefs)


def test_a_day_leads_to_its_usage(client: Browser) -> None:
    page = client.get("/overview")
    assert "/usage?account=acme&amp;from=2026-06-09&amp;until=2026-06-09&amp;open=2026-06-09" in page.text
    assert len(re.findall(r'<svg data-day="', page.text)) == 30
    assert page.text.count('class="open-day"') == 1
    assert '<th scope="col" class="num">May 2026</th>' in page.text


def test_an_address_keeps_the_plot_as_its_reader_made_it(client: Browser) -> None:
    whole, page = client.get("/overview"), client.get("/overview?hide=server,no-such&table=1")
    assert '<details class="figures-table">' in whole.text
    assert '<details class="figures-table" open>' in page.text
    assert (figures(page), rows(page, "days")) == (figures(whole), rows(whole, "days"))
    assert 'href="/overview?account=acme&amp;month=2026-05&amp;hide=no-such,server&amp;table=1"' in page.text
    server = '<a class="legend-item off" href="/overview?account=acme&amp;hide=no-such&amp;table=1#chart-title"'
    assert re.findall(r'(<a class="legend-item[^>]+) title="[^"]+" data-product="server"', page.text) == [server]
    assert '<svg class="before-line" hidden' in page.text
    assert '<svg class="before-line" viewBox' in whole.text
    asked = client.get('/overview?hide="><script>,server&table=yes')
    assert asked.status_code == 422
    asked = client.get('/overview?hide="><script>,server')
    assert "<script>," not in asked.text
    assert client.get(f"/overview?hide={'x' * 10_001}").status_code == 422


def test_a_month_that_is_over_is_beside_the_whole_month_before(client: Browser, shop: Shop) -> None:
    page = client.get("/overview?month=2026-05")
    assert titles(page)[:2] == ["Total", "The month before"]
    assert figures(page)[:2] == [dollars(shop.told("/invoices/preview", month="2026-05")["total"]), NOTHING]
    assert "nothing was metered in April 2026" in page.text
    assert not re.findall("overview-changes", page.text)


def test_a_month_without_usage_says_what_to_do(client: Browser) -> None:
    page = client.get("/overview?month=2026-03")
    assert "Nothing was metered in March 2026" in page.text
    assert "See June 2026" in page.text


def test_an_account_without_usage_leads_to_a_key_or_the_month_before(shop: Shop) -> None:
    with shop.open("boss@other.example") as client:
        page = client.get("/overview")
        assert "Nothing was metered in June 2026" in page.text
        assert 'href="/account/keys"' in page.text
        assert "Register payment information" in page.text
    with shop.open("reader@other.example") as client:
        page = client.get("/overview")
        assert "/account/keys" not in re.sub(r"<header.*?</header>", "", page.text, flags=re.DOTALL)
        assert "See May 2026" in page.text


def test_what_is_owed_and_issued_is_named(shop: Shop) -> None:
    number = shop.close("2026-05", datetime(2026, 6, 4, tzinfo=UTC))
    billed = shop.told(f"/invoices/{number}")
    with shop.open("all@acme.example", NOW) as client:
        page = client.get("/overview")
    assert figures(page)[3] == dollars(billed["total"])
    assert "due on Jun 25" in page.text
    assert figures(page)[5] == "Jun 25"
    assert f"{dollars(billed['total'])}, Send invoice" in plain(page.text)
    assert f'href="/invoices/{number}?account=acme"' in page.text
    assert "as billed" in page.text
    assert "OFF-0" in page.text
    assert "saved this month" in page.text
    with shop.open("all@acme.example", datetime(2026, 6, 27, tzinfo=UTC)) as client:
        late = client.get("/overview")
    assert f"{dollars(billed['total'])} overdue since Jun 25" in plain(late.text)
    assert "Pay what is overdue" in late.text


def test_a_month_that_is_over_comes_before_the_running_one(shop: Shop) -> None:
    told = "June 2026 is not issued yet: credit and balance pay it first."
    july = datetime(2026, 7, 1, 12, tzinfo=UTC)
    with shop.open("all@acme.example", july) as browser:
        for path in ("/overview", "/invoice-preview"):
            assert told in plain(browser.get(path).text), path
            assert told not in plain(browser.get(f"{path}?month=2026-06").text), path
    with shop.open("two@acme.example", july) as browser:
        assert told not in plain(browser.get("/overview").text), "the books are the account's"
    with shop.open("all@acme.example", NOW) as browser:
        assert "is not issued yet" not in browser.get("/overview").text


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_sheet_is_the_table_of_the_days(client: Browser, shop: Shop, language: str) -> None:
    page = client.get(f"/overview?lang={language}")
    link = re.search(r'href="(/overview\.csv[^"]+)" download', page.text)
    assert link
    answer = client.get(html.unescape(link[1]))
    assert answer.text.startswith("\ufeff")
    assert 'filename="overview-acme-2026-06.csv"' in answer.headers["content-disposition"]
    head, *days = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    columns, *shown = rows(page, "days")
    assert head == [columns[0], *(f"{name} (USD)" for name in columns[1:])]
    assert [[cost.replace(",", "").replace(NOTHING, "") for cost in row[1:]] for row in shown] == [
        row[1:] for row in days
    ]
    assert [row[0] for row in days] == [f"2026-06-{day:02}" for day in range(1, 31)]
    subtotal = shop.told("/invoices/preview")["subtotal"]
    assert sum(Decimal(row[-2]) for row in days if row[-2]) == Decimal(subtotal)


def test_a_month_without_usage_has_no_sheet(client: Browser) -> None:
    assert "overview.csv" not in client.get("/overview?month=2020-01").text
    assert client.get("/overview.csv?month=2020-01").text == "\ufeffDay,All (USD)\r\n"


def test_wrong_addresses_are_refused(client: Browser) -> None:
    for path in ("/overview", "/overview.csv"):
        for wrong in ("month=2026-13", "month=x", "month=2026-07"):
            assert 400 <= client.get(f"{path}?{wrong}").status_code < 500
        assert client.get(f"{path}?account=other").status_code == 404


def test_names_are_written_never_run(client: Browser) -> None:
    for path in ("/overview", "/invoice-preview?open=*", "/project-usage?open=*"):
        page = client.get(path).text
        assert html.escape(SCRIPT, quote=False).replace("'", "&#39;") in page
        assert SCRIPT not in page


def test_an_empty_month_leads_to_the_newest_with_usage(shop: Shop) -> None:
    with shop.open("all@acme.example", datetime(2026, 10, 5, 12, tzinfo=UTC)) as browser:
        browser.get("/overview?month=2026-06")  # what is read for the first time is rolled up from then on
        shop.house.usage.settle()
        for path in ("/overview", "/invoice-preview", "/project-usage", "/usage?project=web"):
            page = plain(browser.get(path).text)
            assert "The newest usage is of June 2026." in page, path
            assert "See June 2026" in page, path
