"""The balance's page: prepaid money and credit apart, what moved them with links, running sums equal to the API's."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import text

from meterbook.accounts.tables import Account
from meterbook.console.my_usage.balance_chart import present_balance
from meterbook.core.period import BillingZone
from meterbook.database import Database
from meterbook.formats import NOTHING
from meterbook.house import House
from meterbook.payments.balance import moved_balance
from meterbook.settings import Settings
from meterbook.usage.store import open_usage
from tests.console.money_house import Payer, cells, empty, figures, paying


@pytest.fixture(scope="module")
def house(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("balance")
    store = open_usage(folder)
    house = House(Settings(data_dir=folder, payment_instruction="To account 12-34."), migrated, store)
    yield house
    store.close()


@pytest.fixture
def payer(house: House) -> Iterator[Payer]:
    empty(house)
    with paying(house) as payer:
        yield payer


def test_every_movement_is_told_with_its_links_and_what_it_left(payer: Payer) -> None:
    payer.register()
    payer.won("2026-06")
    payer.top_up("50000", "first")
    june = payer.issue("2026-06", "2026-07-03T00:00:00Z")["number"]
    payment = payer.record("20000", "over")
    note = payer.credit(june, 1, "1000")
    payer.act(f"/payments/{payment['id']}/refunds", {"amount": "2000", "reason": "asked for"})
    client = payer.sign_in()
    page = client.get(f"/balance?account={payer.code}")
    assert [row[1:] for row in cells(page, "moved")] == [
        ["Refund asked for", "-2,000", "3,081"],
        [f"Credit note {note['number']}", "+1,100", "5,081"],
        ["Overpaid over", "+3,981", "3,981"],
        [f"Charge from balance {june}", "-50,000", "0"],
        ["Paid ahead first", "+50,000", "50,000"],
    ]
    told = payer.api("/balance")
    assert figures(page) == {"Balance": "₩3,081"}
    assert told["balance"] == "3081"
    assert [each["balance_after"] for each in told["items"]] == ["3081", "5081", "3981", "0", "50000"]
    assert f'<a href="/invoices/{june}?account={payer.code}">{june}</a>' in page.text
    for link in re.findall(r'href="(/billing-history\?[^"]+#payment-\d+)"', page.text):
        address, _, anchor = unescape(link).partition("#")
        assert f'<tr id="{anchor}">' in client.get(address).text
    sheet = client.get(f"/balance/movements.csv?account={payer.code}").text.splitlines()
    assert sheet[0] == ("\ufeffDate,What,Reference,Balance change (KRW),Balance (KRW),Credit change (KRW),Credit (KRW)")
    assert [line.split(",", 1)[1] for line in sheet[1:]] == [
        "Refund,asked for,-2000,3081,0,0",
        f"Credit note,{note['number']},1100,5081,0,0",
        "Overpaid,over,3981,3981,0,0",
        f"Charge from balance,{june},-50000,0,0,0",
        "Paid ahead,first,50000,50000,0,0",
    ]


def test_a_plot_has_the_balance_from_each_movement_to_the_next(payer: Payer) -> None:
    for amount in ("500", "250"):
        payer.top_up(amount, amount)
    payment = payer.top_up("250", "back")
    payer.act(f"/payments/{payment['id']}/refunds", {"amount": "250", "reason": "asked for"})
    with payer.house.database.transaction() as session:
        account = session.query(Account).filter_by(code=payer.code).one()
        session.execute(text("set local session_replication_role = replica"))
        for place, each in enumerate(moved_balance(session, account, limit=9)):
            days = {"id": each.entry_id, "days": 10 * (place + 1)}
            earlier = "update journal_entry set posted_at = posted_at - :days * interval '1 day' where id = :id"
            session.execute(text(earlier), days)
        moved = moved_balance(session, account, limit=9)
    chart = present_balance(moved, moved[0].at + timedelta(days=10), BillingZone("UTC"))
    assert chart is not None
    assert [(level.balance.minor, level.left, level.width, level.height) for level in chart.levels] == [
        (500, 0, 250, 500),
        (750, 250, 250, 750),
        (1000, 500, 250, 1000),
        (750, 750, 250, 750),
    ]
    plot = payer.sign_in().get("/balance").text.partition('class="chart over-time"')[2].partition("</div>")[0]
    assert re.findall(r"<title>[^:]+: ([^<]+)</title>", plot) == ["₩500", "₩750", "₩1,000", "₩750"]


def test_credit_is_told_apart_with_its_end(payer: Payer) -> None:
    payer.register()
    payer.won("2026-06")
    payer.promote("credit", "20000", currency="KRW", name="Welcome", until="2026-12-31T00:00:00Z")
    payer.promote("credit", "5000", currency="KRW", name="Forever")
    payer.top_up("10000")
    june = payer.issue("2026-06", "2026-07-03T00:00:00Z")["number"]
    payer.promote("credit", "700", currency="KRW", name="Late")
    client = payer.sign_in()
    page = client.get(f"/balance?account={payer.code}")
    assert 'class="chart over-time"' not in page.text, "all within a day"
    told = payer.api("/balance")
    assert (told["balance"], told["credit"]) == ("0", "0")
    assert figures(page) == {"Balance": "₩0", "Credit left": "₩0"}
    table = page.text.partition('id="credits-title"')[2]
    assert [name in table for name in ("Welcome", "Forever", "Late")] == [True] * 3
    assert "Dec 31, 2026" in table
    shown = [row[1:] for row in cells(page, "moved")]
    assert shown[0] == [f"Promotional credit used {june}", NOTHING, "0", "-700", "0"]
    assert f"Promotional credit used,{june},0,0,-700,0" in client.get("/balance/movements.csv").text
    assert shown[1] == ["Credit granted Late", NOTHING, "0", "+700", "700"]
    assert shown[2] == [f"Charge from balance {june}", "-10,000", "0", "-25,000", "0"]
    assert shown[3:] == [
        ["Paid ahead ahead", "+10,000", "10,000", NOTHING, "25,000"],
        ["Credit granted Forever", NOTHING, "0", "+5,000", "25,000"],
        ["Credit granted Welcome", NOTHING, "0", "+20,000", "20,000"],
    ]


def test_long_lists_are_paged_and_sums_run_on(payer: Payer) -> None:
    payer.register()
    for number in range(1, 61):
        payer.top_up("10", f"part {number}")
    client = payer.sign_in()
    page = client.get("/balance")
    first = cells(page, "moved")
    assert (len(first), first[0][3], first[-1][3]) == (50, "600", "110")
    (older,) = re.findall(r'href="([^"]+)">Older<', page.text)
    rest = cells(client.get(unescape(older)), "moved")
    assert [row[3] for row in rest] == [str(10 * number) for number in range(10, 0, -1)]
    asked = payer.api("/balance", limit=50)
    assert [each["balance_after"] for each in asked["items"]][-1] == "110"
    assert len(payer.api("/balance", limit=50, cursor=asked["next_cursor"])["items"]) == 10


def test_before_anything_was_paid_the_page_says_how(payer: Payer) -> None:
    page = payer.sign_in().get("/balance")
    assert "Nothing is paid ahead" in page.text
    assert f"name your account, {payer.code}" in page.text
    assert "To account 12-34." in page.text


@pytest.mark.parametrize("who", ["part", "stranger"])
def test_others_see_nothing_of_it(payer: Payer, who: str) -> None:
    payer.top_up("50000")
    client = payer.sign_in(who)
    assert client.get(f"/balance?account={payer.code}").status_code == 404
    assert client.get(f"/balance/movements.csv?account={payer.code}").status_code == 404
