"""Load a catalog file: TOML in, products out, or every mistake in it with its line and field (INTERFACES, Catalog)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from meterbook.catalog.fields import Fields, Notes, Problem, WrittenFloat
from meterbook.catalog.lines import line_numbers
from meterbook.core.metering import Hourly, Meter, MeterKind
from meterbook.core.money import UnknownCurrency, currency
from meterbook.core.pricing import FreeUnit, Per, Price, PriceInvalid, PriceModel, Product, Tier, check_fits
from meterbook.errors import Invalid

VERSION: Final = 1
LANGUAGES: Final = ("en", "ko", "ja")
MOST_CHARACTERS: Final = 2_000_000
MOST_PRODUCTS: Final = 1_000
MOST_PRICES: Final = 1_000  # of one product
MOST_TIERS: Final = 100
MOST_RETENTION_DAYS: Final = 36_500
MOST_PROBLEMS_TOLD: Final = 20
LONGEST_CODE: Final = 64
_CODE: Final = r"[a-z0-9][a-z0-9._-]*"
_CODE_WORDS: Final = "lower-case letters, digits, dashes, underscores and dots, beginning with a letter or digit"
_TYPE: Final = r"\S+"
_NUMBERS: Final = ("unit_price", "package_size", "free_quantity", "minimum_amount")
_PRICE_FIELDS: Final = ("currency", "from", "model", "per", "tiers", "free_unit", *_NUMBERS)


class CatalogInvalid(Invalid):
    """A catalog file with mistakes: `problems` has all of them, in the order of their lines."""

    default_slug = "catalog-invalid"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        told = [str(problem) for problem in self.problems[:MOST_PROBLEMS_TOLD]]
        if more := len(self.problems) - len(told):
            told.append(f"and {more} more")
        mistakes = "one mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        super().__init__(
            f"The catalog has {mistakes}; nothing was changed.\n" + "\n".join(told),
            problems=[{"line": each.line, "field": each.field, "message": each.message} for each in self.problems],
        )


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a catalog file says: products in its order, each one's prices by currency and time."""

    products: tuple[Product, ...]


def parse_catalog(text: str) -> Catalog:
    """Read a catalog file; raises `CatalogInvalid` with every mistake, by line and field."""
    if len(text) > MOST_CHARACTERS:
        raise CatalogInvalid([Problem(1, "", f"the file has more than {MOST_CHARACTERS:,} characters")])
    try:
        values = tomllib.loads(text, parse_float=WrittenFloat)
        notes = Notes(line_numbers(text))
    except tomllib.TOMLDecodeError as error:
        raise CatalogInvalid([_syntax_problem(error, text)]) from None
    except (RecursionError, ValueError):
        raise CatalogInvalid([Problem(1, "", "a number is too long, or tables are nested too deeply")]) from None
    root = Fields(values, (), notes)
    root.only(("version", "products"))
    if type(values.get("version")) is not int or values["version"] != VERSION:
        root.note("version", f"has to be {VERSION}: version = {VERSION}")
    products = _products(root)
    if notes.problems:
        raise CatalogInvalid(notes.problems)
    read = tuple(product for product in products if product is not None)
    assert len(read) == len(products), "what was not read was noted"
    return Catalog(read)


def lines_of(text: str) -> dict[tuple[str, str | None, datetime | None], int]:
    """Return where products and prices stand in a file that was read: its line (from 1) by code, currency and begin.

    A product's own line has neither currency nor begin.
    """
    lines, values = line_numbers(text), tomllib.loads(text, parse_float=WrittenFloat)
    found: dict[tuple[str, str | None, datetime | None], int] = {}
    for number, product in enumerate(values.get("products", ())):
        found[product["code"], None, None] = lines[("products", number)]
        for place, price in enumerate(product.get("prices", ())):
            begin = price["from"].astimezone(UTC)
            found[product["code"], price["currency"], begin] = lines[("products", number, "prices", place)]
    return found


def _products(root: Fields) -> list[Product | None]:
    products, line_of = [], dict[str, int]()
    for fields in root.tables("products", MOST_PRODUCTS):
        product, code = _product(fields)
        if code is not None and code in line_of:
            fields.note("code", f"{code!r} is the code of the product on line {line_of[code]} already")
        elif code is not None:
            line_of[code] = fields.line
        products.append(product)
    return products


def _product(fields: Fields) -> tuple[Product | None, str | None]:
    """Return the product, None if anything in it is wrong, and its code, which may be right all the same."""
    fields.only(("code", "name", "unit", "meter", "prices"))
    code = fields.text("code", _CODE, _CODE_WORDS, LONGEST_CODE)
    name = fields.names("name", LANGUAGES)
    unit = fields.text("unit", longest=LONGEST_CODE)
    meter = _meter(fields)
    prices = [_price(each, meter) for each in fields.tables("prices", MOST_PRICES)]
    read = [price for price in prices if price is not None]
    _check_distinct(read)
    if code is None or name is None or "en" not in name or unit is None or meter is None or None in prices:
        return None, code
    ordered = sorted((price for price, _ in read), key=lambda price: (price.currency, price.effective_from))
    return Product(code, name, unit, meter, tuple(ordered)), code


def _meter(product: Fields) -> Meter | None:
    fields = product.table("meter")
    if fields is None:
        return None
    fields.only(("type", "kind", "hourly", "retention_days"))
    type_ = fields.text("type", _TYPE, "a CloudEvents type has no spaces")
    kind = fields.choice("kind", MeterKind)
    hourly = fields.choice("hourly", Hourly, Hourly.max)
    retention_days = fields.whole("retention_days", 1, MOST_RETENTION_DAYS)
    if kind is MeterKind.stock and "retention_days" not in fields:
        fields.note("retention_days", 'is missing: a meter of kind "stock" needs it')
        return None
    if kind not in (None, MeterKind.stock) and "retention_days" in fields:
        fields.note("retention_days", 'is for a meter of kind "stock" alone')
        return None
    if kind not in (None, MeterKind.gauge) and "hourly" in fields:
        fields.note("hourly", 'is for a meter of kind "gauge" alone')
        return None
    if type_ is None or kind is None or hourly is None or (kind is MeterKind.stock and retention_days is None):
        return None
    return Meter(type_, kind, hourly, retention_days)


def _price(fields: Fields, meter: Meter | None) -> tuple[Price, Fields] | None:
    fields.only(_PRICE_FIELDS)
    code = _currency(fields)
    effective_from = fields.hour("from")
    model = fields.choice("model", PriceModel)
    per = fields.choice("per", Per)
    numbers = {name: fields.decimal(name) for name in _NUMBERS}
    free_unit = fields.choice("free_unit", FreeUnit) if "free_unit" in fields else None
    tiers = tuple(_tier(tier) for tier in fields.tables("tiers", MOST_TIERS, least=1))
    misread = [name for name in _NUMBERS if name in fields and numbers[name] is None]
    misread += ["tiers"] if None in tiers or ("tiers" in fields and not tiers) else []
    if code is None or effective_from is None or model is None or per is None or misread:
        return None
    if free_unit is None and "free_unit" in fields:
        return None
    read = tuple(tier for tier in tiers if tier is not None)
    try:
        price = Price(code, effective_from, model, per, tiers=read, free_unit=free_unit, **numbers)
        if meter is not None:
            check_fits(price, meter)
    except PriceInvalid as error:
        fields.note(error.field, str(error))
        return None
    return price, fields


def _tier(fields: Fields) -> Tier | None:
    fields.only(("up_to", "unit_price"))
    up_to, unit_price = fields.decimal("up_to"), fields.decimal("unit_price")
    if "unit_price" not in fields:
        fields.note("unit_price", "is missing")
    if unit_price is None or ("up_to" in fields and up_to is None):
        return None
    return Tier(up_to, unit_price)


def _currency(fields: Fields) -> str | None:
    code = fields.text("currency")
    try:
        return None if code is None else currency(code).code
    except UnknownCurrency as error:
        fields.note("currency", str(error))
        return None


def _check_distinct(prices: list[tuple[Price, Fields]]) -> None:
    line_of = dict[tuple[str, object], int]()
    for price, fields in prices:
        key = (price.currency, price.effective_from)
        if key in line_of:
            fields.note("from", f"is when the {price.currency} price on line {line_of[key]} begins already")
        else:
            line_of[key] = fields.line


def _syntax_problem(error: tomllib.TOMLDecodeError, text: str) -> Problem:
    found = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", str(error), re.DOTALL)
    if found is None:
        said = str(error).removesuffix(" (at end of document)")
        return Problem(text.count("\n") + 1, "", f"this is not TOML: {said}")
    return Problem(int(found[2]), "", f"this is not TOML: {found[1]} (column {found[3]})")
