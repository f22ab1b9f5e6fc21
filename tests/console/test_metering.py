"""The Metering information window: days, hours, resources and events behind a figure, for those who may see them."""

import gc
import html
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from meterbook.console.my_usage.present_metering import ShownHour
from meterbook.house import House
from tests.console.browser import Browser, browsing, sign_in
from tests.console.metered import NOW, RESOURCE
from tests.console.reading import become, rows_of, shown, words

WEB = "/metering?account=acme&project=web"
IN_WINDOW = {"hx-request": "true"}


def invoice_of(client: Browser) -> Any:
    (row,) = client.get("/api/v1/invoices?account=acme", headers=client.key).json()["items"]
    return client.get(f"/api/v1/invoices/{row['number']}", headers=client.key).json()


@pytest.mark.parametrize(
    ("product", "figures"),
    [
        ("server", ["Metered units 1.56 hosts", "Total time 720 h", "Usage hours 462"]),
        ("apm", ["Metered units 8 cores", "Total time 80 h", "Usage hours 10"]),
        ("requests", ["Quantity 48,024 requests", "Usage hours 48"]),
        ("log", ["Lines a day 6 M lines", "3 days", "Metered units 18 M lines", "Total time 864 h", "Usage hours 48"]),
    ],
)
def test_each_kind_is_shown_as_it_is_counted(client: Browser, product: str, figures: list[str]) -> None:
    page = shown(client, f"{WEB}&product={product}&month=2026-07")
    assert [figure for figure in figures if figure not in page] == []
    assert all(word in page for word in ("Metering information", "July 2026", "Time zone UTC", "estimated"))


@pytest.mark.parametrize("product", ["server", "apm", "requests", "log"])
def test_days_and_hours_add_up_to_what_the_preview_counts(client: Browser, product: str) -> None:
    told = client.get("/api/v1/invoices/preview?account=acme&month=2026-07", headers=client.key).json()
    lines = [line for group in told["groups"] for line in group["lines"] if line["project"] == "web"]
    lines = [line for line in lines if "adjusts_month" not in line]
    counted = sum(Decimal(line.get("unit_hours") or line["quantity"]) for line in lines if line["product"] == product)
    column = "Quantity" if product == "requests" else "Total time"
    address = f"{WEB}&product={product}&month=2026-07"
    for path in (address, f"{address}&open=*", f"{address}&open=2026-07-03,2026-07-09"):
        sheet = client.get(path.replace("/metering?", "/metering/days.csv?"))
        assert ".000" not in sheet.text, "quantities are written without trailing zeros"
        rows = rows_of(sheet)
        assert sum(Decimal(row[column]) for row in rows) == counted > 0
    every = rows_of(client.get(address.replace("/metering?", "/metering/hours.csv?")))
    assert sum(Decimal(row[column]) for row in every) == counted


def test_a_new_resource_is_noticed_in_its_hour(client: Browser) -> None:
    page = client.get(f"{WEB}&product=server&month=2026-07&open=2026-07-09")
    text = words(page)
    assert "14:00 2 host-a host-b first seen 14:05 Jul 9 14:00: events" in text
    assert text.count("first seen") == 1
    assert text.count("host-b") == 10
    assert page.text.count('aria-expanded="true"') == 1


def test_one_day_alone_with_its_dashes(client: Browser) -> None:
    text = shown(client, f"{WEB}&product=apm&month=2026-07&day=2026-07-02")
    assert "04:00 4 api-1 4 Jul 2 04:00: events 05:00 12 api-2 8 first seen 05:05 api-1 4 Jul 2 05:00: events" in text
    assert "10:00 – 11:00 –" in text  # noqa: RUF001
    assert "23:00" in text
    assert "Total time 80 h" in text


def test_an_hour_leads_to_its_events_and_they_come_in_pages(client: Browser) -> None:
    page = client.get(f"{WEB}&product=server&month=2026-07&open=2026-07-10")
    hour = html.unescape(re.findall(r'href="([^"]+hour=2026-07-10T01:00Z[^"]*)"', page.text.replace("%3A", ":"))[0])
    text = words(client.get(hour))
    assert "01:00 – 02:00" in text  # noqa: RUF001
    assert f"01:05:00 {RESOURCE} 1 host.seen/{RESOURCE}/2026-07-10T01:05:00+00:00 test/web" in text
    assert text.count("test/web") == 3
    assert "Back to the hours" in text


def sold(id_: str, time: str, **data: str) -> dict[str, Any]:
    """Return an event of the shop that counts as 1."""
    about = {"specversion": "1.0", "id": id_, "source": "tills", "type": "won.a", "subject": "shop", "time": time}
    return {**about, "data": {"value": "1", **data}}


def test_more_events_than_a_page_holds(metered: House) -> None:
    with browsing(metered, NOW) as browser:
        events = [
            sold(f"many-{number}", f"2026-07-11T08:{number % 60:02}:00Z", resource="till", region="eu & <b>")
            for number in range(250)
        ]
        assert browser.post("/api/v1/events", json=events, headers=browser.key).json()["accepted"] == 250
        sign_in(browser, "two@acme.example")
        seen, address = [], "/metering?account=acme&project=shop&product=won-a&month=2026-07&hour=2026-07-11T08:00Z"
        while address:
            page = browser.get(address)
            assert page.status_code == 200
            seen += re.findall(r">(many-\d+)<", page.text)
            assert "<b>region</b> eu &amp; &lt;b&gt;" in page.text
            following = re.search(r'<a href="([^"]+)" id="metering-next"', page.text)
            address = html.unescape(following[1]) if following else ""
        assert len(seen) == len(set(seen)) == 250


def test_an_hour_names_all_its_resources(metered: House) -> None:
    with browsing(metered, NOW) as browser:
        events = [
            sold(f"till-{number}", "2026-07-12T08:10:00Z", resource=f"till-{number:04}") for number in range(1_003)
        ]
        for half in (events[:600], events[600:]):
            assert browser.post("/api/v1/events", json=half, headers=browser.key).json()["accepted"] == len(half)
        sign_in(browser, "two@acme.example")
        about = "/metering?account=acme&project=shop&product=won-a&month=2026-07"
        for state, few in (("&open=2026-07-12", 12), ("&day=2026-07-12", 40)):
            page = browser.get(f"{about}{state}")
            assert len(re.findall(r">till-\d{4}<", page.text)) == few
            link = re.search(r'<a id="(names-[^"]+)" href="([^"]+)" aria-expanded="false">.*?</a>', page.text)
            assert link
            assert html.unescape(link[2]) == f"{about}{state}&named=2026-07-12T08%3A00Z#names-2026-07-12T08:00Z"
            assert f"Jul 12 08:00: +{1_003 - few} more" in words(page)
            named = browser.get(f"{about}{state}&named=2026-07-12T08:00Z")
            assert len(set(re.findall(r">till-\d{4}<", named.text))) == 1_000
            text = words(named)
            assert "Jul 12 08:00: Fewer" in text
            assert "+3 more" in text
            fewer = re.search(r'href="([^"]+)#[^"]+" aria-expanded="true"', named.text.partition("names-")[2])
            assert fewer
            assert html.unescape(fewer[1]) == f"{about}{state}"
            assert "named=2026-07-12T08%3A00Z&amp;hour=2026-07-12T08%3A00Z" in named.text
        beside = browser.get(f"{about}&open=2026-07-12&named=2026-07-12T09:00Z")
        assert len(re.findall(r">till-\d{4}<", beside.text)) == 12
        assert browser.get(f"{about}&named=soon").status_code == 422
        few_alone = browser.get(f"{about}&day=2026-07-11&named=2026-07-11T08:00Z").text
        assert "aria-expanded" not in few_alone.partition('<tr class="hour')[2].partition("</tbody>")[0]


def test_resources_are_written_never_run(client: Browser) -> None:
    for path in ("&open=*", "&day=2026-07-10", "&hour=2026-07-10T01:00Z"):
        page = client.get(f"{WEB}&product=server&month=2026-07{path}").text
        assert "&lt;script&gt;alert(&#39;resource&#39;)&lt;/script&gt;" in page
        assert RESOURCE not in page


def test_a_price_change_and_a_trial_divide_the_month_on_the_accounts_clocks(client: Browser) -> None:
    text = shown(client, "/metering?account=hanok&project=hanok-app&product=server&month=2026-07")
    assert "Time zone Asia/Seoul" in text
    assert "Jul 1 00:00 – Jul 4 10:00 Trial 164 h" in text  # noqa: RUF001
    assert "Jul 4 10:00 – Jul 16 00:00 556 h" in text  # noqa: RUF001
    assert "Jul 16 00:00 – Aug 1 00:00 222 h" in text  # noqa: RUF001
    assert "Total time 942 h" in text
    assert "Data through Jul 20 15:00 Asia/Seoul" in text
    day = shown(client, "/metering?account=hanok&project=hanok-app&product=server&month=2026-07&day=2026-07-20")
    assert "14:00 2 h1 h2" in day
    assert "16:00" not in day.replace("Jul 20 15:00", "")


def test_a_line_of_a_part_of_the_month_opens_that_part(client: Browser) -> None:
    told = client.get("/api/v1/invoices/preview?account=hanok&month=2026-07", headers=client.key).json()
    lines = [line for group in told["groups"] for line in group["lines"]]
    bill = client.get("/invoice-preview?account=hanok&month=2026-07&open=*").text
    opened = [html.unescape(href) for href in re.findall(r'href="(/metering[^"]+)"', bill)]
    assert len(opened) == len(lines) == 3
    for path, line in zip(opened, lines, strict=True):
        starts_at = datetime.fromisoformat(line["from"]).astimezone(UTC)
        assert f"part={starts_at:%Y-%m-%dT%H:%M}Z" in path.replace("%3A", ":")
        text = shown(client, path)
        assert f"Total time {Decimal(line['unit_hours']):,f} h" in text
        assert "Whole month" in text
        for sheet in ("days", "hours"):
            rows = rows_of(client.get(path.replace("/metering?", f"/metering/{sheet}.csv?")))
            assert sum(Decimal(row["Total time"]) for row in rows) == Decimal(line["unit_hours"])
    assert "Jul 1 00:00 – Jul 4 10:00 Whole month" in shown(client, opened[0])  # noqa: RUF001
    inside = client.get(f"{opened[0]}&day=2026-07-04").text
    assert 'name="part" value="2026-06-30T15:00Z"' in inside
    assert "10:00 – 11:00" not in words(client.get(f"{opened[0]}&open=*"))  # noqa: RUF001
    no_cores = client.get(opened[0].replace("product=server", "product=apm"))
    assert "Nothing was metered in this part of the month." in words(no_cores)
    whole = client.get("/metering?account=hanok&project=hanok-app&product=server&month=2026-07").text
    assert [html.unescape(href) for href in re.findall(r'href="([^"]+part=[^"]+)"', whole)] == opened
    assert "Whole month" not in whole


def test_an_issued_month_shows_what_was_billed_and_where_the_rest_went(client: Browser) -> None:
    invoice = invoice_of(client)
    text = shown(client, f"{WEB}&product=server&month=2026-06&open=2026-06-05")
    assert "Total time 240 h" in text
    assert "final" in text
    assert f"As billed on {invoice['number']}: usage of June 2026 that came later is not in these figures." in text
    assert "late-host" not in text
    assert "It is billed with the next invoice." in text
    assert "late-host" not in shown(client, f"{WEB}&product=server&month=2026-06&hour=2026-06-05T03:00Z")
    assert "came later" not in shown(client, f"{WEB}&product=requests&month=2026-06")


def test_who_sees_no_invoices_learns_no_number(client: Browser) -> None:
    number = invoice_of(client)["number"]
    become(client, "two@acme.example")
    page = client.get(f"{WEB}&product=server&month=2026-06")
    assert "usage of June 2026 that came after its invoice is not in these figures" in words(page)
    assert number not in page.text


def test_a_line_opens_the_hours_it_was_billed_for(client: Browser) -> None:
    invoice = invoice_of(client)
    lines = [line for group in invoice["groups"] for line in group["lines"]]
    for line in lines:
        path = f"/invoices/{invoice['number']}/lines/{line['line']}/metering"
        text = shown(client, path)
        assert f"As billed on {invoice['number']}: late usage is not in it." in text
        assert "late-host" not in shown(client, f"{path}?open=*")
        column = "Quantity" if line["product"] == "requests" else "Total time"
        counted = Decimal(line.get("unit_hours") or line["quantity"])
        for sheet in ("days.csv", "days.csv?open=*", "hours.csv"):
            assert sum(Decimal(row[column]) for row in rows_of(client.get(f"{path}/{sheet}"))) == counted
    assert client.get(f"/invoices/{invoice['number']}/lines/99/metering").status_code == 404
    become(client, "two@acme.example")
    assert client.get(f"/invoices/{invoice['number']}/lines/1/metering").status_code == 404


def test_a_script_gets_the_inside_alone(client: Browser) -> None:
    part = client.get(f"{WEB}&product=server&month=2026-07", headers=IN_WINDOW)
    assert part.status_code == 200
    assert "<html" not in part.text
    assert '<form method="dialog">' in part.text
    assert 'id="metering-title"' in part.text
    page = client.get(f"{WEB}&product=server&month=2026-07")
    assert "<html" in page.text
    assert 'method="dialog"' not in page.text


@pytest.mark.parametrize("email", ["two@acme.example", "none@acme.example"])
def test_without_the_permission_it_does_not_exist(client: Browser, email: str) -> None:
    become(client, email)
    hidden, unknown = (
        client.get(f"/metering?account=acme&project={project}&product=server&month=2026-07")
        for project in ("hidden", "no-such")
    )
    assert hidden.status_code == unknown.status_code == 404
    assert hidden.text == unknown.text.replace("no-such", "hidden")
    for sheet in ("days", "hours"):
        path = f"/metering/{sheet}.csv?account=acme&project=hidden&product=server&month=2026-07"
        assert client.get(path).status_code == 404
    foreign = client.get("/metering?account=acme&project=hanok-app&product=server&month=2026-07")
    assert foreign.status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("product=no-such", 404),
        ("product=server&month=2026-13", 400),
        ("product=server&month=2026-08", 400),
        ("product=server&day=2026-07-32", 400),
        ("product=server&day=tomorrow", 400),
        ("product=server&hour=2026-07-09", 400),
        ("product=server&part=2026-07-09T14:00Z", 404),
        ("product=server&part=july", 400),
        ("product=server&hour=2026-07-09T14:30Z", 404),
        ("product=server&hour=2026-06-09T14:00Z", 404),
        ("product=server&hour=2026-07-09T14:00Z&after=x", 400),
        ("product=server&after=x&hour=9999-12-31T23:00Z", 404),
        ("", 400),
        (f"product=server&open={'2' * 2000}", 422),
    ],
)
def test_addresses_that_lead_nowhere_are_refused(client: Browser, query: str, status: int) -> None:
    answer = client.get(f"{WEB}&{query}" if "month" in query else f"{WEB}&month=2026-07&{query}")
    assert answer.status_code in (status, 422 if status == 400 else status)


def test_nonsense_in_the_open_days_opens_nothing(client: Browser) -> None:
    page = client.get(f"{WEB}&product=server&month=2026-07&open=x,2026-99-99,%3Cb%3E")
    assert page.status_code == 200
    assert 'aria-expanded="true"' not in page.text
    hour = client.get(f"{WEB}&product=server&month=2026-07&open=x,2026-07-01&hour=2026-07-09T14:00Z")
    assert hour.status_code == 200


def test_days_open_and_close_by_links(client: Browser) -> None:
    page = client.get(f"{WEB}&product=server&month=2026-07&open=2026-07-08")
    opened = {day: html.unescape(href) for day, href in re.findall(r'id="metering-([\d-]+)" href="([^"]+)"', page.text)}
    assert list(opened) == sorted(opened, reverse=True)
    assert len(opened) == 20
    assert opened["2026-07-08"].endswith("month=2026-07")
    assert "open=2026-07-07,2026-07-08" in opened["2026-07-07"]
    every = client.get(f"{WEB}&product=server&month=2026-07&open=*")
    assert every.text.count('aria-expanded="true"') == 20
    assert "Collapse all" in words(every)


def test_nothing_metered_says_so(client: Browser) -> None:
    assert "Nothing was metered in July 2026" in shown(client, f"{WEB}&product=database&month=2026-07")
    text = shown(client, f"{WEB}&product=apm&month=2026-07&hour=2026-07-09T14:00Z")
    assert "Nothing was metered in this hour." in text


def test_a_page_that_is_written_leaves_no_figures_for_the_garbage_collector(client: Browser) -> None:
    shown(client, f"{WEB}&product=server&month=2026-07&open=*")
    gc.collect()
    gc.disable()
    try:
        assert "23:00" in shown(client, f"{WEB}&product=server&month=2026-07&open=*")
        assert [each for each in gc.get_objects() if isinstance(each, ShownHour)] == []
    finally:
        gc.enable()
