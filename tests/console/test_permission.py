"""Whoever holds the billing of two of five projects sees two and their sums; nothing tells of the other three."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest

from meterbook.console.formats import NOTHING
from meterbook.database import Database
from tests.console.browser import Browser
from tests.console.shop import HIDDEN, PROJECTS, Shop, figures, furnished, plain, rows
from tests.console.test_sums import amount, charted, sheet_of

BILLED = (
    "/overview",
    "/overview.csv",
    "/usage",
    "/invoice-preview",
    "/invoice-preview?by=product",
    "/invoice-preview.csv",
    "/focus.csv",
)
# what only those who hold the whole account may open
BOOKS = (
    "/billing-history",
    "/balance",
    "/budget",
    "/budget.csv",
    "/payment-information",
    "/payment-information/promotions.csv",
)


@pytest.fixture(scope="module")
def shop(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with furnished(migrated, tmp_path_factory.mktemp("permission")) as shop:
        yield shop


@pytest.fixture
def client(shop: Shop) -> Iterator[Browser]:
    with shop.open("two@acme.example") as browser:
        yield browser


def address(path: str, **more: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in {"account": "acme", "open": "*", **more}.items())
    return f"{path}{'&' if '?' in path else '?'}{query}"


@pytest.mark.parametrize("path", BILLED)
@pytest.mark.parametrize("more", [{}, {"q": "quiet"}, {"q": "secretive"}, {"month": "2026-05"}, {"lang": "ko"}])
def test_nothing_tells_of_a_project_without_the_permission(client: Browser, path: str, more: dict[str, str]) -> None:
    page = client.get(address(path, **more))
    assert page.status_code == 200
    # what was searched for stands in the search field
    text = page.text.replace(f'value="{more["q"]}"', "").replace(f"q={more['q']}", "") if "q" in more else page.text
    assert not [word for word in (*HIDDEN, "Beta", "beta") if word in text]


def test_two_projects_in_the_preview_and_five_in_the_project_usage(client: Browser) -> None:
    preview = client.get(address("/invoice-preview"))
    assert len(re.findall(r'<tbody class="group', preview.text)) == 2
    assert "2 projects where you hold the billing permission" in preview.text
    use = client.get(address("/project-usage"))
    assert len(re.findall(r'<tbody class="group', use.text)) == 5
    assert "5 projects you take part in" in use.text
    assert "costs of 2 projects" in use.text


def test_sums_are_those_of_the_two_alone(client: Browser, shop: Shop) -> None:
    told = shop.told("/invoices/preview")
    own = {group["project"]: group for group in told["groups"]}
    subtotal = Decimal(own["web"]["total_cost"]) + Decimal(own["shop"]["total_cost"])
    overview, preview = (client.get(address(path)) for path in ("/overview", "/invoice-preview"))
    assert charted(overview) == charted(preview) == subtotal
    days = sheet_of(client.get("/overview.csv"))
    assert sum(Decimal(row["All (USD)"] or 0) for row in days) == subtotal
    assert amount(rows(preview)[-1][-1]) == subtotal
    assert figures(overview)[:2] == figures(preview)[:2]
    assert len(figures(overview)) == 3
    for word in ("Unpaid", "Balance", "Next payment", "Newest invoice", "Budget", "Promotions"):
        assert f"<dt>{word}</dt>" not in overview.text
        assert f">{word}</h2>" not in overview.text
    assert [row["Project code"] for row in sheet_of(client.get("/invoice-preview.csv"))] == (
        [line["project"] for code in ("shop", "web") for line in own[code]["lines"]]
    )


def test_the_rows_of_focus_are_those_of_the_two_alone(client: Browser, shop: Shop) -> None:
    preview = client.get(address("/invoice-preview"))
    link = re.search(r'href="(/focus\.csv\?[^"]+)"', preview.text)
    assert link
    rows = sheet_of(client.get(link[1].replace("&amp;", "&")))
    usage = [row for row in rows if row["ChargeCategory"] == "Usage"]
    assert {row["SubAccountId"] for row in usage} == {"web", "shop"}
    told = {group["project"]: Decimal(group["total_cost"]) for group in shop.told("/invoices/preview")["groups"]}
    assert sum(Decimal(row["ListCost"]) for row in usage) == told["web"] + told["shop"]
    assert {row["InvoiceId"] for row in rows} == {""}


def test_project_usage_shows_use_of_all_and_amounts_of_two(client: Browser, shop: Shop) -> None:
    told = {group["project"]: group for group in shop.told("/project-usage")["groups"]}
    page = client.get(address("/project-usage"))
    shown = {row[0]: row for row in rows(page) if row and row[0] in {name for name, *_ in PROJECTS.values()}}
    assert shown["Shop"][-1] == told["shop"]["total_cost"]
    for name, code in (("Beta", "beta Trial"), ("Quiet one", "quiet-one"), ("Quiet two", "quiet-two")):
        row = next(row for row in rows(page) if row[0].startswith(name))
        assert row[2] == f"{Decimal(told[code.split()[0]]['total_time']):,} h"
        assert row[3].startswith(NOTHING)
        assert row[4].startswith(NOTHING)
    # no sum that the others are in
    assert rows(page)[-1][-1].startswith(NOTHING)
    shown_costs, hidden_costs = (
        {each["amount"] for code in codes for each in told[code]["lines"]}
        | {told[code]["total_cost"] for code in codes}
        for codes in (("web", "shop"), ("beta", "quiet-one", "quiet-two"))
    )
    assert not [cost for cost in hidden_costs - shown_costs if re.search(rf"\b{re.escape(cost)}\b", page.text)]
    assert "metering?account=acme&amp;project=quiet" not in page.text


def test_a_product_costs_what_the_two_projects_pay_and_says_so(client: Browser, shop: Shop) -> None:
    told = {group["product"]: group for group in shop.told("/invoices/preview", group_by="product")["groups"]}
    page = client.get(address("/project-usage?by=product"))
    server = next(row for row in rows(page) if row[0] == "Server")
    own = [line for line in told["server"]["lines"] if line["project"] in ("web", "shop")]
    assert amount(server[-1]) == sum(Decimal(line["amount"]) for line in own)
    assert server[2] == f"{Decimal(told['server']['total_time']):,} h"
    assert "The costs leave out 3 projects on which you do not hold the billing permission." in plain(page.text)


def test_the_sheet_of_project_usage_leaves_hidden_costs_empty(client: Browser) -> None:
    for row in sheet_of(client.get("/project-usage.csv?account=acme")):
        costs = {row[name] for name in row if "(USD)" in name} | {row["Formula"]}
        assert (costs == {""}) == (row["Project code"] not in ("web", "shop")), row


def test_the_account_s_books_are_not_there(client: Browser) -> None:
    menu = client.get("/overview").text
    for path in BOOKS:
        assert client.get(f"{path}?account=acme").status_code == 404
        assert f'href="{path}' not in menu


def test_addresses_of_hidden_projects_answer_like_unknown_ones(client: Browser) -> None:
    for code in ("quiet-one", "beta", "no-such"):
        answer = client.get(f"/metering?account=acme&project={code}&product=server&month=2026-06")
        assert answer.status_code == 404
    opened = client.get("/invoice-preview?account=acme&open=quiet-one,web")
    assert opened.text.count('aria-expanded="true"') == 1


def test_without_any_billing_there_is_usage_and_no_amount(shop: Shop) -> None:
    with shop.open("none@acme.example") as client:
        page = client.get(address("/project-usage"))
        assert page.status_code == 200
        assert "costs need the billing permission" in page.text
        assert not re.findall(r'<td class="num cost">\s*[\d.]', page.text)
        assert "There is no project to show" in client.get("/overview?account=acme").text
        assert client.get("/").headers["location"] == "/project-usage"
