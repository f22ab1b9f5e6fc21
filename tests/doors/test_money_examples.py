"""The worked examples of money (DOMAIN 7), over the API on PostgreSQL: previewed, issued, paid, corrected."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from meterbook.api.times import Instant
from tests.doors.conftest import Served
from tests.doors.money import (
    close,
    hourly,
    issued,
    lines_of,
    payer,
    post,
    preview,
    promote,
    record,
    register,
    top_up,
    use,
    utc,
    verified,
)

JUNE = ("2026-06-01T00:00Z", "2026-07-01T00:00Z")
OF_PREVIEWS_ALONE = {"status", "forecast", "awaited_month"}


def same(before: Any, invoice: Any) -> None:
    """Compare every field of a preview with the invoice that was issued of it."""
    assert {name: invoice[name] for name in before if name not in OF_PREVIEWS_ALONE} == {
        name: value for name, value in before.items() if name not in OF_PREVIEWS_ALONE
    }


def e07(served: Served) -> str:
    readings = hourly("apm.cores", ["a"], *JUNE, "4") + hourly("host.seen", ["a", "b", "c", "d", "e"], *JUNE)
    account = payer(served, "USD", readings, prefix="e07")
    register(served, account)
    promote(served, account, "amount", "30.00", currency="USD", applies_to="invoice")
    promote(served, account, "percent", "10", applies_to="invoice")
    promote(served, account, "percent", "15", applies_to="line", products=["apm"])
    return account


def test_e07_percents_then_amounts(served: Served) -> None:
    account = e07(served)
    shown = preview(served, account, "2026-06")
    assert [(line["product"], line["amount"], line["net"]) for line in lines_of(shown)] == [
        ("server", "60.00", "44.82"),
        ("apm", "160.00", "101.58"),
    ]
    assert [discount["amount"] for discount in shown["discounts"]] == ["24.00", "19.60", "30.00"]
    assert (shown["subtotal"], shown["net"], shown["total"], shown["due"]) == ("220.00", "146.40", "146.40", "146.40")
    same(shown, issued(served, account, "2026-06"))
    saved = served.get("/promotions", account=account)["items"]
    assert [each["saved"] for each in saved] == ["30.00", "19.60", "24.00"]
    verified(served)


@pytest.mark.parametrize(
    ("quantity", "until", "net"), [("1000", None, "19.33"), ("1200", "2026-12-31T00:00:00Z", "18.00")]
)
def test_e08_free_host_hours(served: Served, quantity: str, until: str | None, net: str) -> None:
    # the second promotion has to end on 16 June: it is registered before, as of a replayed moment
    account = payer(served, "USD", hourly("host.seen", ["a", "b", "c"], *JUNE), prefix="e08")
    register(served, account)
    if until is None:
        promote(served, account, "free_quantity", quantity)
    else:
        code = f"FREE-{account}"
        body = {"code": code, "kind": "free_quantity", "value": quantity, "from": "2026-01-01T00:00:00Z"}
        post(served, "/promotion-codes", {**body, "until": "2026-06-16T00:00:00Z"})
        post(served, "/promotions/redeem", {"account": account, "code": code, "at": "2026-06-02T00:00:00Z"})
    shown = preview(served, account, "2026-06")
    assert (shown["subtotal"], shown["net"]) == ("36.00", net)
    (discount,) = shown["discounts"]
    assert discount["quantity"] == ("1000" if until is None else "1080")
    same(shown, issued(served, account, "2026-06"))


def won(month: str) -> list[Any]:
    at = utc(f"{month}-03T10:00Z")
    return [("won.a", "", at, "10005"), ("won.b", "", at, "20006"), ("won.c", "", at, "30007")]


def test_e11_balance_then_unpaid(served: Served) -> None:
    account = payer(served, "KRW", won("2026-06") + won("2026-07"), "--tax-percent", "10", prefix="e11")
    register(served, account)
    top_up(served, account, "50000")
    shown = preview(served, account, "2026-06")
    assert (shown["total"], shown["balance_used"], shown["due"]) == ("66019", "50000", "16019")
    june = issued(served, account, "2026-06")
    same(shown, june)
    assert (june["unpaid_now"], june["status"]) == ("16019", "partially_paid")
    record(served, account, "10000")
    assert served.get("/billing-history", account=account)["unpaid"] == "6019"
    shown = preview(served, account, "2026-07")
    assert (shown["total"], shown["unpaid"], shown["amount_including_unpaid"], shown["due"]) == (
        "66019",
        "6019",
        "72038",
        "72038",
    )
    july = issued(served, account, "2026-07")
    same(shown, july)
    assert served.get(f"/invoices/{june['number']}")["unpaid_now"] == "6019"
    verified(served)


def test_e12_credit_notes_line_by_line(served: Served) -> None:
    account = payer(served, "KRW", won("2026-06"), "--tax-percent", "10", prefix="e12")
    june = issued(served, account, "2026-06")
    totals, taxes = [], 0
    for line in lines_of(june):
        body = {"reason": "measured wrongly", "lines": [{"line": line["line"], "net": line["net"]}]}
        note = post(served, f"/invoices/{june['number']}/credit-notes", body)
        totals.append(note["total"])
        taxes += int(note["tax"][0]["amount"])
    assert (totals, taxes) == (["11005", "22007", "33007"], 6001)
    assert served.get(f"/invoices/{june['number']}")["unpaid_now"] == "0"
    verified(served)


def test_e14_late_host_hours_go_on_the_next_invoice(served: Served) -> None:
    account = payer(served, "USD", hourly("host.seen", ["a", "b", "c"], *JUNE), prefix="e14")
    use(served, account, hourly("host.seen", ["a"], "2026-07-01T00:00Z", "2026-08-01T00:00Z"))
    june = issued(served, account, "2026-06")
    assert june["total"] == "36.00"
    use(served, account, hourly("host.seen", ["late"], "2026-06-10T00:00Z", "2026-06-11T00:00Z"))
    shown = preview(served, account, "2026-07")
    assert (shown["subtotal"], shown["total"]) == ("12.40", "12.40")
    (late,) = [line for line in lines_of(shown) if "adjusts_month" in line]
    assert (late["amount"], late["adjusts_month"], late["formula"]) == ("0.40", "2026-06", "36.40 now - 36.00 billed")
    july = issued(served, account, "2026-07")
    same(shown, july)
    again = served.get(f"/invoices/{june['number']}")
    assert again["total"] == "36.00"
    hours = served.get(f"/invoices/{june['number']}/lines/1/usage", window="day")["items"]
    assert sum(int(item["unit_hours"]) for item in hours) == 2160
    verified(served)


def test_e14_late_lines_reach_the_next_tier(served: Served) -> None:
    days = [utc("2026-06-01T12:00Z") for _ in range(1)]
    # 9.5 units: 95 million lines in a month of 30 days, kept for 3 days
    account = payer(served, "USD", [("log.lines", "stream", days[0], "95")], prefix="e14")
    june = issued(served, account, "2026-06")
    assert june["total"] == "47.50"
    use(served, account, [("log.lines", "late", days[0], "30")])
    use(served, account, hourly("host.seen", ["a"], "2026-07-01T00:00Z", "2026-08-01T00:00Z"))
    shown = preview(served, account, "2026-07")
    assert [line["amount"] for line in lines_of(shown) if "adjusts_month" in line] == ["12.50"]
    same(shown, issued(served, account, "2026-07"))
    verified(served)


def test_e17_credit_that_ends_first_then_cash(served: Served) -> None:
    account = e07(served)
    for value, until in (("50.00", "2026-12-31T00:00:00Z"), ("20.00", "2026-07-01T00:00:00Z")):
        code = f"CREDIT-{value}-{account}"
        body = {"code": code, "kind": "credit", "value": value, "currency": "USD", "from": "2026-01-01T00:00:00Z"}
        post(served, "/promotion-codes", {**body, "until": until})
        post(served, "/promotions/redeem", {"account": account, "code": code, "at": "2026-06-02T00:00:00Z"})
    top_up(served, account, "100.00")
    shown = preview(served, account, "2026-06")
    assert (shown["total"], shown["credit_used"], shown["balance_used"], shown["due"]) == (
        "146.40",
        "70.00",
        "76.40",
        "0.00",
    )
    june = issued(served, account, "2026-06")
    same(shown, june)
    assert june["status"] == "paid"
    balance = served.get("/balance", account=account)
    assert (balance["balance"], balance["credit"]) == ("23.60", "0.00")
    assert [each["left"] for each in balance["credits"]] == ["0.00", "0.00"]
    verified(served)


def test_closing_twice_changes_nothing(served: Served) -> None:
    account = payer(served, "USD", hourly("host.seen", ["a"], *JUNE), prefix="twice")
    drafts = close(served, account, "2026-06", confirm=False)
    assert [row["status"] for row in drafts["drafts"]] == ["draft"]
    assert served.get("/invoices", account=account)["items"] == []
    first, second = (close(served, account, "2026-06") for _ in range(2))
    assert first == second
    assert [row["total"] for row in first["issued"]] == ["12.00"]
    listed = served.read("invoice", "list", "--account", account)["items"]
    assert [(row["month"], row["total"]) for row in listed] == [("2026-06", "12.00")]


def test_credit_pays_what_is_unpaid_as_soon_as_it_is_registered(served: Served) -> None:
    account = payer(served, "USD", hourly("host.seen", ["a", "b", "c"], *JUNE), prefix="credit")
    register(served, account)
    june = issued(served, account, "2026-06")
    promote(served, account, "credit", "20.00", currency="USD")
    assert served.get("/billing-history", account=account)["unpaid"] == "16.00"
    (paid,) = served.get(f"/invoices/{june['number']}")["paid_by"]
    assert (paid["reason"], paid["from_credit"], paid["amount"]) == ("settlement", "20.00", "20.00")
    assert [each["saved"] for each in served.get("/promotions", account=account)["items"]] == ["20.00"]
    verified(served)


def test_a_replayed_moment_is_numbered_by_the_year_of_utc() -> None:
    at = TypeAdapter(Instant).validate_python("2027-01-01T01:00:00+09:00")
    assert (at, at.year) == (utc("2026-12-31T16:00Z"), 2026)


def test_a_preview_names_the_month_that_is_paid_before_it(served: Served, say: Any) -> None:
    account = payer(served, "USD", hourly("host.seen", ["a"], "2026-05-01T00:00Z", "2026-07-01T00:00Z"))
    issued(served, account, "2026-05", "2026-06-03T00:00:00Z")
    awaited = {
        ("2026-07", "2026-07-01T12:00:00Z"): "2026-06",
        ("2026-07", "2026-07-10T00:00:00Z"): None,
        ("2026-06", "2026-07-01T12:00:00Z"): None,
    }
    for (month, at), expected in awaited.items():
        assert preview(served, account, month, at=at)["awaited_month"] == expected
    told = say("preview", "--account", account, "--month", "2026-07", "--at", "2026-07-01T12:00:00Z").out
    assert "2026-06 is not issued yet: credit and balance pay it first." in told
