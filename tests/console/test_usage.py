"""Usage over HTTP, on real stores: periods, the list of projects with its search, one project's days and hours."""

import html
import re
from decimal import Decimal

import httpx
import pytest

from meterbook.accounts.add_project import add_project
from meterbook.accounts.prove import prove_local
from meterbook.accounts.queries import account_by_code, all_projects, zone_of
from meterbook.catalog.queries import current_catalog
from meterbook.core.period import BillingMonth, day_starts
from meterbook.house import House
from meterbook.invoicing.draft import Payer
from meterbook.invoicing.show import show_month
from meterbook.invoicing.show_project import costs_of_days, show_project
from meterbook.invoicing.usage_shown import issued_among, usage_shown
from tests.console.browser import Browser, browsing, sign_in
from tests.console.metered import NOW, RESOURCE, SCRIPT, hourly, send
from tests.console.reading import become, rows_of, shown, words

IN_PART = {"hx-request": "true"}
WEB = "/usage?account=acme&project=web"


def listed(page: httpx.Response) -> list[str]:
    rows = re.search(r'<ul class="project-list">(.*?)</ul>', page.text, re.DOTALL)
    return re.findall(r'<span class="name">(.*?)(?: <span|</span>)', rows[1], re.DOTALL) if rows else []


def summary(page: httpx.Response) -> list[list[str]]:
    """The summary's rows, by product: metered units, total time with usage hours, cost."""
    table = re.search(r'<table class="summary">(.*?)</table>', page.text, re.DOTALL)
    assert table, page.text
    read = re.sub(r'<span class="sr-only">.*?</span>', "", table[1])
    rows = re.findall(r"<tr.*?</tr>", read, re.DOTALL)
    return [
        [
            " ".join(html.unescape(re.sub(r"<[^>]+>", " ", cell)).split())
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


def test_this_months_usage_in_the_terms_of_each_product(client: Browser) -> None:
    page = client.get(WEB)
    assert summary(page)[1:] == [
        ["Server", "1.56 hosts on average", "720 h 462 usage hours", "11.61"],
        ["APM", "8 cores on average", "80 h 10 usage hours", "4.30"],
        ["Requests", "48,024 requests", "– 48 usage hours", "19.21"],  # noqa: RUF001
        ["Log", "6 M lines a day × 3 days kept = 18", "864 h 48 usage hours", "5.81"],  # noqa: RUF001
        ["Usage before discounts USD", "40.93"],
    ]
    text = words(page)
    for word in ("July 2026", "Time zone UTC", "estimated", "Data through Jul 20 06:00 UTC", "team=web", "env=prod"):
        assert word in text
    assert "All of the account: 4 projects" in text
    assert "Subscribed" in text


@pytest.mark.parametrize("email", ["all@acme.example", "two@acme.example"])
@pytest.mark.parametrize("month", ["2026-06", "2026-07"])
def test_amounts_are_those_of_the_preview(client: Browser, email: str, month: str) -> None:
    become(client, email)
    told = client.get(f"/api/v1/invoices/preview?account=acme&month={month}", headers=client.key).json()
    lines = [line for group in told["groups"] for line in group["lines"] if line["project"] == "web"]
    lines = [line for line in lines if "adjusts_month" not in line]
    page = client.get(f"{WEB}&month={month}")
    products = {line["product"] for line in lines}
    assert len(summary(page)) == len(products) + 2
    amounts: dict[str, Decimal] = {}
    for line in lines:
        amounts[line["product"]] = amounts.get(line["product"], Decimal(0)) + Decimal(line["amount"])
    assert sorted(Decimal(row[-1]) for row in summary(page)[1:-1]) == sorted(amounts.values())
    assert Decimal(summary(page)[-1][-1]) == sum(amounts.values())


@pytest.mark.parametrize("period", ["", "&period=last-month", "&period=custom&from=2026-06-05&until=2026-07-09"])
def test_days_add_up_to_the_summary_and_so_do_the_hours(client: Browser, period: str) -> None:
    every = rows_of(client.get(f"{WEB}{period}".replace("/usage?", "/usage/hours.csv?")))
    assert len(every) > 100
    for opened in ("", "&open=*", "&open=2026-06-05,2026-07-03"):
        days = rows_of(client.get(f"{WEB}{period}{opened}".replace("/usage?", "/usage/days.csv?")))
        for column in ("Total time", "Quantity", "Lines"):
            for product in {row["Product"] for row in days}:
                of_days, of_hours = (
                    sum(Decimal(row[column] or 0) for row in rows if row["Product"] == product)
                    for rows in (days, every)
                )
                assert of_days == of_hours
    page = client.get(f"{WEB}{period}")
    server = sum(Decimal(row["Total time"]) for row in every if row["Product"] == "Server")
    assert summary(page)[1][2].startswith(f"{server:,} h ")


def test_days_are_listed_newest_first_and_open_without_javascript(client: Browser) -> None:
    page = client.get(f"{WEB}&open=2026-07-09")
    days = re.findall(r'id="day-([\d-]+)"', page.text)
    assert days == sorted(days, reverse=True)
    assert len(days) == 20
    assert page.text.count('aria-expanded="true"') == 1
    opened = page.text[page.text.index('id="day-2026-07-09"') : page.text.index('id="day-2026-07-08"')]
    assert opened.count('<tr class="hour">') == 24
    assert "host-b" in opened
    window = html.unescape(re.findall(r'href="(/metering[^"]+)" data-window', opened)[-1])
    assert "host.seen/host-b/2026-07-09T23:05:00+00:00" in shown(client, window)
    today = client.get(f"{WEB}&open=2026-07-20").text
    assert today.count('<tr class="hour">') == 7, "the running hour is among them"


@pytest.mark.parametrize("period", ["", "&period=this-month", "&period=last-month"])
def test_open_days_are_of_their_month_whenever_the_address_is_followed(client: Browser, period: str) -> None:
    for month, shown_as in (("2026-07", "this month"), ("2026-06", "last month"), ("2026-05", "custom")):
        page = client.get(f"{WEB}{period}&open={month}-09,{month}-10")
        days = re.findall(r'id="day-([\d-]+)"', page.text)
        assert {day[:7] for day in days} <= {month}, shown_as
        assert page.text.count('aria-expanded="true"') == len({f"{month}-09", f"{month}-10"} & {*days}), shown_as
    usual = re.findall(r'id="day-([\d-]+)"', client.get(f"{WEB}{period}").text)
    for ignored in ("2026-13-01", "2099-01-01", "*", "x", "2026-02-30", "0001-01-01"):
        assert re.findall(r'id="day-([\d-]+)"', client.get(f"{WEB}{period}&open={ignored}").text) == usual


def test_a_swapped_part_is_the_part_alone_and_keeps_the_address(client: Browser) -> None:
    days = client.get(f"{WEB}&open=2026-07-09".replace("/usage?", "/usage/days?"), headers=IN_PART)
    assert days.text.lstrip().startswith('<section class="panel" id="usage-days"')
    assert days.headers["hx-push-url"] == f"{WEB}&open=2026-07-09"
    found = client.get("/usage/projects?account=acme&q=shop", headers=IN_PART)
    assert found.text.lstrip().startswith('<div id="usage-projects"')
    assert found.headers["hx-replace-url"] == "/usage?account=acme&q=shop"
    for part in ("projects", "days"):
        answer = client.get(f"/usage/{part}?account=acme&project=web&q=a")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{WEB}&q=a")


def test_the_month_that_was_issued_is_as_it_was_billed(client: Browser) -> None:
    page = client.get(f"{WEB}&period=last-month")
    assert summary(page)[1][:3] == ["Server", "1 host on average", "240 h 240 usage hours"]
    text = words(page)
    assert "final" in text
    assert "usage of June 2026 that came later is not in these figures." in text
    assert "late-host" not in client.get(f"{WEB}&period=last-month&open=*").text
    assert "late-host" not in client.get(f"{WEB}&period=last-month".replace("/usage?", "/usage/hours.csv?")).text
    both = shown(client, f"{WEB}&period=custom&from=2026-06-01&until=2026-07-31")
    assert "960 h" in both
    assert "estimated" in both


def test_whole_months_have_amounts_and_parts_of_months_have_none(client: Browser) -> None:
    whole = client.get(f"{WEB}&period=custom&from=2026-06-01&until=2026-07-31")
    assert [row[-1] for row in summary(whole)[1:2]] == ["15.61"]
    for part in ("from=2026-06-02&until=2026-07-31", "from=2026-06-01&until=2026-07-19"):
        page = client.get(f"{WEB}&period=custom&{part}")
        assert "Cost" not in words(page)
        assert len(summary(page)[1]) == 3


def test_seoul_counts_its_own_days_and_its_trial_costs_nothing(client: Browser) -> None:
    page = client.get("/usage?account=hanok&open=2026-07-20")
    told = client.get("/api/v1/invoices/preview?account=hanok&month=2026-07", headers=client.key).json()
    assert summary(page)[1] == ["Server", "2 hosts on average", "942 h 471 usage hours", f"{int(told['subtotal']):,}"]
    text = words(page)
    assert "Data through Jul 20 15:00 Asia/Seoul" in text
    assert len(re.findall(r'id="day-[\d-]+"', page.text)) == 20
    assert page.text.count('<tr class="hour">') == 16
    trial = shown(client, "/usage?account=hanok&period=custom&from=2026-07-01&until=2026-07-04")
    assert "192 h" in trial


@pytest.mark.parametrize(("account", "month"), [("hanok", "2026-07"), ("acme", "2026-06"), ("acme", "2026-07")])
def test_a_projects_days_cost_what_they_cost_on_the_preview(metered: House, account: str, month: str) -> None:
    of, at = BillingMonth.parse(month), NOW
    with metered.database.transaction() as session:
        payer = account_by_code(session, account, prove_local("a", "a"))
        zone = zone_of(payer)
        issued = issued_among(session, payer, [of], at)
        for project in all_projects(session, [payer.id])[payer.id]:
            draft = show_project(session, metered.usage, payer, project, of, issued.get(of), at)
            told = show_month(session, metered.usage, Payer(payer, [project], False), of, at)
            lines = {each for line in draft.lines for each in (line.charge.starts_at, line.charge.ends_at)}
            starts = day_starts(of.starts_at(zone), of.ends_at(zone), zone)
            bounds = sorted({*starts, *lines, of.ends_at(zone)})
            meters = {product.meter for product in current_catalog(session)}
            windows = usage_shown(metered.usage, payer, [project.id], meters, bounds, issued, at)
            assert draft.lines == tuple(line._replace(discount=line.amount - line.amount) for line in told.draft.lines)
            days = {each.product.code: each.costs for each in costs_of_days(draft, bounds, windows).series}
            assert days == {each.product.code: each.costs for each in told.daily().series}


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("shop", ["Shop 100%"]),
        ("HIDDEN", ["Hidden API"]),
        ("100%", ["Shop 100%"]),
        ("env=prod", ["&lt;script&gt;alert(&#39;project&#39;)&lt;/script&gt;"]),
        ("web team", ["Shop 100%", "&lt;script&gt;alert(&#39;project&#39;)&lt;/script&gt;"]),
        ("gone", ["Gone but named"]),
        ("_", []),
        ("no such thing", []),
        ("\x00'\"--", []),
    ],
)
def test_projects_are_found_by_name_code_and_label(client: Browser, search: str, found: list[str]) -> None:
    page = client.get("/usage", params={"account": "acme", "q": search})
    assert page.status_code == 200
    assert listed(page) == found
    if not found:
        assert "No project was found" in words(page)


def test_only_projects_with_the_billing_permission_are_found(client: Browser) -> None:
    become(client, "two@acme.example")
    page = client.get("/usage?account=acme")
    assert listed(page) == ["Shop 100%", "&lt;script&gt;alert(&#39;project&#39;)&lt;/script&gt;"]
    assert "2 projects where you hold the billing permission" in words(page)
    for query in ("q=hidden", "q=secret", "q=api", "page=2"):
        assert "Hidden" not in client.get(f"/usage?account=acme&{query}").text
    hidden, unknown = (client.get(f"/usage?account=acme&project={code}") for code in ("hidden", "no-such"))
    assert hidden.status_code == unknown.status_code == 404
    assert hidden.text == unknown.text.replace("no-such", "hidden")
    for part in ("days.csv", "hours.csv", "days", "projects"):
        assert client.get(f"/usage/{part}?account=acme&project=hidden", headers=IN_PART).status_code == 404
    assert client.get("/usage?account=acme&project=hanok-app").status_code == 404


def test_without_the_permission_there_is_nothing(client: Browser) -> None:
    become(client, "none@acme.example")
    assert "There is no project to show" in shown(client, "/usage")
    assert client.get(WEB).status_code == 404
    assert client.get("/usage/days.csv?account=acme").status_code == 404


def test_a_deleted_project_keeps_its_name_and_its_usage(client: Browser) -> None:
    text = shown(client, "/usage?account=acme&project=gone")
    assert "Gone but named deleted" in text
    assert "24 h" in text


def test_names_are_written_never_run(client: Browser) -> None:
    for path in (WEB, f"{WEB}&open=*", f"{WEB}&q=script", f"{WEB}&chart=server"):
        page = client.get(path).text
        assert "&lt;script&gt;alert(&#39;project&#39;)&lt;/script&gt;" in page
        assert SCRIPT not in page
        assert RESOURCE not in page


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("from=yesterday&until=2026-07-01", "The first day is not a date such as 2026-06-01."),
        ("from=2026-07-01&until=2026-02-30", "The last day is not a date such as 2026-06-30."),
        ("from=2026-07-02&until=2026-07-01", "The first day comes after the last."),
        ("from=2026-07-21&until=2026-07-22", "The first day is still to come."),
        ("from=2025-06-01&until=2026-07-01", "These are more than 13 months: choose fewer days."),
        ("from=0001-01-01&until=9999-12-31", "The first day is not a date such as 2026-06-01."),
    ],
)
def test_days_that_cannot_be_shown_are_refused_and_kept(client: Browser, query: str, message: str) -> None:
    page = client.get(f"{WEB}&period=custom&{query}")
    assert page.status_code == 422
    assert f"{message} Shown is July 2026." in words(page)
    typed = dict(part.split("=") for part in query.split("&"))
    assert f'value="{typed["from"]}"' in page.text
    assert f'value="{typed["until"]}"' in page.text
    assert summary(page)[1][2].startswith("720 h ")


def test_thirteen_months_to_the_day_are_shown(client: Browser) -> None:
    page = client.get(f"{WEB}&from=2025-07-01&until=2026-07-31")
    assert page.status_code == 200
    assert summary(page)[1][2].startswith("960 h ")
    assert client.get(f"{WEB}&from=2025-06-15&until=2026-07-14&open=*").status_code == 200


@pytest.mark.parametrize("query", ["period=year", "month=2026-13", "page=0", "page=x", "project=%00"])
def test_addresses_that_lead_nowhere_are_refused(client: Browser, query: str) -> None:
    assert 400 <= client.get(f"/usage?account=acme&{query}").status_code < 500


def test_bars_measure_what_is_chosen(client: Browser) -> None:
    assert "Cost by day" in shown(client, WEB)
    hosts = client.get(f"{WEB}&chart=server")
    assert "Server by day" in words(hosts)
    assert hosts.text.count("data-day=") == 31
    assert "Thu, Jul 9: 1.42 hosts" in html.unescape(hosts.text)
    range_ = client.get(f"{WEB}&period=custom&from=2026-06-10&until=2026-07-09")
    assert "Server by day" in words(range_)
    assert client.get(f"{WEB}&chart=no-such").status_code == 200


def test_every_link_to_the_page_keeps_the_plot(client: Browser) -> None:
    page = client.get(f"{WEB}&hide=server&table=1").text.partition("<main")[2].partition("</main>")[0]
    hrefs = [html.unescape(href) for href in re.findall(r'href="(/usage[?/][^"]*)"', page)]
    assert len(hrefs) > 10
    assert [href for href in hrefs if "table=1" not in href] == []
    assert [href for href in hrefs if "hide=" not in href] == ["/usage?account=acme&project=web&table=1#chart-title"]
    assert page.count('<input type="hidden" name="hide" value="server" data-plot>') == 1
    swapped = client.get("/usage/days?account=acme&project=web&hide=server&table=1", headers={"hx-request": "true"})
    assert swapped.headers["hx-push-url"].endswith("&hide=server&table=1")


def test_nothing_metered_says_what_to_do(client: Browser) -> None:
    text = shown(client, "/usage?account=acme&project=shop&period=last-month")
    assert "Nothing was metered in these days" in text
    assert "This month" in text


def test_many_projects_come_in_pages(metered: House) -> None:
    with metered.database.transaction() as session:
        acme = account_by_code(session, "acme", prove_local("a", "a"))
        for number in range(60):
            add_project(session, NOW, account=acme, code=f"zz-{number:03}", name=f"Many {number:03}")
    with browsing(metered, NOW) as browser:
        sign_in(browser, "all@acme.example")
        seen, address = [], "/usage?account=acme&q=zz-"
        while address:
            page = browser.get(address)
            seen += listed(page)
            following = re.search(r'<a rel="next" href="([^"]+)"', page.text)
            address = html.unescape(following[1]) if following else ""
        assert seen == [f"Many {number:03}" for number in range(60)]
        assert "60 of 64 projects" in words(page)
        assert browser.get("/usage?account=acme&page=9999").status_code == 200


def test_first_seen_is_told_of_the_month_whichever_days_are_open(client: Browser) -> None:
    for day in ("2026-07-06", "2026-07-08"):
        send(client, hourly("shop", "host.seen", "shop-2", f"{day}T10:00Z", f"{day}T12:00Z"))
    page = "/usage?account=acme&project=shop&open="
    assert shown(client, f"{page}2026-07-06").count("first seen 10:05") == 1
    assert "first seen" not in shown(client, f"{page}2026-07-08")


@pytest.mark.parametrize("field", ["from", "until"])
@pytest.mark.parametrize("blank", [" ", "\u3000", "\t "])
def test_a_blank_day_is_refused_like_any_other_that_is_none(client: Browser, field: str, blank: str) -> None:
    page = client.get("/usage", params={"account": "acme", field: blank})
    assert page.status_code == 422
    assert re.search(r"is not a date such as 2026-06-\d\d. Shown is July 2026.", words(page))
