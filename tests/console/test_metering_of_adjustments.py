"""Late usage once it is billed: the adjustment's line opens the month it re-rated, and that month names the line."""

from collections.abc import Iterator
from typing import Any

import pytest

from meterbook.database import Database
from tests.console.browser import Browser, browsing, sign_in
from tests.console.metered import metered_house, utc
from tests.console.reading import shown

AUGUST = utc("2026-08-04T00:00Z")


@pytest.fixture(scope="module")
def client(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser in August, when July is issued with what came late for June."""
    with metered_house(migrated, tmp_path_factory.mktemp("late")) as house, browsing(house, AUGUST) as browser:
        body = {"month": "2026-07", "account": "acme", "confirm": True}
        answer = browser.post("/api/v1/closes", json=body, headers=browser.key)
        assert len(answer.json()["issued"]) == 1, answer.text
        sign_in(browser, "all@acme.example")
        yield browser


def july(client: Browser) -> Any:
    rows = client.get("/api/v1/invoices?account=acme", headers=client.key).json()["items"]
    (number,) = [row["number"] for row in rows if row["month"] == "2026-07"]
    return client.get(f"/api/v1/invoices/{number}", headers=client.key).json()


def test_an_adjustment_opens_the_month_it_re_rated(client: Browser) -> None:
    invoice = july(client)
    lines = [line for group in invoice["groups"] for line in group["lines"] if "adjusts_month" in line]
    (late,) = lines
    path = f"/invoices/{invoice['number']}/lines/{late['line']}/metering"
    text = shown(client, f"{path}?open=2026-06-05")
    assert f"June 2026 as it was rated again for {invoice['number']}" in text
    assert f"4.40 now - 4.00 billed = ${late['amount']}" in text
    assert "Total time 264 h" in text
    assert "late-host first seen 00:05" in text
    assert shown(client, f"{path}?hour=2026-06-05T03:00Z").count("late-host/") == 1


def test_the_month_that_was_adjusted_names_the_invoice(client: Browser) -> None:
    number = july(client)["number"]
    for path in (
        "/metering?account=acme&project=web&product=server&month=2026-06",
        "/usage?account=acme&project=web&month=2026-06",
    ):
        text = shown(client, path)
        assert "240 h" in text
        assert f"Billed on {number}" in text
        assert "It is billed with the next invoice." not in text


def test_amounts_of_the_issued_month_leave_the_adjustment_to_its_own_line(client: Browser) -> None:
    text = shown(client, "/usage?account=acme&project=web&month=2026-07")
    assert "final" in text
    assert "Usage before discounts USD 40.93" in text
