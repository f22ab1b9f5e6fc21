"""The HTTP API: windows of usage, previews, and the catalog that prices them (INTERFACES)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.doors.asking import HOUR, PRODUCTS, TOML, check_problem, event, post
from tests.doors.conftest import Served


@pytest.mark.parametrize(
    ("zone", "offset", "shift"),
    [("Asia/Seoul", "+09:00", timedelta(hours=9)), ("+05:30", "+05:30", timedelta(hours=5, minutes=30))],
)
def test_windows_follow_the_clocks_of_the_account(served: Served, zone: str, offset: str, shift: timedelta) -> None:
    code = f"api-{offset[1:3]}"
    post(served, "/accounts", {"code": code, "currency": "USD", "time_zone": zone})
    post(served, "/projects", {"account": code, "code": code})
    midnight = datetime(2026, 6, 1, tzinfo=UTC) - shift
    moments = [midnight - HOUR / 60, midnight, midnight + HOUR - HOUR / 60, midnight + HOUR, midnight + 24 * HOUR]
    served.send([event(code, at, value=str(10**place)) for place, at in enumerate(moments)])
    query = {"project": code, "from_": "2026-05-31", "until": "2026-07-01"}

    def read(window: str) -> list[tuple[str, str, str]]:
        items = served.get("/usage", **query, window=window)["items"]
        return [(item["starts_at"], item["ends_at"], item["quantity"]) for item in items]

    assert read("hour") == [
        (f"2026-05-31T23:00:00{offset}", f"2026-06-01T00:00:00{offset}", "1"),
        (f"2026-06-01T00:00:00{offset}", f"2026-06-01T01:00:00{offset}", "110"),
        (f"2026-06-01T01:00:00{offset}", f"2026-06-01T02:00:00{offset}", "1000"),
        (f"2026-06-02T00:00:00{offset}", f"2026-06-02T01:00:00{offset}", "10000"),
    ]
    assert read("day") == [
        (f"2026-05-31T00:00:00{offset}", f"2026-06-01T00:00:00{offset}", "1"),
        (f"2026-06-01T00:00:00{offset}", f"2026-06-02T00:00:00{offset}", "1110"),
        (f"2026-06-02T00:00:00{offset}", f"2026-06-03T00:00:00{offset}", "10000"),
    ]
    assert read("month") == [
        (f"2026-05-31T00:00:00{offset}", f"2026-06-01T00:00:00{offset}", "1"),
        (f"2026-06-01T00:00:00{offset}", f"2026-07-01T00:00:00{offset}", "11110"),
    ]
    whole = served.get("/usage", **query, window="month")
    assert (whole["time_zone"], whole["status"], whole["from"]) == (zone, "estimated", f"2026-05-31T00:00:00{offset}")
    assert whole["data_through"] == f"2026-06-02T01:00:00{offset}"
    # a range given by instants cuts the same hours
    instants = {"from_": midnight.isoformat(), "until": (midnight + HOUR).isoformat()}
    (item,) = served.get("/usage", project=code, **instants, window="hour")["items"]
    assert item["quantity"] == "110"


def test_usage_by_resource(served: Served) -> None:
    post(served, "/accounts", {"code": "api-resource", "currency": "USD"})
    post(served, "/projects", {"account": "api-resource", "code": "api-resource"})
    sent = [event("api-resource", f"2026-06-01T0{hour}:10:00Z", "host.seen", resource="a") for hour in range(4)]
    sent += [event("api-resource", f"2026-06-01T0{hour}:20:00Z", "host.seen", resource="b") for hour in range(2)]
    sent += [event("api-resource", "2026-06-01T00:30:00Z", value="2.5", resource="lb")]
    served.send(sent)
    query = {"project": "api-resource", "from_": "2026-06-01", "until": "2026-06-02"}
    kept = ("product", "unit", "metered_units", "usage_hours", "unit_hours", "quantity", "resource")

    def read(group_by: str) -> list[dict[str, str]]:
        items = served.get("/usage", **query, group_by=group_by)["items"]
        return [{name: item[name] for name in kept if name in item} for item in items]

    counted = {"product": "requests", "unit": "request", "usage_hours": "1", "metered_units": "2.5", "quantity": "2.5"}
    host = {"product": "server", "unit": "host"}
    assert read("product") == [host | {"metered_units": "1.5", "usage_hours": "4", "unit_hours": "6"}, counted]
    assert read("resource") == [
        host | {"metered_units": "1", "usage_hours": "4", "unit_hours": "4", "resource": "a"},
        host | {"metered_units": "1", "usage_hours": "2", "unit_hours": "2", "resource": "b"},
        counted | {"resource": "lb"},
    ]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_a_range_of_more_than_a_thousand_windows_comes_in_pages(served: Served, zone: str) -> None:
    code = f"api-long-{zone.lower()[:3]}"
    post(served, "/accounts", {"code": code, "currency": "USD", "time_zone": zone})
    post(served, "/projects", {"account": code, "code": code})
    begin = datetime.fromisoformat("2026-01-01T00:30:00+05:30" if zone != "UTC" else "2026-01-01T00:30:00Z")
    hours = [0, 1, 999, 1000, 1001, 1999, 2000, 2159]
    served.send([event(code, begin + hour * HOUR, value=str(hour + 1)) for hour in hours])
    query: dict[str, object] = {"project": code, "from_": "2026-01-01", "until": "2026-04-01", "window": "hour"}
    pages = [served.get("/usage", **query)]
    while pages[-1]["next_cursor"] is not None:
        pages.append(served.get("/usage", **query, cursor=pages[-1]["next_cursor"]))
    assert [[item["quantity"] for item in page["items"]] for page in pages] == [
        ["1", "2", "1000"],
        ["1001", "1002", "2000"],
        ["2001", "2160"],
    ]
    assert len({page["data_through"] for page in pages}) == 1
    (month,) = [served.get("/usage", **query | {"window": "month", "until": "2026-02-01"})["items"]]
    assert [item["quantity"] for item in month] == ["3"]


@pytest.fixture(scope="module")
def billed(served: Served) -> str:
    """An account with two projects and every model of price."""
    post(served, "/accounts", {"code": "api-billed", "currency": "USD", "tax_percent": "10"})
    for project in ("api-shop", "api-site"):
        post(served, "/projects", {"account": "api-billed", "code": project})
    sent = []
    for project, hosts in (("api-shop", 3), ("api-site", 1)):
        for hour in range(48):
            at = datetime(2026, 6, 1, 0, 30, tzinfo=UTC) + hour * HOUR
            sent += [event(project, at, "host.seen", resource=f"h{host}") for host in range(hosts)]
            sent.append(event(project, at, "request.count", value=str(hour * hosts)))
            sent.append(event(project, at, "database.seen"))
        sent.append(event(project, "2026-06-02T12:00:00Z", "log.lines", value="7.5"))
    served.send(sent)
    return "api-billed"


def test_both_groupings_are_one_invoice(served: Served, billed: str) -> None:
    previews = {by: served.get("/invoices/preview", account=billed, month="2026-06", group_by=by) for by in GROUPINGS}
    for by, preview in previews.items():
        groups = preview["groups"]
        assert [group[by] for group in groups] == GROUPINGS[by]
        assert sum(cents(group["total_cost"]) for group in groups) == cents(preview["subtotal"])
        for group in groups:
            assert sum(cents(line["amount"]) for line in group["lines"]) == cents(group["total_cost"])
            assert all(line["formula"] for line in group["lines"])
    by_project, by_product = previews.values()
    assert {**by_project, "groups": None} == {**by_product, "groups": None}
    lines = [
        sorted(json.dumps(line, sort_keys=True) for group in preview["groups"] for line in group["lines"])
        for preview in previews.values()
    ]
    assert lines[0] == lines[1]
    assert [tax["rate"] for tax in by_project["tax"]] == ["10"]
    assert cents(by_project["net"]) + sum(cents(tax["amount"]) for tax in by_project["tax"]) == cents(
        by_project["total"]
    )
    assert (by_project["status"], by_project["reference_hours"]) == ("estimated", 720)
    assert by_project["data_through"] == "2026-06-03T00:00:00Z"


GROUPINGS = {"project": ["api-shop", "api-site"], "product": ["database", "log", "requests", "server"]}


def cents(amount: str) -> int:
    whole, _, decimals = amount.partition(".")
    assert len(decimals) == 2
    return int(whole + decimals)


def test_project_usage_is_the_preview_without_its_totals(served: Served, billed: str) -> None:
    for by in GROUPINGS:
        preview = served.get("/invoices/preview", account=billed, month="2026-06", group_by=by)
        usage = served.get("/project-usage", account=billed, month="2026-06", group_by=by)
        for line in [line for group in preview["groups"] for line in group["lines"]]:
            assert line.pop("line") > 0
        assert usage["groups"] == preview["groups"]
        assert {name: usage[name] for name in ("account", "month", "currency", "status", "data_through")} == {
            name: preview[name] for name in ("account", "month", "currency", "status", "data_through")
        }
        assert "total" not in usage


def test_the_account_may_be_left_out_by_a_key_of_one(served: Served, billed: str) -> None:
    key = served.key("account", billed)
    own = served.get("/invoices/preview", key, month="2026-06")
    assert own == served.get("/invoices/preview", account=billed, month="2026-06")
    for path in ("/invoices/preview", "/project-usage", "/projects"):
        check_problem(served.api("GET", path), 422, "account-missing", "account=CODE")


def test_a_moment_is_replayed(served: Served, billed: str) -> None:
    at = {"account": billed, "month": "2026-06", "at": "2026-06-01T12:00:00Z"}
    early = served.get("/invoices/preview", **at)
    (server,) = [line for group in early["groups"][:1] for line in group["lines"] if line["product"] == "server"]
    assert (server["unit_hours"], early["data_through"]) == ("36", "2026-06-01T12:00:00Z")
    same = served.get("/invoices/preview", **at | {"at": "2026-06-01T21:00:00+09:00"})
    assert same == early
    not_begun = served.api("GET", "/invoices/preview", params=at | {"at": "2026-05-31T23:59:59Z"})
    check_problem(not_begun, 422, "month-not-begun")
    check_problem(
        served.api("GET", "/invoices/preview", params=at | {"at": "2026-06-01T12:00:00"}), 422, "wrong-instant"
    )


def send(served: Served, method: str, path: str, text: str) -> httpx.Response:
    return served.api(method, path, content=text.encode(), headers=TOML)


NEW = """
[[products]]
code = "api-new"
name = { en = "New", ko = "새" }
unit = "thing"
meter = { type = "api.new", kind = "counter" }

[[products.prices]]
currency = "USD"
from = 2026-01-01T00:00:00Z
model = "package"
per = "quantity"
unit_price = "0.10"
package_size = "1000"
"""


def test_a_catalog_is_checked_compared_and_applied(served: Served) -> None:
    before = served.get("/catalog")
    text = PRODUCTS + NEW
    count_before = len(before["products"])
    assert send(served, "POST", "/catalog/check", text).json() == {"products": count_before + 1}
    difference = send(served, "POST", "/catalog/diff", text).json()["changes"]
    assert difference
    assert all("api-new" in change["text"] for change in difference)
    assert served.get("/catalog") == before
    sent = event("api-new-p", "2026-06-01T00:30:00Z", "api.new", value="5")
    post(served, "/accounts", {"code": "api-new-a", "currency": "USD"})
    post(served, "/projects", {"account": "api-new-a", "code": "api-new-p"})
    assert served.send([sent])["rejected"][0]["reason"].startswith("unknown type")
    assert send(served, "PUT", "/catalog", text).json()["changes"] == difference
    assert send(served, "PUT", "/catalog", text).json() == {"changes": []}
    added = served.get("/catalog")["products"][-1]
    assert (added["code"], added["name"], added["unit"]) == ("api-new", {"en": "New", "ko": "새"}, "thing")
    assert added["meter"] == {"type": "api.new", "kind": "counter", "hourly": None, "retention_days": None}
    assert [(price["from"], price["model"], price["package_size"]) for price in added["prices"]] == [
        ("2026-01-01T00:00:00Z", "package", "1000")
    ]
    assert send(served, "PUT", "/catalog", PRODUCTS).json()["changes"]
    assert served.get("/catalog") == before


def test_a_price_in_use_is_refused_with_all_that_came_with_it(served: Served, billed: str) -> None:
    assert served.get("/invoices/preview", account=billed, month="2026-06")["groups"]
    before = served.get("/catalog")
    changed = PRODUCTS.replace('unit_price = "0.0004"', 'unit_price = "0.0005"')
    taken = PRODUCTS.replace(PRODUCTS[PRODUCTS.index('[[products]]\ncode = "database"') :], "")
    for text in (changed + NEW, taken):
        answer = send(served, "PUT", "/catalog", text)
        problem = check_problem(answer, 409, "in-use")
        assert "usage" in problem["detail"]
        assert served.get("/catalog") == before


def test_mistakes_of_a_catalog_are_named_each(served: Served) -> None:
    before = served.get("/catalog")
    wrong = NEW.replace('"package"', '"parcel"').replace('"0.10"', '"-1"') + "\ncolour = 1\n"
    for method, path in (("POST", "/catalog/check"), ("POST", "/catalog/diff"), ("PUT", "/catalog")):
        problem = check_problem(send(served, method, path, PRODUCTS + wrong), 422, "catalog-invalid")
        text = (PRODUCTS + wrong).split("\n")
        found = {(text[each["line"] - 1], each["field"].rpartition(".")[2]) for each in problem["problems"]}
        assert ('model = "parcel"', "model") in found
        assert ("colour = 1", "colour") in found
    check_problem(send(served, "POST", "/catalog/check", ""), 422, "catalog-invalid", "version")
    check_problem(send(served, "POST", "/catalog/check", "version = "), 422, "catalog-invalid")
    not_text = served.api("POST", "/catalog/check", content=b"\xff", headers=TOML)
    check_problem(not_text, 400, "broken-body")
    assert served.get("/catalog") == before


def test_usage_of_issued_months_is_final_until_more_comes_in(served: Served) -> None:
    code = "api-final"
    post(served, "/accounts", {"code": code, "currency": "USD"})
    post(served, "/projects", {"account": code, "code": code})
    served.send([event(code, f"2026-0{month}-10T10:10:00Z") for month in (5, 6, 7)])

    def status(since: str, until: str) -> str:
        told: str = served.get("/usage", project=code, from_=since, until=until)["status"]
        return told

    assert status("2026-05-01", "2026-06-01") == "estimated"
    for month in ("2026-05", "2026-06"):
        body = {"month": month, "account": code, "confirm": True}
        assert len(served.api("POST", "/closes", json=body).json()["issued"]) == 1
    assert (status("2026-05-01", "2026-07-01"), status("2026-05-10", "2026-05-11")) == ("final", "final")
    assert status("2026-06-30", "2026-07-02") == "estimated"
    assert status("2026-04-30", "2026-05-02") == "estimated"
    assert status("2026-06-01", "2199-01-01") == "estimated"
    served.send([event(code, "2026-05-20T10:10:00Z")])
    assert (status("2026-05-01", "2026-06-01"), status("2026-06-01", "2026-07-01")) == ("estimated", "final")


def test_a_page_of_usage_covers_as_many_windows_as_asked_for(served: Served) -> None:
    code = "api-limit"
    post(served, "/accounts", {"code": code, "currency": "USD"})
    post(served, "/projects", {"account": code, "code": code})
    served.send([event(code, f"2026-06-0{day}T10:10:00Z", resource=name) for day in (1, 2, 4, 5) for name in "ab"])
    query = {"project": code, "from_": "2026-06-01", "until": "2026-06-08"}
    pages, cursor = [], None
    while not pages or cursor:
        answer = served.get("/usage", **query, limit=2, **({"cursor": cursor} if cursor else {}))
        pages.append([item["starts_at"][8:10] for item in answer["items"]])
        cursor = answer["next_cursor"]
    assert pages == [["01", "02"], ["04"], ["05"], []]
    for limit in ("0", "-1", "1001", "many"):
        answer = served.api("GET", "/usage", params={**query, "from": query["from_"], "limit": limit})
        assert [error["field"] for error in check_problem(answer, 422, "invalid")["errors"]] == ["query.limit"]
