"""Promotions in the console, on real stores: applying a code, every refusal, and figures equal to the API's."""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from meterbook.accounts.add_account import add_account
from meterbook.accounts.add_member import add_member
from meterbook.accounts.add_project import add_project
from meterbook.accounts.add_user import add_user
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.database import Database
from meterbook.house import House
from meterbook.settings import Settings
from meterbook.usage.store import open_usage
from tests.console.browser import PASSWORD, Browser, browsing, sign_in, token_of

NOW = datetime(2026, 6, 12, 6, tzinfo=UTC)
LATER = datetime(2026, 7, 20, 6, tzinfo=UTC)
CATALOG = (Path(__file__).parents[1] / "doors" / "catalog.toml").read_text(encoding="utf-8")
PAGE = "/payment-information"
SINCE = "2026-01-01T00:00:00Z"
DASH = "\u2013"
_numbers = count(1)


def furnish(database: Database) -> None:
    with database.transaction() as session:
        apply_catalog(session, parse_catalog(CATALOG), NOW, lambda *_: False)
        finance = add_user(session, NOW, email="finance@acme.example", password=PASSWORD)
        accounts = {code: add_account(session, NOW, code=code, currency="USD", name=code) for code in ("acme", "other")}
        for account, code in (("acme", "web"), ("acme", "shop"), ("other", "theirs")):
            add_project(session, NOW, account=accounts[account], code=code, name=f"The {code}")
        add_member(session, NOW, user=finance, account=accounts["acme"], project=None, role="viewer", billing=True)


def events() -> list[dict[str, Any]]:
    return [
        {
            "specversion": "1.0",
            "id": f"{project}-{month}-{day}-{hour}-{host}",
            "source": "promotions",
            "type": "host.seen",
            "subject": project,
            "time": f"2026-{month:02}-{day:02}T{hour:02}:00:00Z",
            "data": {"resource": f"host-{host}"},
        }
        for project, hosts in (("web", 9), ("shop", 4))
        for host in range(hosts)
        for month, days in ((6, 12), (7, 20))
        for day in range(1, days)
        for hour in range(24)
    ]


@pytest.fixture(scope="module")
def house(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two accounts, one of them with usage in June and July; nothing of the clock's future is metered."""
    with migrated.transaction() as session:
        session.execute(text("set local session_replication_role = replica"))
        session.execute(text('truncate account, "user", product, promotion, idempotency_key, number_series cascade'))
    furnish(migrated)
    folder = tmp_path_factory.mktemp("promotions")
    store = open_usage(folder)
    house = House(Settings(data_dir=folder), migrated, store)
    with browsing(house, LATER) as browser:
        for start in range(0, len(events()), 4_000):
            answer = browser.post("/api/v1/events", json=events()[start : start + 4_000], headers=browser.key)
            assert answer.json()["rejected"] == []
    yield house
    store.close()


@pytest.fixture(autouse=True)
def nothing_applied(house: House) -> None:
    """Take back what an earlier test registered, closed and paid."""
    with house.database.transaction() as session:
        session.execute(text("set local session_replication_role = replica"))
        session.execute(text("truncate promotion, invoice, payment_information, journal_entry, number_series cascade"))


@pytest.fixture
def client(house: House) -> Iterator[Browser]:
    with browsing(house, NOW) as browser:
        sign_in(browser, "finance@acme.example")
        yield browser


@pytest.fixture
def later(house: House) -> Iterator[Browser]:
    with browsing(house, LATER) as browser:
        sign_in(browser, "finance@acme.example")
        yield browser


def api(client: Browser, method: str, path: str, body: Any = None) -> Any:
    ask = partial(client.http.request, method, f"/api/v1{path}", json=body, headers=client.key)
    answer: httpx.Response = client._call(ask)
    assert answer.is_success, answer.text
    return answer.json()


def registered(client: Browser) -> None:
    api(client, "PUT", PAGE, {"account": "acme", "method": "send_invoice", "email": "pay@acme.example"})


def promotion(client: Browser, kind: str, value: str, **more: Any) -> str:
    code = f"CODE{next(_numbers)}"
    body = {"code": code, "name": f"Name of {code}", "kind": kind, "value": value, "from": SINCE, **more}
    api(client, "POST", "/promotion-codes", body)
    return code


def applied(client: Browser, code: str, key: str | None = None) -> httpx.Response:
    page = client.get(f"{PAGE}?account=acme")
    found = re.search(r'action="[^"]*/promotions\?account=acme".*?name="key" value="(\w+)"', page.text, re.DOTALL)
    assert found
    form = {"form_token": token_of(page), "code": code, "key": found[1] if key is None else key}
    return client.post(f"{PAGE}/promotions?account=acme", data=form)


def words(text_: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text_))).strip()


def row(page: httpx.Response, code: str) -> str:
    found = re.search(rf'<tr id="code-{code}".*?</tr>', page.text, re.DOTALL)
    assert found, page.text
    return found[0]


def figure(page: httpx.Response, code: str, column: str) -> str:
    found = re.search(rf'<td class="num {column}"[^>]*>([^<]*)<', row(page, code))
    assert found
    return found[1]


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    found = re.search(r'id="code-fault" role="alert">([^<]*)<', answer.text)
    assert found
    assert 'aria-invalid="true" aria-describedby="code-fault"' in answer.text
    return html.unescape(found[1])


def test_without_payment_information_no_code_is_taken(client: Browser) -> None:
    code = promotion(client, "percent", "10")
    answer = applied(client, code)
    assert answer.status_code == 409
    assert "Register payment information first: then you can apply a promotion code." in words(answer.text)
    assert api(client, "GET", "/promotions?account=acme")["items"] == []


def test_an_applied_code_is_shown_with_what_it_gives_and_saves(client: Browser) -> None:
    registered(client)
    code = promotion(
        client, "percent", "15", products=["server"], projects=["shop", "theirs"], until="2027-01-01T00:00:00Z"
    )
    answer = applied(client, f"  {code.lower()} ")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"{PAGE}?account=acme&done=applied&code={code}#promotions",
    )
    page = client.get(answer.headers["location"])
    shown = words(page.text)
    assert f"{code} is applied. Discount rate 15% · Server, The shop · Jan 1 {DASH} Dec 31, 2026" in shown
    assert all(said in words(row(page, code)) for said in ("active", "off each line", f"Name of {code}"))
    # what belongs to others is not told, neither here nor by the API
    assert "theirs" not in page.text
    (item,) = api(client, "GET", "/promotions?account=acme")["items"]
    assert item["projects"] == ["shop"]
    preview = api(client, "GET", "/invoices/preview?account=acme&month=2026-06")
    (discount,) = preview["discounts"]
    assert discount["amount"] != "0.00"
    assert figure(page, code, "this-month") == discount["amount"]
    assert figure(page, code, "saved") == item["saved"] == "0.00"
    # an address that says so shows nothing that is not so
    assert "is applied" not in words(client.get(f"{PAGE}?account=acme&done=applied&code=OTHER").text)


def test_each_refusal_has_its_own_words_in_three_languages(client: Browser) -> None:
    registered(client)
    first = promotion(client, "percent", "1")
    assert applied(client, first).status_code == 303
    used_up = promotion(client, "percent", "1", redemptions_max=1)
    api(client, "PUT", PAGE, {"account": "other", "method": "send_invoice", "email": "pay@other.example"})
    api(client, "POST", "/promotions/redeem", {"account": "other", "code": used_up})
    cases = [
        ("", 422, "Enter a promotion code."),
        ("NO-SUCH", 422, "There is no such promotion code. Check how it is written."),
        (
            promotion(client, "percent", "1", **{"from": "2026-06-13T00:00:00Z"}),
            409,
            "This code is not valid before June 13, 2026.",
        ),
        (
            promotion(client, "percent", "1", until="2026-06-01T00:00:00Z"),
            409,
            "This code was valid through May 31, 2026.",
        ),
        (first, 409, "This code is applied already."),
        (used_up, 409, "This code has been used up: it was applied as often as it may be."),
        (
            promotion(client, "amount", "1", currency="KRW"),
            409,
            "This code is for KRW, and your account is billed in USD.",
        ),
        (promotion(client, "percent", "1", projects=["theirs"]), 409, "This code is for none of your projects."),
        (
            promotion(client, "percent", "1", stackable=False),
            409,
            f"This code cannot be combined with {first}, which is applied.",
        ),
    ]
    for code, status, message in cases:
        assert refused(applied(client, code), status) == message
        assert f'value="{code}"' in applied(client, code).text
    assert len(api(client, "GET", "/promotions?account=acme")["items"]) == 1
    for language in ("ko", "ja"):
        client.get(f"{PAGE}?account=acme&lang={language}")
        told = [refused(applied(client, code), status) for code, status, _ in cases]
        assert len(set(told)) == len(cases)
        assert not any(message in told for _, _, message in cases)


def test_guessing_is_slowed_through_either_door(client: Browser) -> None:
    registered(client)
    for number in range(5):
        assert refused(applied(client, f"GUESS-{number}"), 422).startswith("There is no such")
        body = {"account": "acme", "code": f"GUESS-API-{number}"}
        assert client.post("/api/v1/promotions/redeem", json=body, headers=client.key).status_code == 404
    good = promotion(client, "percent", "10")
    assert refused(applied(client, good), 429) == (
        "Too many codes that do not exist were tried. Wait ten minutes, then try again."
    )
    answer = client.post("/api/v1/promotions/redeem", json={"account": "acme", "code": good}, headers=client.key)
    assert (answer.status_code, answer.json()["type"]) == (429, "urn:meterbook:problem:too-many-guesses")
    assert api(client, "GET", "/promotions?account=acme")["items"] == []


def test_a_form_that_is_sent_twice_acts_once(client: Browser) -> None:
    registered(client)
    code = promotion(client, "credit", "20.00", currency="USD")
    first, again = (applied(client, code, key="one-key") for _ in range(2))
    assert first.headers["location"] == again.headers["location"]
    assert len(api(client, "GET", "/promotions?account=acme")["items"]) == 1
    # a refusal is not kept: the next form is answered anew
    assert refused(applied(client, code, key="other"), 409) == "This code is applied already."


def test_a_credit_pays_at_once_and_shows_what_is_left(later: Browser) -> None:
    registered(later)
    api(later, "POST", "/closes", {"month": "2026-06", "account": "acme", "confirm": True})
    unpaid = api(later, "GET", "/billing-history?account=acme")["unpaid"]
    code = promotion(later, "credit", "500.00", currency="USD", until="2026-12-31T00:00:00Z")
    page = later.get(applied(later, code).headers["location"])
    assert f"It paid ${unpaid} of what was unpaid." in words(page.text)
    (item,) = api(later, "GET", "/promotions?account=acme")["items"]
    assert item["saved"] == unpaid == figure(page, code, "saved")
    assert f"${item['left']} left" in words(row(page, code))
    assert figure(page, code, "this-month") == DASH
    told = later.get("/payment-information/promotions.csv?account=acme").text.splitlines()[1]
    assert told == (
        f"{code},Name of {code},Promotional credit,500.00,USD,,pays invoices,"
        f"2026-01-01,2026-12-30,active,,{unpaid},{item['left']}"
    )
    assert "Promotional credit $500.00" in words(row(page, code))
    assert f"Jan 1 {DASH} Dec 30, 2026" in words(row(page, code))


def test_an_expired_credit_has_saved_only_what_it_paid(later: Browser) -> None:
    registered(later)
    code = promotion(later, "credit", "500.00", currency="USD", until="2026-07-25T00:00:00Z")
    assert applied(later, code).status_code == 303
    (june,) = api(later, "POST", "/closes", {"month": "2026-06", "account": "acme", "confirm": True})["issued"]
    assert june["status"] == "paid"
    body = {"month": "2026-07", "account": "acme", "confirm": True, "at": "2026-08-03T00:00:00Z"}
    ((july),) = api(later, "POST", "/closes", body)["issued"]
    paid = sum(int(each["total"].replace(".", "")) - int(each["unpaid_now"].replace(".", "")) for each in (june, july))
    (item,) = api(later, "GET", "/promotions?account=acme")["items"]
    assert int(item["saved"].replace(".", "")) == paid
    assert item["left"] == "0.00"
    page = later.get(f"{PAGE}?account=acme")
    assert figure(page, code, "saved") == item["saved"]
    assert "used up" in row(page, code)


def test_the_page_the_preview_and_the_api_agree_on_many_codes(later: Browser) -> None:
    registered(later)
    codes = [
        promotion(later, "free_quantity", "100"),
        promotion(later, "fixed_price", "10.005", currency="USD", projects=["web"]),
        promotion(later, "percent", "12.5", products=["server"]),
        promotion(later, "amount", "5.00", currency="USD"),
        promotion(later, "percent", "10", until="2026-07-10T00:00:00Z", **{"from": "2026-07-01T00:00:00Z"}, months=2),
    ]
    open_ = codes[:-1]
    for code in open_:
        assert applied(later, code).status_code == 303
    api(later, "POST", "/promotions/redeem", {"account": "acme", "code": codes[-1], "at": "2026-07-05T00:00:00Z"})
    api(later, "POST", "/closes", {"month": "2026-06", "account": "acme", "confirm": True})
    page = later.get(f"{PAGE}?account=acme")
    items = {item["code"]: item for item in api(later, "GET", "/promotions?account=acme")["items"]}
    preview = api(later, "GET", "/invoices/preview?account=acme&month=2026-07")
    discounts = {each["code"]: each["amount"] for each in preview["discounts"]}
    assert set(discounts) == set(codes)
    for code in codes:
        assert figure(page, code, "this-month") == discounts[code]
        assert figure(page, code, "saved") == items[code]["saved"]
        assert items[code]["status"] in words(row(page, code))
    assert items[codes[-1]]["status"] == "ended"
    assert all(items[code]["saved"] != "0.00" for code in open_)
    assert "Data through Jul 20 00:00 UTC" in words(page.text)
    link = re.search(r'href="(/payment-information/promotions\.csv[^"]+)"', page.text)
    assert link
    sheet = list(csv.DictReader(StringIO(later.get(link[1]).text.removeprefix("\ufeff"))))
    assert [row["Promotion code"] for row in sheet] == codes[::-1]
    for saved in sheet:
        code = saved["Promotion code"]
        assert saved["This month (USD)"] == discounts[code]
        assert saved["Saved so far (USD)"] == items[code]["saved"]
        assert saved["Status"] == items[code]["status"]
    assert [(row["Kind"], row["Value"], row["Unit"], row["Holds for"]) for row in sheet] == [
        ("Discount rate", "10", "%", "all products and projects"),
        ("Amount off", "5.00", "USD", "all products and projects"),
        ("Discount rate", "12.5", "%", "Server"),
        ("Fixed price", "10.005", "USD", "The web"),
        ("Free quantity", "100", "h", "all products and projects"),
    ]
    assert later.get("/payment-information/promotions.csv?account=other").status_code == 404
    for said in (
        "100 unit-hours free each month",
        "Fixed price USD 10.005",
        "Discount rate 12.5%",
        "$5.00 off each month",
    ):
        assert said in words(page.text)


def test_the_months_of_a_code_end_it(client: Browser, later: Browser) -> None:
    registered(client)
    code = promotion(client, "percent", "10", months=1)
    assert applied(client, code).status_code == 303
    assert f"Jan 1 {DASH} Jun 30, 2026" in words(row(client.get(f"{PAGE}?account=acme"), code))
    (item,) = api(later, "GET", "/promotions?account=acme")["items"]
    assert (item["status"], item["holds_until"], item["until"]) == ("ended", "2026-07-01T00:00:00Z", None)
    page = later.get(f"{PAGE}?account=acme")
    assert "ended" in row(page, code)
    assert figure(page, code, "this-month") == "0.00"


def test_names_are_written_never_run(client: Browser) -> None:
    registered(client)
    code = promotion(client, "percent", "10", name="<script>alert('promotion')</script>")
    page = client.get(applied(client, code).headers["location"])
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(&#39;promotion&#39;)" in page.text
    answer = applied(client, "<script>alert('code')</script>")
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
