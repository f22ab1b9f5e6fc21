"""An invoice's page: as it was issued, equal to the API, opened line by line, a page at a time, and on paper."""

import re
from collections.abc import Iterator
from decimal import Decimal
from html import unescape
from time import process_time

import httpx
import pytest
from sqlalchemy import text

from meterbook.database import Database
from meterbook.formats import NOTHING
from meterbook.house import House
from meterbook.settings import Settings
from meterbook.usage.store import open_usage
from tests.console.money_house import Payer, cells, empty, figures, paying, plain

SCRIPT = "<script>alert('project')</script>"
JUNE = ("2026-06", "2026-07-03T00:00:00Z")


@pytest.fixture(scope="module")
def house(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("invoice")
    store = open_usage(folder)
    house = House(Settings(data_dir=folder), migrated, store)
    yield house
    store.close()


@pytest.fixture
def payer(house: House) -> Iterator[Payer]:
    empty(house)
    with paying(house, "USD") as payer:
        yield payer


def mixed(payer: Payer) -> str:
    """Bill two projects with hosts and requests, a promotion and credit, and return the invoice's number."""
    payer.register(company="Acme Ltd", registration_number="123-45", recipient="Accounts")
    payer.project(f"{payer.code}-x", SCRIPT)
    for day in range(1, 11):
        payer.use("host.seen", "1", f"2026-06-{day:02}T10:00:00Z", "a")
    payer.use("request.count", "250000", "2026-06-05T10:00:00Z")
    payer.use("host.seen", "1", "2026-06-05T10:00:00Z", "b", f"{payer.code}-x")
    payer.use("request.count", "100000", "2026-06-05T10:00:00Z", project=f"{payer.code}-x")
    payer.promote("percent", "10", applies_to="invoice", name="Ten off")
    payer.promote("credit", "20.00", currency="USD", name="Welcome")
    payer.top_up("30.00")
    return str(payer.issue(*JUNE)["number"])


def rows(page: httpx.Response) -> list[list[str]]:
    """Return the rows of groups and lines as plain text."""
    table = page.text.partition('<table class="bill">')[2].partition("</table>")[0]
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.DOTALL)
    return [[plain(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)] for row in found[1:]]


def test_the_figures_are_those_of_the_api(payer: Payer) -> None:
    number = mixed(payer)
    told = payer.invoice(number)
    client = payer.sign_in()
    page = client.get(f"/invoices/{number}")
    shown = figures(page)
    wanted = {
        "Invoice amount": f"${told['total']}",
        "Unpaid at issue": f"${told['unpaid']}",
        "Invoice amount (incl. unpaid)": f"${told['amount_including_unpaid']}",
        "Unpaid now": f"${told['unpaid_now']}",
    }
    assert {name: shown[name] for name in wanted} == wanted
    steps = re.findall(r'<tr class="(\w+)(?: sum)?">.*?<td class="num">([^<]+)</td>', page.text, re.DOTALL)
    assert dict(steps) == {
        "subtotal": told["subtotal"],
        "discount": f"-{told['discounts'][0]['amount']}",
        "net": told["net"],
        "tax": told["tax"][0]["amount"],
        "total": told["total"],
        "credit": f"-{told['credit_used']}",
        "balance": f"-{told['balance_used']}",
        "due": told["due"],
    }
    for words in ("Acme Ltd", "123-45", "Accounts", "June 2026", f"Jun 1 {NOTHING} 30, 2026", "Send invoice", "final"):
        assert words in page.text


@pytest.mark.parametrize("by", ["project", "product"])
def test_groups_add_up_as_the_apis_do(payer: Payer, by: str) -> None:
    number = mixed(payer)
    client = payer.sign_in()
    closed = rows(client.get(f"/invoices/{number}?by={by}"))
    told = payer.browser.get(f"/api/v1/invoices/{number}?group_by={by}", headers=payer.browser.key).json()
    assert [row[4] for row in closed[:-1]] == [group["total_cost"] for group in told["groups"]]
    assert [row[3] for row in closed[:-1]] == [group["average_cost"] or NOTHING for group in told["groups"]]
    times = [group["total_time"] for group in told["groups"]]
    assert [row[2] for row in closed[:-1]] == [f"{time} h" if time else NOTHING for time in times]
    assert closed[-1] == ["Subtotal USD", told["subtotal"]]
    opened = rows(client.get(f"/invoices/{number}?by={by}&open=*"))
    assert len(opened) == len(closed) + 4
    amounts = [line["amount"] for group in told["groups"] for line in group["lines"]]
    assert sorted(row[4] for row in opened[:-1]) == sorted(amounts + [group["total_cost"] for group in told["groups"]])


def test_each_line_has_its_formula_and_opens_the_usage_it_was_billed_for(payer: Payer) -> None:
    number = mixed(payer)
    client = payer.sign_in()
    page = client.get(f"/invoices/{number}?open={payer.code}")
    assert page.text.count('aria-expanded="true"') == 1
    assert "12.00 × 10 h / 720 h" in page.text  # noqa: RUF001
    links = re.findall(r'<a class="metered" href="([^"]+)" data-window>', page.text)
    assert links == [f"/invoices/{number}/lines/{line}/metering" for line in (1, 2)]
    told = payer.browser.get(f"/api/v1/invoices/{number}", headers=payer.browser.key).json()
    (group,) = (group for group in told["groups"] if group["project"] == payer.code)
    assert [line["line"] for line in group["lines"]] == [1, 2]
    (shut,) = re.findall(r'href="([^"]+)"[^>]*aria-expanded="true"', page.text)
    assert 'aria-expanded="true"' not in client.get(unescape(shut)).text


def test_names_are_written_never_run_and_stay_when_projects_are_gone(payer: Payer) -> None:
    number = mixed(payer)
    payer.act(f"/projects/{payer.code}-x", {"deleted": True, "name": "Gone"}, "PATCH")
    page = payer.sign_in().get(f"/invoices/{number}?open=*").text
    assert SCRIPT not in page
    assert "&lt;script&gt;alert(&#39;project&#39;)&lt;/script&gt;" in page
    sheet = payer.browser.get(f"/invoices/{number}/lines.csv").text
    assert SCRIPT in sheet


def test_the_sheet_has_every_line(payer: Payer) -> None:
    number = mixed(payer)
    client = payer.sign_in()
    lines = client.get(f"/invoices/{number}/lines.csv").text.splitlines()
    assert len(lines) == 5
    begun = f"1,{payer.code},{payer.code},Server,2026-06,2026-06-01 00:00,2026-07-01 00:00,host,10,,10,12.00,"
    assert lines[1].startswith(begun)
    assert sum(Decimal(line.split(",")[-2]) for line in lines[1:]) == Decimal(payer.invoice(number)["net"])


def test_late_usage_of_an_earlier_month_names_it(payer: Payer) -> None:
    june = mixed(payer)
    payer.use("host.seen", "1", "2026-06-20T10:00:00Z", "late")
    payer.use("host.seen", "1", "2026-07-20T10:00:00Z", "a")
    july = payer.issue("2026-07", "2026-08-03T00:00:00Z")["number"]
    client = payer.sign_in()
    page = client.get(f"/invoices/{july}?open=*").text
    assert "late usage of June 2026" in page
    assert "now - " in page
    assert "late usage" not in client.get(f"/invoices/{june}?open=*").text


def test_what_happened_is_told_in_order(payer: Payer) -> None:
    number = mixed(payer)
    payer.work()
    page = payer.sign_in().get(f"/invoices/{number}").text
    told = page.partition('<ol class="timeline">')[2].partition("</ol>")[0]
    happened = [plain(each) for each in re.findall(r"<p>(.*?)</p>", told, re.DOTALL)]
    assert happened[:3] == ["Drafted", "Issued", "Paid from credit and balance"]
    assert f"Invoice mailed {payer.code}@money.example" in happened
    assert cells(payer.browser.get(f"/invoices/{number}"), "settled")[0][1:] == [
        "Charge from balance balance 30.00, promotional credit 20.00",
        "50.00",
        payer.invoice(number)["unpaid_now"],
    ]


def test_the_paper_is_the_apis(payer: Payer) -> None:
    number = mixed(payer)
    client = payer.sign_in()
    page = client.get(f"/invoices/{number}").text
    assert f'href="/invoices/{number}/pdf" download' in page
    paper = client.get(f"/invoices/{number}/pdf")
    assert paper.headers["content-disposition"] == f'attachment; filename="{number}.pdf"'
    assert paper.content == client.get(f"/api/v1/invoices/{number}/pdf", headers=client.key).content


def test_an_account_that_does_not_fit_and_broken_states(payer: Payer) -> None:
    number = mixed(payer)
    client = payer.sign_in()
    assert client.get(f"/invoices/{number}?account={payer.code}").status_code == 200
    assert client.get(f"/invoices/{number}?account=other").status_code == 404
    assert client.get(f"/invoices/{number.lower()}").status_code == 200
    for wrong, status in (("by=colour", 422), ("page=x", 422), ("page=0", 422), ("page=9", 404), ("only=nothing", 404)):
        assert client.get(f"/invoices/{number}?{wrong}").status_code in (status, 400), wrong
    client.cookies.clear()
    assert client.get(f"/invoices/{number}").headers["location"].startswith("/sign-in?next=%2Finvoices%2F")


COPY = """
insert into invoice_line (
    invoice_id, position, project_code, project_name, product_code, product, price, waiver, adjusts_month, starts_at,
    ends_at, quantity, usage_hours, unit_price, formula, rerated_minor, billed_minor, amount_minor, discount_minor,
    tax_rate
)
select l.invoice_id, 10 + 3 * p + n, 'p' || lpad(p::text, 4, '0'), 'Project ' || p, product_code || n,
    product || jsonb_build_object('name', jsonb_build_object('en', 'Product ' || n)), price, waiver, adjusts_month,
    starts_at, ends_at, quantity, usage_hours, unit_price, formula, rerated_minor, billed_minor, amount_minor,
    discount_minor, tax_rate
from invoice_line l, generate_series(1, 1000) p, generate_series(0, 2) n
where l.invoice_id = (select id from invoice where number = :number) and l.position = 1
"""


def test_an_invoice_of_three_thousand_lines_is_paged_and_fast(payer: Payer, house: House) -> None:
    number = mixed(payer)
    with house.database.transaction() as session:
        session.execute(text("set local session_replication_role = replica"))
        session.execute(text(COPY), {"number": number})
    client = payer.sign_in()
    page = client.get(f"/invoices/{number}")
    assert f"1{NOTHING}50 of 1,002" in page.text
    assert "Subtotal of the whole invoice" in page.text
    following = re.findall(r'href="([^"]+)"[^>]*>Next<', page.text)
    assert f"51{NOTHING}100 of 1,002" in client.get(unescape(following[0])).text
    found = client.get(f"/invoices/{number}?find=Project+77")
    assert [row[0] for row in rows(found)[:-1]] == ["Project 77", *(f"Project {n}" for n in range(770, 780))]
    assert "No project of this invoice is called" in client.get(f"/invoices/{number}?find=zzz").text
    wide = client.get(f"/invoices/{number}?by=product&open=*")
    assert "50 of 1,000 lines are shown. Show them all" in wide.text
    only = client.get(f"/invoices/{number}?by=product&only=server0&page=20")
    assert f"951{NOTHING}1,000 of 1,000" in only.text
    assert len(re.findall(r'class="metered"', only.text)) == 50
    for state in ("", "?open=*", "?by=product", "?by=product&open=server0", "?by=product&only=server0&page=2"):
        took = []
        for _ in range(5):
            begun = process_time()
            assert client.get(f"/invoices/{number}{state}").status_code == 200
            took.append(process_time() - begun)
        # work of the processor, as the machine may do other things: a page that reads every line takes more
        assert min(took) < 0.25, (state, took)
