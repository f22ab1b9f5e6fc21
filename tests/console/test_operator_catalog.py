"""The catalog from the staff's pages: shown, written as a file, compared, applied, refused by line, simulated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterbook.catalog.load import lines_of, parse_catalog
from meterbook.catalog.queries import current_catalog
from meterbook.catalog.write import written
from meterbook.database import Database
from meterbook.house import House
from meterbook.invoicing.simulate import newest_prices
from tests.conftest import emptied
from tests.console.browser import Browser
from tests.console.staff import done, form_of, send, staffed, words
from tests.office import CATALOG, Office

CHANGE = "/operator/catalog/change"
LATER = """
[[products.prices]]
currency = "USD"
from = 2027-08-01T00:00:00Z
model = "per_unit"
per = "quantity"
unit_price = "1.5"
"""
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def installation(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, House]]:
    with staffed(emptied(migrated), tmp_path_factory.mktemp("catalog")) as found:
        yield found


def products(office: Office) -> object:
    with office.database.transaction() as session:
        return current_catalog(session)


@pytest.mark.parametrize("file", ["tests/doors/catalog.toml", "examples/demo/catalog.toml"])
def test_what_is_written_reads_as_what_it_was(file: str) -> None:
    text = (Path(__file__).parents[2] / file).read_text(encoding="utf-8")
    catalog = parse_catalog(text)
    assert parse_catalog(written(catalog.products)) == catalog


def test_names_are_written_whatever_is_in_them() -> None:
    (product,) = parse_catalog(CATALOG).products
    odd = replace(product, name={"en": 'Quote " back \\ slash', "ko": "호출\t"}, unit="é 'x'")
    assert written([odd]).count("[[products]]") == 1
    assert parse_catalog(written([replace(odd, name={"en": 'a " \\ b'}, unit="é 'x'")])).products[0].unit == "é 'x'"


def test_the_lines_of_products_and_prices_are_known() -> None:
    text = written(parse_catalog(CATALOG).products)
    lines = text.splitlines()
    found = lines_of(text)
    assert {key[1]: lines[line - 1] for key, line in found.items()} == {
        None: "[[products]]",
        "USD": "[[products.prices]]",
    }


def test_a_change_is_seen_before_it_is_applied(staff: Browser) -> None:
    page = staff.get(CHANGE)
    text = form_of(page, CHANGE)["catalog"]
    compared = send(staff, page, CHANGE, catalog=text + LATER)
    told = words(compared)
    assert "calls USD new Aug 1, 2027 00:00 1.5 per unit" in told
    assert f" {text.count(chr(10)) + 2} " in told
    here = done(send(staff, compared, "/operator/catalog/apply"))
    assert here == "/operator/catalog?done=catalog-applied"
    assert "1.5 per call" in words(staff.get("/operator/catalog"))
    assert "to come" in words(staff.get("/operator/catalog"))
    again = send(staff, staff.get(CHANGE), CHANGE)
    assert "The file changes nothing." in words(again)


def test_a_file_may_be_chosen_in_place_of_the_text(staff: Browser) -> None:
    page = staff.get(CHANGE)
    form = form_of(page, CHANGE)
    file = (form["catalog"] + LATER).encode()
    compared = staff.post(CHANGE, data=form, files={"file": ("catalog.toml", file, "application/toml")})
    assert "calls USD new" in words(compared)


def test_mistakes_are_told_by_line_and_field(staff: Browser, office: Office) -> None:
    before = products(office)
    page = staff.get(CHANGE)
    text = form_of(page, CHANGE)["catalog"].replace('unit_price = "1"', 'unit_price = "much"') + SCRIPT
    answer = send(staff, page, CHANGE, catalog=text)
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    wrong = form_of(page, CHANGE)["catalog"].replace('unit_price = "1"', 'unit_price = "much"')
    answer = send(staff, page, CHANGE, catalog=wrong)
    line = wrong.splitlines().index('unit_price = "much"') + 1
    assert re.search(rf'<th scope="row">{line}</th><td><code>products\.calls[^<]*unit_price', answer.text) or re.search(
        rf'<th scope="row">{line}</th><td><code>[^<]*unit_price', answer.text
    )
    assert "The file has 1 mistake" in words(answer)
    assert products(office) == before


def test_a_price_that_was_used_is_refused_by_its_line(staff: Browser, office: Office) -> None:
    code = office.account()
    office.use(code, "10")
    page = staff.get(CHANGE)
    text = form_of(page, CHANGE)["catalog"].replace('unit_price = "1"', 'unit_price = "2"')
    compared = send(staff, page, CHANGE, catalog=text)
    told = words(compared)
    assert "usage was priced by it" in told
    assert "Unit price: 1 → 2" in told
    assert 'action="/operator/catalog/apply"' not in compared.text
    line = text.splitlines().index("[[products.prices]]") + 1
    assert re.search(rf'data-label="Line">{line}<', compared.text)
    form = form_of(compared, CHANGE) | {"seen": "x"}
    before = products(office)
    answer = staff.post("/operator/catalog/apply", data=form)
    assert answer.status_code == 409
    assert products(office) == before


def test_a_catalog_that_changed_meanwhile_is_looked_at_again(staff: Browser) -> None:
    page = staff.get(CHANGE)
    text = form_of(page, CHANGE)["catalog"]
    compared = send(staff, page, CHANGE, catalog=text + LATER)
    other = send(staff, page, CHANGE, catalog=text.replace('unit = "call"', 'unit = "request"'))
    done(send(staff, other, "/operator/catalog/apply"))
    answer = send(staff, compared, "/operator/catalog/apply")
    assert answer.status_code == 409
    assert "changed meanwhile" in words(answer)
    assert "1.5" not in words(staff.get("/operator/catalog"))
    done(send(staff, answer, "/operator/catalog/apply"))
    assert "1.5 per call" in words(staff.get("/operator/catalog"))


def test_a_past_month_is_simulated_and_nothing_is_kept(staff: Browser, office: Office) -> None:
    used, idle = office.account(tax="10"), office.account()
    office.use(used, "100")
    page = staff.get(CHANGE)
    compared = send(staff, page, CHANGE, catalog=form_of(page, CHANGE)["catalog"] + LATER)
    told = words(send(staff, compared, "/operator/catalog/simulation", month="2027-06"))
    assert "USD 2 1 0 110.00 165.00 +55.00" in told
    assert f"{used} USD 110.00 165.00 +55.00 {idle} USD 0.00 0.00 0.00" in told
    assert "No draft waits." in words(staff.get("/operator/closes?month=2027-06"))
    broken = send(staff, compared, "/operator/catalog/simulation", month="2028-06")
    assert "There is no account to simulate" in words(broken)


def test_the_newest_price_of_each_currency_is_simulated() -> None:
    catalog = parse_catalog(CATALOG.replace("prices = [", "prices = [ ") + "")
    (product,) = newest_prices(catalog.products)
    assert [price.currency for price in product.prices] == ["USD"]
    assert product.prices[0].effective_from.year == 1970


def test_the_catalog_is_offered_as_a_file(staff: Browser, office: Office) -> None:
    answer = staff.get("/operator/catalog", params={"format": "toml"})
    assert answer.headers["content-disposition"] == 'attachment; filename="catalog.toml"'
    assert parse_catalog(answer.text).products == products(office)


def test_verification_holds(staff: Browser, office: Office) -> None:
    code = office.account()
    office.register(code)
    office.issued(code, "10")
    told = words(staff.get("/operator/verification"))
    assert "Every rule holds." in told
    assert "Receivable 10.00" in told
    assert "Revenue -10.00" in told
