"""The Metering information window of days of any choice: the very figure of Usage, month by month as each is known."""

import html
import re
from decimal import Decimal

import pytest

from meterbook.console.my_usage import metering, present_metering
from tests.console.browser import Browser
from tests.console.reading import become, rows_of, shown, words

WEB = "/metering?account=acme&project=web"
DAYS = "from=2026-06-05&until=2026-07-09"


def test_days_across_months_open_the_very_figure_that_was_clicked(client: Browser) -> None:
    usage = client.get(f"/usage?account=acme&project=web&period=custom&{DAYS}").text
    opened = [html.unescape(href) for href in re.findall(r'class="metered" href="([^"]+)" data-window', usage)]
    clicked = re.findall(r'class="metered"[^>]*><span>(.*?)<span class="sr-only">', usage, re.DOTALL)
    assert [re.search(r"product=([\w-]+)", href)[1] for href in opened] == ["server", "apm", "requests", "log"]  # type: ignore[index]
    for path, figure in zip(opened, clicked, strict=True):
        assert DAYS in path
        text = shown(client, path)
        units = " ".join(re.sub(r"<[^>]+>", " ", figure).split()).split(" ")[0]
        assert f" {units} " in text
        assert "Jun 5 – Jul 9, 2026" in text  # noqa: RUF001
        column = "Quantity" if "requests" in path else "Total time"
        every = rows_of(client.get(path.replace("/metering?", "/metering/hours.csv?")))
        for more in ("", "&open=*"):
            days = rows_of(client.get(f"{path}{more}".replace("/metering?", "/metering/days.csv?")))
            assert sum(Decimal(row[column]) for row in days) == sum(Decimal(row[column]) for row in every) > 0
    text = shown(client, opened[0])
    assert "Total time 370 h" in text  # of host-a 6 x 24 in June, as billed, and 9 x 24 in July; of host-b 10
    assert "estimated" in text


def test_days_across_months_are_divided_by_month(client: Browser) -> None:
    path = f"{WEB}&product=server&{DAYS}"
    page = client.get(path)
    parts = [html.unescape(href) for href in re.findall(r'href="([^"]+part=[^"]+)"', page.text)]
    assert [href.replace("%3A", ":").partition("part=")[2] for href in parts] == [
        "2026-06-05T00:00Z",
        "2026-07-01T00:00Z",
    ]
    assert "Jun 5 – 30, 2026 144 h Jul 1 – 9, 2026 226 h" in words(page)  # noqa: RUF001
    june = shown(client, parts[0])
    assert "Total time 144 h" in june
    assert "Jun 5 – Jul 9, 2026 Jun 5 00:00 – Jul 1 00:00 All days" in june  # noqa: RUF001
    no_cores = shown(client, parts[0].replace("product=server", "product=apm"))
    assert "Nothing was metered in these days" in no_cores
    assert client.get(f"{path}&part=2026-06-06T00:00Z").status_code == 404


def test_days_of_an_issued_month_say_that_usage_came_late(client: Browser) -> None:
    (invoice,) = client.get("/api/v1/invoices?account=acme", headers=client.key).json()["items"]
    path = f"{WEB}&product=server&from=2026-06-04&until=2026-06-06"
    text = shown(client, f"{path}&open=2026-06-05")
    assert "Total time 72 h" in text
    assert f"As billed on {invoice['number']}: usage of June 2026 that came later is not in these figures." in text
    assert "final" in text
    assert "late-host" not in text
    assert "late-host" not in shown(client, f"{path}&hour=2026-06-05T03:00Z")
    assert "late-host" not in client.get(path.replace("/metering?", "/metering/hours.csv?")).text
    assert "/usage?account=acme&amp;project=web&amp;from=2026-06-04&amp;until=2026-06-06" in client.get(path).text


def test_of_more_days_than_are_open_at_once_the_newest_are(client: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{WEB}&product=server&from=2026-06-01&until=2026-07-20"
    every = client.get(f"{path}&open=*")
    assert every.text.count('aria-expanded="true"') == 30  # ten days of June, twenty of July
    assert "Collapse all" in words(every)
    monkeypatch.setattr(metering, "DAYS_OPEN_MAX", 3)
    monkeypatch.setattr(present_metering, "DAYS_OPEN_MAX", 3)
    newest = client.get(f"{path}&open=*")
    assert re.findall(r'id="metering-([\d-]+)" href="[^"]+" aria-expanded="true"', newest.text) == [
        "2026-07-20",
        "2026-07-19",
        "2026-07-18",
    ]
    assert "Collapse all" not in words(newest)
    assert "Expand all" not in words(newest)
    closes = re.search(r'id="metering-2026-07-19" href="([^"]+)"', newest.text)
    assert closes
    assert closes[1].endswith("open=2026-07-18,2026-07-20")


def test_first_seen_is_told_of_the_month_in_days_too(client: Browser) -> None:
    path = f"{WEB}&product=server&from=2026-06-30&until=2026-07-20&open=2026-07-10"
    text = shown(client, path)
    assert text.count("first seen") == 1  # the host of two hours; host-b was there the day before


@pytest.mark.parametrize(
    "days",
    ["from=2026-06-05", "until=2026-07-09", "from=2026-07-20&until=2026-08-31", "from=2025-07-01&until=2026-07-20"],
)
def test_days_are_read_as_usage_reads_them(client: Browser, days: str) -> None:
    assert client.get(f"{WEB}&product=server&{days}").status_code == 200


def test_days_of_two_years_are_named_with_theirs(client: Browser) -> None:
    assert "Jul 20, 2026" in shown(client, f"{WEB}&product=server&from=2025-12-31&until=2026-07-20")


@pytest.mark.parametrize(
    "days", ["from=x", "until=2026-99-01", "from=2026-07-09&until=2026-07-01", "from=2026-08-01", "from=2024-01-01"]
)
def test_days_that_cannot_be_shown_are_refused(client: Browser, days: str) -> None:
    for path in ("", "/days.csv", "/hours.csv"):
        assert client.get(f"{WEB}&product=server&{days}".replace("/metering", f"/metering{path}")).status_code == 422


def test_without_the_permission_there_are_no_days(client: Browser) -> None:
    become(client, "two@acme.example")
    assert client.get(f"{WEB}&product=server&{DAYS}").status_code == 200
    for path in ("", "/days.csv", "/hours.csv"):
        for project in ("hidden", "hanok-app", "no-such"):
            address = f"/metering{path}?account=acme&project={project}&product=server&{DAYS}"
            assert client.get(address).status_code == 404
