from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbook.catalog.fields import Problem
from meterbook.catalog.load import Catalog, CatalogInvalid, parse_catalog
from meterbook.core.metering import Hourly, Meter, MeterKind
from meterbook.core.pricing import FreeUnit, Per, PriceModel, Tier

GOOD = """version = 1

[[products]]
code = "server"
name = "Server"
unit = "host"
meter = { type = "host.seen", kind = "presence" }

[[products.prices]]
currency = "USD"
from = 2014-01-01T00:00:00Z
model = "per_unit"
per = "month"
unit_price = "12.00"
"""
LAST = len(GOOD.splitlines())


def problems(text: str) -> list[Problem]:
    with pytest.raises(CatalogInvalid) as invalid:
        parse_catalog(text)
    told = [(each["line"], each["field"], each["message"]) for each in invalid.value.details["problems"]]  # type: ignore[attr-defined]
    assert told == [(each.line, each.field, each.message) for each in invalid.value.problems]
    return list(invalid.value.problems)


def only(text: str) -> tuple[int, str, str]:
    (problem,) = problems(text)
    return problem.line, problem.field, problem.message


def test_all_that_a_catalog_can_say() -> None:
    catalog = parse_catalog(
        """
version = 1
[[products]]
code = "log.kept"
name = { en = "Log", ko = "로그", ja = "ログ" }
unit = "line"
meter = { type = "log.line", kind = "stock", retention_days = 3 }
[[products.prices]]
currency = "USD"
from = 2014-02-01T00:00:00Z
model = "graduated"
per = "month"
tiers = [ { up_to = "10", unit_price = "5" }, { up_to = 50, unit_price = 4 }, { unit_price = "3" } ]
[[products.prices]]
currency = "KRW"
from = 2014-01-01T09:00:00+09:00
model = "volume"
per = "month"
tiers = [ { unit_price = "3" } ]
minimum_amount = "100"
[[products.prices]]
currency = "USD"
from = 2014-01-01 00:00:00-05:00
model = "package"
per = "month"
unit_price = "0.000000000001"
package_size = "1000"
free_quantity = "1000.5"
free_unit = "quantity"
[[products]]
code = "core"
name = "Core"
unit = "core"
meter = { type = "cores", kind = "gauge", hourly = "last" }
prices = [ { currency = "JPY", from = 2014-01-01T00:00:00Z, model = "flat", per = "hour", unit_price = 1500 } ]
[[products]]
code = "requests"
name = "Requests"
unit = "request"
meter.type = "requests"
meter.kind = "counter"
"""
    )
    log, core, requests = catalog.products
    assert [product.code for product in catalog.products] == ["log.kept", "core", "requests"]
    assert log.name == {"en": "Log", "ko": "로그", "ja": "ログ"}
    assert log.meter == Meter("log.line", MeterKind.stock, retention_days=3)
    assert [(price.currency, price.effective_from) for price in log.prices] == [
        ("KRW", datetime(2014, 1, 1, tzinfo=UTC)),
        ("USD", datetime(2014, 1, 1, 5, tzinfo=UTC)),
        ("USD", datetime(2014, 2, 1, tzinfo=UTC)),
    ]
    volume, package, graduated = log.prices
    assert (volume.model, volume.minimum_amount) == (PriceModel.volume, Decimal(100))
    assert str(package.unit_price) == "1E-12"
    assert (package.package_size, package.free_quantity, package.free_unit) == (1000, Decimal("1000.5"), "quantity")
    assert package.free_unit is FreeUnit.quantity
    assert graduated.tiers == (
        Tier(Decimal(10), Decimal(5)),
        Tier(Decimal(50), Decimal(4)),
        Tier(None, Decimal(3)),
    )
    assert core.meter.hourly is Hourly.last
    assert (core.prices[0].per, core.prices[0].unit_price) == (Per.hour, Decimal(1500))
    assert requests.meter.kind is MeterKind.counter
    assert requests.prices == ()


def test_decimals_keep_how_they_were_written() -> None:
    assert str(parse_catalog(GOOD).products[0].prices[0].unit_price) == "12.00"


def test_an_empty_catalog_sells_nothing() -> None:
    assert parse_catalog("version = 1") == Catalog(())


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "message"),
    [
        ("version = 1", "", 1, "version", "has to be 1"),
        ("version = 1", 'version = "1"', 1, "version", "has to be 1"),
        ("version = 1", "version = true", 1, "version", "has to be 1"),
        ("version = 1", "version = 1\nprodukts = 1", 2, "produkts", 'did you mean "products"?'),
        ('code = "server"', "", 3, "products.code", "is missing"),
        ('code = "server"', "code = 7", 4, "products.code", "a text in quotes"),
        ('code = "server"', "code = 7.5", 4, "products.code", "a text in quotes"),
        ('code = "server"', 'code = "Server"', 4, "products.code", "lower-case letters"),
        ('code = "server"', f'code = "{"a" * 65}"', 4, "products.code", "1 to 64"),
        ('code = "server"', 'cod = "server"\ncode = "s"', 4, "products.cod", 'did you mean "code"?'),
        ('code = "server"', 'code = "server"\nxyz = 1', 5, "products.xyz", "is unknown"),
        ('name = "Server"', 'name = ""', 5, "products.name", "1 to 200"),
        ('name = "Server"', f'name = "{"n" * 201}"', 5, "products.name", "1 to 200"),
        ('name = "Server"', 'name = "a\\nb"', 5, "products.name", "line breaks"),
        ('name = "Server"', 'name = " a"', 5, "products.name", "space around"),
        ('name = "Server"', 'name = { ko = "서버" }', 5, "products.name.en", "is missing"),
        ('name = "Server"', 'name = { en = "S", de = "S" }', 5, "products.name.de", "is unknown"),
        ('name = "Server"', "name = { en = 1 }", 5, "products.name.en", "a text in quotes"),
        ('unit = "host"', "", 3, "products.unit", "is missing"),
        ('kind = "presence"', 'kind = "presences"', 7, "products.meter.kind", "use presence, gauge, counter, stock"),
        ('kind = "presence"', 'kind = "stock"', 7, "products.meter.retention_days", "is missing"),
        ('kind = "presence"', 'kind = "presence", retention_days = 3', 7, "products.meter.retention_days", "alone"),
        ('kind = "presence"', 'kind = "stock", retention_days = 0', 7, "products.meter.retention_days", "from 1"),
        ('kind = "presence"', 'kind = "stock", retention_days = "3"', 7, "products.meter.retention_days", "whole"),
        ('kind = "presence"', 'kind = "stock", retention_days = true', 7, "products.meter.retention_days", "whole"),
        ('kind = "presence"', 'kind = "counter", hourly = "max"', 7, "products.meter.hourly", "gauge"),
        ('kind = "presence"', 'kind = "gauge", hourly = "min"', 7, "products.meter.hourly", "use max, average, last"),
        ('type = "host.seen"', 'type = "host seen"', 7, "products.meter.type", "no spaces"),
        ('meter = { type = "host.seen", kind = "presence" }', "", 3, "products.meter", "is missing"),
        ('meter = { type = "host.seen", kind = "presence" }', 'meter = "x"', 7, "products.meter", "a table"),
        ('currency = "USD"', "", 9, "products.prices.currency", "is missing"),
        ('currency = "USD"', 'currency = "USX"', 10, "products.prices.currency", "ISO 4217"),
        ("from = 2014-01-01T00:00:00Z", "", 9, "products.prices.from", "is missing"),
        ("2014-01-01T00:00:00Z", '"2014-01-01T00:00:00Z"', 11, "products.prices.from", "without quotes"),
        ("2014-01-01T00:00:00Z", "2014-01-01T00:00:00", 11, "products.prices.from", "needs its offset"),
        ("2014-01-01T00:00:00Z", "2014-01-01", 11, "products.prices.from", "a time and an offset"),
        ("2014-01-01T00:00:00Z", "2014-01-01T00:30:00Z", 11, "products.prices.from", "start of an hour"),
        ("2014-01-01T00:00:00Z", "2014-01-01T00:00:00.5Z", 11, "products.prices.from", "start of an hour"),
        ("2014-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", 11, "products.prices.from", "after 1970"),
        ("2014-01-01T00:00:00Z", "9999-12-31T23:00:00-14:00", 11, "products.prices.from", "before 9998"),
        ('model = "per_unit"', 'model = "per-unit"', 12, "products.prices.model", "use per_unit, graduated"),
        ('per = "month"', 'per = "quantity"', 13, "products.prices.per", "presence meter counts unit-hours"),
        ('"12.00"', "12.00", 14, "products.prices.unit_price", 'like 12.00 would be a binary float: write "12.00"'),
        ('"12.00"', "1e3", 14, "products.prices.unit_price", "binary float"),
        ('"12.00"', "nan", 14, "products.prices.unit_price", "binary float"),
        ('"12.00"', '"-1"', 14, "products.prices.unit_price", "zero or more"),
        ('"12.00"', "-1", 14, "products.prices.unit_price", "zero or more"),
        ('"12.00"', '"1e400"', 14, "products.prices.unit_price", "zero or more"),
        ('"12.00"', '"NaN"', 14, "products.prices.unit_price", "zero or more"),
        ('"12.00"', '"12,00"', 14, "products.prices.unit_price", "zero or more"),
        ('"12.00"', '"\uff11\uff12"', 14, "products.prices.unit_price", "zero or more"),
        ('"12.00"', '"1234567890123456"', 14, "products.prices.unit_price", "15 digits"),
        ('"12.00"', '"0.1234567890123"', 14, "products.prices.unit_price", "12 after"),
        ('"12.00"', "true", 14, "products.prices.unit_price", "zero or more"),
        ('unit_price = "12.00"', 'unitprice = "1"\nunit_price = "1"', 14, "products.prices.unitprice", "unit_price"),
        ('unit_price = "12.00"', "", 9, "products.prices.unit_price", "either a unit_price or"),
        ('model = "per_unit"', 'model = "package"', 9, "products.prices.package_size", "needs it"),
        ('"12.00"', '"1"\npackage_size = "2"', 15, "products.prices.package_size", "belongs to a package"),
        ('"12.00"', '"1"\nfree_quantity = "2"', 9, "products.prices.free_unit", "go together"),
        ('"12.00"', '"1"\nfree_unit = "hours"', 15, "products.prices.free_unit", "use unit-hours, quantity"),
        ('"12.00"', '"1"\nminimum_amount = -1', 15, "products.prices.minimum_amount", "zero or more"),
        ('"12.00"', '"1"\ntiers = []', 15, "products.prices.tiers", "1 to 100 tables"),
        ('"12.00"', '"1"\ntiers = [ 1 ]', 15, "products.prices.tiers", "a list of tables"),
        ('"12.00"', '"1"\ntiers = [ { unit_price = "1" } ]', 15, "products.prices.tiers", "belong to a graduated"),
        (
            '"per_unit"\nper = "month"\nunit_price = "12.00"',
            '"volume"\nper = "month"\ntiers = [\n { up_to = "10", unit_price = "5" },\n { unit_prise = "4" }, ]',
            16,
            "products.prices.tiers.unit_prise",
            'did you mean "unit_price"?',
        ),
        (
            'model = "per_unit"\nper = "month"\nunit_price = "12.00"',
            'model = "volume"\nper = "hour"\ntiers = [{up_to=9,unit_price=5},{up_to=9,unit_price=4},{unit_price=3}]',
            14,
            "products.prices.tiers",
            "up_to of tier 2 has to be above 9",
        ),
        (
            '"per_unit"\nper = "month"\nunit_price = "12.00"',
            '"volume"\nper = "month"\ntiers = [\n { up_to = "10", unit_price = "5" },\n ]',
            14,
            "products.prices.tiers",
            "except the last",
        ),
    ],
)
def test_a_mistake_is_named_by_line_and_field(old: str, new: str, line: int, field: str, message: str) -> None:
    assert GOOD.count(old) == 1
    found = problems(GOOD.replace(old, new))
    assert (found[0].line, found[0].field) == (line, field)
    assert message in found[0].message


def test_every_mistake_is_told_at_once_in_the_order_of_lines() -> None:
    text = GOOD.replace('"server"', '"SERVER"').replace('"USD"', '"usd"').replace('"12.00"', "12.00")
    assert [(each.line, each.field) for each in problems(text)] == [
        (4, "products.code"),
        (10, "products.prices.currency"),
        (14, "products.prices.unit_price"),
    ]
    with pytest.raises(CatalogInvalid, match=r"3 mistakes; nothing was changed\.\nline 4: products\.code: "):
        parse_catalog(text)
    many = "version = 1\n" + "\n".join(f"x{number} = 1" for number in range(50))
    with pytest.raises(CatalogInvalid, match=r"50 mistakes[^$]*\nand 30 more$"):
        parse_catalog(many)


def test_a_code_twice_and_a_price_twice() -> None:
    assert only(GOOD + "\n" + GOOD.replace("version = 1", "")) == (
        LAST + 5,
        "products.code",
        "'server' is the code of the product on line 3 already",
    )
    again = GOOD[GOOD.index("[[products.prices]]") :].replace("00:00:00Z", "09:00:00+09:00")
    assert only(GOOD + again) == (
        LAST + 3,
        "products.prices.from",
        "is when the USD price on line 9 begins already",
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("version = 1\nx = ", 2),
        ("version = 1\n\n[[products]\n", 3),
        ("a = 1\na = 2\n", 2),
        ('a = "\0"', 1),
        ("x = 2014-13-01", 1),
        ("x = " + "[" * 3000, 1),
        ("x = " + "{a=" * 3000, 1),
        ("x = " + "9" * 5000, 1),
        ("version = 1\nx = 1" + "0" * 5000, 1),
        ('x = "' + "a" * 2_000_001, 1),
    ],
)
def test_what_is_not_toml_says_where(text: str, line: int) -> None:
    found = only(text)
    assert (found[0], found[1]) == (line, "")


@given(st.text(alphabet="[]{}=\"\n.,# a1'products-", max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    with pytest.raises(CatalogInvalid):
        parse_catalog(text)


pieces = st.sampled_from(GOOD.splitlines())


@given(st.lists(pieces, max_size=30))
def test_no_shuffle_of_lines_breaks_it(lines: list[str]) -> None:
    found: tuple[Problem, ...] = ()
    try:
        parse_catalog("\n".join(lines))
    except CatalogInvalid as invalid:
        found = invalid.problems
    assert all(1 <= each.line <= max(1, len(lines) + 1) for each in found)


def test_no_value_in_any_place_breaks_it() -> None:
    values = [
        "1",
        "0x" + "f" * 5000,
        "1.5",
        "inf",
        "true",
        '"text"',
        "2014-01-01",
        "07:30:00",
        "[]",
        "{}",
        "[[{}]]",
        '""',
    ]
    keys = [line.partition(" = ")[0] for line in GOOD.splitlines() if " = " in line]
    for key in [*keys, "tiers", "free_unit", "free_quantity", "package_size", "minimum_amount"]:
        for value in values:
            lines = [line for line in GOOD.splitlines() if not line.startswith(f"{key} = ")]
            place = (
                0 if key == "version" else lines.index("[[products]]") + 1 if key in ("code", "name") else len(lines)
            )
            lines.insert(place, f"{key} = {value}")
            try:
                parse_catalog("\n".join(lines))
            except CatalogInvalid as invalid:
                told = str(invalid)
            else:
                told = ""
            assert len(told) < 2_000
