"""Promotions through the pure core: the examples of DOMAIN 7, and each kind with each price."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meterbook.core.allocation import allocate
from meterbook.core.metering import MeterKind
from meterbook.core.money import Money
from meterbook.core.pricing import FreeUnit, Per, Price, PriceModel, Product
from meterbook.core.promotion import Promotion
from tests.core.june import (
    JUNE,
    MIDDLE,
    SERVER,
    TIERS,
    USD,
    all_june,
    bill,
    counted,
    nets,
    took,
)
from tests.core.months import price, product, promotion, trial, utc


def test_e07_percents_on_lines_then_on_the_invoice_then_an_amount() -> None:
    draft = bill(
        promotion("amount", "30", 1, applies_to="invoice"),
        promotion("percent", "10", 2, applies_to="invoice"),
        promotion("percent", "15", 3, products=frozenset({"apm"})),
        spells=[all_june("apm", "4"), all_june("server", "5")],
    )
    assert took(draft) == ["24.00", "19.60", "30.00"]
    assert {line.charge.product.code: str(line.net) for line in draft.lines} == {"apm": "101.58", "server": "44.82"}
    assert str(draft.net) == "146.40"


@pytest.mark.parametrize(
    ("value", "until", "net", "used"), [("1000", None, "19.33", 1000), ("1200", MIDDLE, "18.00", 1080)]
)
def test_e08_free_host_hours(value: str, until: datetime | None, net: str, used: int) -> None:
    draft = bill(promotion("free_quantity", value, ends_at=until), spells=[all_june("server", "3")])
    assert str(draft.net) == net
    assert draft.discounts[0].quantity == used


def test_percents_apply_one_after_the_other() -> None:
    for applies_to in ("line", "invoice"):
        tens = [promotion("percent", "10", key, applies_to=applies_to) for key in (1, 2)]
        draft = bill(*tens, spells=[all_june("apm", "10")])
        assert (took(draft), str(draft.net)) == (["40.00", "36.00"], "324.00")


def test_steps_come_in_their_order_and_within_one_by_priority_then_by_redemption() -> None:
    draft = bill(
        promotion("amount", "1", 1, applies_to="invoice", priority=-5),
        promotion("percent", "10", 2, applies_to="invoice"),
        promotion("amount", "2", 3),
        promotion("percent", "20", 4, priority=1),
        promotion("percent", "50", 6),
        promotion("percent", "25", 5),
        promotion("fixed_price", "10", 7),
        promotion("free_quantity", "720", 8, priority=9),
        spells=[all_june("server", "3")],
    )
    # 36.00 - 12.00 = 24.00, 2 x 10 = 20.00, less 25% 15.00, less 50% 7.50, less 20% 6.00, 4.00, less 10% 3.60, 2.60
    assert [each.promotion.key for each in draft.discounts] == [8, 7, 5, 6, 4, 3, 2, 1]
    assert took(draft) == ["12.00", "4.00", "5.00", "7.50", "1.50", "2.00", "0.40", "1.00"]
    assert str(draft.net) == "2.60"


def test_products_and_projects_narrow_a_promotion() -> None:
    spells = [all_june("apm", "1", "a"), all_june("server", "1", "a"), all_june("server", "1", "b")]
    half = promotion("percent", "50")
    for narrow, expected in (
        ({}, ["6.00", "20.00", "6.00"]),
        ({"products": {"server"}}, ["6.00", "40.00", "6.00"]),
        ({"projects": {"a"}}, ["6.00", "20.00", "12.00"]),
        ({"products": {"server"}, "projects": {"a"}}, ["6.00", "40.00", "12.00"]),
        ({"projects": {"c"}}, ["12.00", "40.00", "12.00"]),
    ):
        chosen = replace(half, **{name: frozenset(codes) for name, codes in narrow.items()})
        assert nets(bill(chosen, spells=spells)) == expected


def test_nothing_goes_below_nothing() -> None:
    draft = bill(
        promotion("amount", "100"),
        promotion("amount", "100", 2, applies_to="invoice"),
        promotion("percent", "100", 3, applies_to="invoice"),
        spells=[all_june("server", "3")],
        tax="10",
    )
    assert (took(draft), str(draft.net), str(draft.total)) == (["36.00"], "0.00", "0.00")


def test_what_costs_nothing_anyway_is_not_discounted() -> None:
    spells = [all_june("server", "1")]
    for given_away in (
        {"projects": [trial("web", JUNE.ends_at)]},
        {"products": [product("server", price("14000", currency="KRW"))]},
    ):
        draft = bill(promotion("free_quantity", "5"), promotion("percent", "50", 2), spells=spells, **given_away)
        assert (took(draft), str(draft.net)) == ([], "0.00")


def test_units_free_for_the_whole_month() -> None:
    free = promotion("free_quantity", "2", free_unit=FreeUnit.quantity)
    assert str(bill(free, spells=[all_june("server", "3")]).net) == "12.00"


def test_a_free_quantity_is_one_pool_for_all_lines() -> None:
    free = promotion("free_quantity", "1000")
    draft = bill(free, spells=[all_june("server", "1", "a"), all_june("server", "1", "b")])
    assert nets(draft) == ["0.00", "7.33"]
    assert draft.discounts[0].quantity == 1000


def test_a_free_quantity_is_spent_on_what_costs_something() -> None:
    free = promotion("free_quantity", "720")
    flat = product("aid", price("15.00", model=PriceModel.flat))
    allowed = product("cache", price("12.00", free_quantity=Decimal(720), free_unit=FreeUnit.unit_hours))
    committed = product("disk", price("12.00", minimum_amount=Decimal(50)))
    for other, untouched in ((flat, "15.00"), (allowed, "0.00"), (committed, "50.00")):
        spells = [all_june(other.code, "1"), all_june("server", "2")]
        draft = bill(free, spells=spells, products=[other, SERVER])
        assert {line.charge.product.code: str(line.net) for line in draft.lines} == {
            other.code: untouched,
            "server": "12.00",
        }
    # of 1,080 h 720 are free by the price: 360 more are all that can be
    draft = bill(free, spells=[all_june("cache", "1.5")], products=[allowed])
    assert (str(draft.net), draft.discounts[0].quantity) == ("0.00", 360)


def test_two_free_quantities_do_not_free_the_same_hours() -> None:
    frees = [promotion("free_quantity", "1500", key) for key in (1, 2)]
    draft = bill(*frees, spells=[all_june("server", "3")])
    assert ([each.quantity for each in draft.discounts], str(draft.net)) == ([1500, 660], "0.00")


def test_a_fixed_price_replaces_the_list_price_and_never_raises_it() -> None:
    spells = [all_june("server", "3")]
    assert str(bill(promotion("fixed_price", "9.99"), spells=spells).net) == "29.97"
    assert str(bill(promotion("fixed_price", "99"), spells=spells).net) == "36.00"
    free_first = bill(promotion("free_quantity", "720"), promotion("fixed_price", "10", 2), spells=spells)
    assert str(free_first.net) == "20.00"


def priced(price: Price, kind: MeterKind = MeterKind.gauge) -> Product:
    return product("thing", price, kind=kind)


GRADUATED = priced(price(model=PriceModel.graduated, tiers=TIERS))
VOLUME = priced(price(model=PriceModel.volume, tiers=TIERS))
HOURLY = priced(price("0.05", per=Per.hour))
PACKAGES = priced(
    price("0.90", model=PriceModel.package, per=Per.quantity, package_size=Decimal(1000)), MeterKind.counter
)
FLAT = priced(price("15.00", model=PriceModel.flat))
FLAT_BY_HOUR = priced(price("0.02", model=PriceModel.flat, per=Per.hour))
COMMITTED = priced(price("12.00", minimum_amount=Decimal(30)))
ALLOWED = priced(price("12.00", free_quantity=Decimal(1000), free_unit=FreeUnit.unit_hours))


@pytest.mark.parametrize(
    ("item", "units", "gross", "percent", "amount", "fixed", "free"),
    [
        # 25% off; 10.00 off; a unit price of 2; 4 units (for 720 h each) or pieces free
        (priced(price("12.00")), "6", "72.00", "54.00", "62.00", "12.00", "24.00"),
        # 10 x 5 + 2 x 4 = 58; the four on top are 2 x 4 + 2 x 5, so tiers begin after the free part
        (GRADUATED, "12", "58.00", "43.50", "48.00", "24.00", "40.00"),
        (VOLUME, "12", "48.00", "36.00", "38.00", "24.00", "32.00"),
        # 0.05 x 4,320 h; free are 4 x 720 h; a fixed price of 2 an hour is no gain
        (HOURLY, "6", "216.00", "162.00", "206.00", "216.00", "72.00"),
        # 3 packages begun; four sessions less are still three; 2 a package is no gain
        (PACKAGES, "2005", "2.70", "2.02", "0.00", "2.70", "2.70"),
        (FLAT, "6", "15.00", "11.25", "5.00", "2.00", "15.00"),
        (FLAT_BY_HOUR, "6", "14.40", "10.80", "4.40", "14.40", "14.40"),
        # a commitment of 30 stays when units cost less or nothing
        (COMMITTED, "6", "72.00", "54.00", "62.00", "30.00", "30.00"),
        (COMMITTED, "1", "30.00", "22.50", "20.00", "30.00", "30.00"),
        # 12 x (4,320 - 1,000) / 720 = 55.33; 2 x 3,320 / 720 = 9.22; 12 x (3,320 - 2,880) / 720 = 7.33
        (ALLOWED, "6", "55.33", "41.50", "45.33", "9.22", "7.33"),
    ],
)
def test_each_kind_with_each_price(
    item: Product, units: str, gross: str, percent: str, amount: str, fixed: str, free: str
) -> None:
    spells = [all_june("thing", units)]
    pieces = promotion("free_quantity", "4", free_unit=FreeUnit.quantity)
    made = [promotion("percent", "25"), promotion("amount", "10"), promotion("fixed_price", "2"), pieces]
    assert str(bill(spells=spells, products=[item]).net) == gross
    found = [str(bill(each, spells=spells, products=[item]).net) for each in made]
    assert found == [percent, amount, fixed, free]


def test_a_fixed_price_of_a_package_is_that_of_one_package() -> None:
    draft = bill(promotion("fixed_price", "0.50"), spells=[counted("thing", "2001")], products=[PACKAGES])
    assert (str(draft.subtotal), str(draft.net)) == ("2.70", "1.50")
    free = promotion("free_quantity", "1001", 2)
    draft = bill(promotion("fixed_price", "0.50"), free, spells=[counted("thing", "2001")], products=[PACKAGES])
    assert (took(draft), str(draft.net)) == (["1.80", "0.40"], "0.50")


HALF = {"starts_at": MIDDLE}


@pytest.mark.parametrize(
    ("made", "net"),
    [
        (promotion("percent", "50", **HALF), "27.00"),
        (promotion("percent", "50", applies_to="invoice", **HALF), "27.00"),
        (promotion("fixed_price", "6", **HALF), "27.00"),
        (promotion("amount", "100", **HALF), "18.00"),
        (promotion("amount", "100", applies_to="invoice", **HALF), "18.00"),
        (promotion("amount", "5", **HALF), "31.00"),
        (promotion("free_quantity", "5000", **HALF), "18.00"),
        (promotion("free_quantity", "2", free_unit=FreeUnit.quantity, **HALF), "18.00"),
        (promotion("percent", "50", ends_at=MIDDLE), "27.00"),
        (promotion("percent", "50", applies_to="invoice", ends_at=MIDDLE), "27.00"),
        (promotion("amount", "100", ends_at=MIDDLE), "18.00"),
        # begins at 00:20: the hour that is begun is not its own; 359 of 720 hours are 17.95, half of it 8.975
        (promotion("percent", "50", starts_at=MIDDLE + timedelta(minutes=20)), "27.02"),
        (promotion("percent", "50", starts_at=JUNE.ends_at), "36.00"),
    ],
)
def test_a_promotion_for_a_part_of_the_month_takes_its_part(made: Promotion, net: str) -> None:
    assert str(bill(made, spells=[all_june("server", "3")]).net) == net


def test_a_part_of_the_month_counts_by_what_was_used_in_it_and_a_fee_by_hours() -> None:
    # one host before and three after: 360 h and 1,080 h, 24.00 in all, of which 18.00 are in the promotion's time
    spells = [("web", "server", JUNE.starts_at, MIDDLE, Decimal(1)), counted("server", "3", MIDDLE)]
    assert str(bill(promotion("percent", "50", **HALF), spells=spells).net) == "15.00"
    draft = bill(promotion("percent", "50", **HALF), spells=[all_june("thing", "6")], products=[FLAT])
    assert str(draft.net) == "11.25"


def test_a_price_change_and_a_promotion_inside_one_month() -> None:
    item = product("server", price("12.00"), price("24.00", since=MIDDLE))
    # 6.00 and 12.00 for one host; the last ten days are 240 of the 360 hours of the second price
    late = promotion("percent", "50", starts_at=utc("2026-06-21T00:00+00:00"))
    assert nets(bill(late, spells=[all_june("server", "1")], products=[item])) == ["6.00", "8.00"]
    free = promotion("free_quantity", "400")
    assert nets(bill(free, spells=[all_june("server", "1")], products=[item])) == ["0.00", "10.67"]


@pytest.mark.parametrize(
    ("code", "gross", "percent", "amount", "net"),
    [("KRW", "14000", "3.33", "466", "13534"), ("JPY", "1500", "3.33", "49", "1451")],
)
def test_won_and_yen_round_each_discount_down(code: str, gross: str, percent: str, amount: str, net: str) -> None:
    for applies_to in ("line", "invoice"):
        draft = bill(
            promotion("percent", percent, applies_to=applies_to), spells=[all_june("server", "1")], code=code, tax="10"
        )
        assert (str(draft.subtotal), took(draft), str(draft.net)) == (gross, [amount], net)
    # 14,000 x 247 / 720 = 4,802.8 and 1,500 x 247 / 720 = 514.6
    free = bill(promotion("free_quantity", "247"), spells=[all_june("server", "1")], code=code)
    assert took(free) == [{"KRW": "4802", "JPY": "514"}[code]]


def test_what_is_carried_adds_to_the_month() -> None:
    spells = [all_june("server", "3")]
    carried = replace(promotion("amount", "5", applies_to="invoice"), carried=Fraction(7))
    assert took(bill(carried, spells=spells)) == ["12.00"]
    hours = replace(promotion("free_quantity", "100"), carried=Fraction(620))
    assert took(bill(hours, spells=spells)) == ["12.00"]


def test_all_off_for_a_part_of_the_month_takes_no_line_below_nothing() -> None:
    # 10 cents lie in the promotion's time whole, a tenth of a cent of each of five others: 10.5 cents, rounded to 11
    cents = product("calls", price("0.01", per=Per.quantity), kind=MeterKind.counter)
    spells = [counted("calls", "10", MIDDLE, "a")]
    for project in ("b", "c", "d", "e", "f"):
        spells += [counted("calls", "0.9", project=project), counted("calls", "0.1", MIDDLE, project)]
    draft = bill(promotion("percent", "100", applies_to="invoice", **HALF), spells=spells, products=[cents])
    assert (took(draft), nets(draft)) == (["0.11"], ["0.00", "0.00", "0.01", "0.01", "0.01", "0.01"])


@given(st.lists(st.fractions(0, 200), min_size=1, max_size=8))
@example([Fraction(10), *[Fraction(1, 10)] * 5])
def test_no_part_is_above_its_most(weights: list[Fraction]) -> None:
    most = [-(-weight.numerator // weight.denominator) for weight in weights]
    total = sum(weights, Fraction(0))
    for minor in range(int(total), -(-total.numerator // total.denominator) + 1):
        parts = allocate(Money(minor, USD), weights, most)
        assert sum(part.minor for part in parts) == minor or not total
        assert all(part.minor <= limit for part, limit in zip(parts, most, strict=True))
