"""Promotions through the pure core: the examples of DOMAIN 7, each kind, and the laws of every combination."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbook.core.credits import Books, Credit, Owed, Prepayment, settle
from meterbook.core.discounts import AppliesTo, Promotion, PromotionKind
from meterbook.core.invoice import Adjustment, InvoiceDraft, ProjectTerms
from meterbook.core.journal import Entry, LedgerAccount, Posting, Reason, entry
from meterbook.core.metering import MeterKind
from meterbook.core.money import Money, currency
from meterbook.core.period import BillingMonth
from meterbook.core.pricing import FreeUnit, Per, PriceModel
from tests.core.months import Spell, drafted, frame_of, price, product, utc

JUNE = frame_of("2026-06")
USD, KRW = currency("USD"), currency("KRW")
SERVER = product("server", price("12.00"), price("14000", currency="KRW"))
APM = product("apm", price("40.00"), kind=MeterKind.gauge)


def promotion(kind: str, value: str, key: int = 1, **more: Any) -> Promotion:
    applies_to = AppliesTo(more.pop("applies_to", "line"))
    return Promotion(key, f"CODE{key}", "A promotion", PromotionKind(kind), applies_to, Decimal(value), **more)


def all_june(code: str, units: str, project: str = "web") -> Spell:
    return (project, code, JUNE.starts_at, JUNE.ends_at, Decimal(units))


def bill(*promotions: Promotion, spells: list[Spell], products: Any = (SERVER, APM), **more: Any) -> InvoiceDraft:
    return drafted(JUNE, list(products), spells, promotions=promotions, **more)


def took(draft: InvoiceDraft) -> list[str]:
    return [str(discount.amount) for discount in draft.discounts]


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
    ("value", "until", "net"), [("1000", None, "19.33"), ("1200", "2026-06-16T00:00+00:00", "18.00")]
)
def test_e08_free_host_hours(value: str, until: str | None, net: str) -> None:
    free = promotion("free_quantity", value, ends_at=None if until is None else utc(until))
    assert str(bill(free, spells=[all_june("server", "3")]).net) == net


def test_percents_apply_one_after_the_other() -> None:
    tens = [promotion("percent", "10", key, applies_to="invoice") for key in (1, 2)]
    draft = bill(*tens, spells=[all_june("apm", "10")])
    assert (took(draft), str(draft.net)) == (["40.00", "36.00"], "324.00")


def test_units_free_for_the_whole_month() -> None:
    free = promotion("free_quantity", "2", free_unit=FreeUnit.quantity)
    assert str(bill(free, spells=[all_june("server", "3")]).net) == "12.00"


def test_a_free_quantity_is_one_pool_for_all_lines() -> None:
    free = promotion("free_quantity", "1000")
    draft = bill(free, spells=[all_june("server", "1", "a"), all_june("server", "1", "b")])
    assert [str(line.net) for line in draft.lines] == ["0.00", "7.33"]
    assert draft.discounts[0].quantity == 1000


def test_a_fixed_price_replaces_the_list_price_and_never_raises_it() -> None:
    spells = [all_june("server", "3")]
    assert str(bill(promotion("fixed_price", "9.99"), spells=spells).net) == "29.97"
    assert str(bill(promotion("fixed_price", "99"), spells=spells).net) == "36.00"
    free_first = bill(promotion("free_quantity", "720"), promotion("fixed_price", "10", 2), spells=spells)
    assert str(free_first.net) == "20.00"


def test_a_promotion_for_a_part_of_the_month_takes_its_part() -> None:
    half = {"starts_at": utc("2026-06-16T00:00+00:00")}
    spells = [all_june("server", "3")]
    assert str(bill(promotion("percent", "50", **half), spells=spells).net) == "27.00"
    assert str(bill(promotion("fixed_price", "6", **half), spells=spells).net) == "27.00"
    assert str(bill(promotion("amount", "100", **half), spells=spells).net) == "18.00"
    assert str(bill(promotion("amount", "100", applies_to="invoice", **half), spells=spells).net) == "18.00"


def test_won_rounds_each_discount_down() -> None:
    draft = bill(promotion("percent", "3"), spells=[all_june("server", "1")], products=[SERVER], code="KRW")
    assert (took(draft), str(draft.net)) == (["420"], "13580")
    draft = bill(promotion("percent", "0.01"), spells=[all_june("server", "1")], products=[SERVER], code="KRW")
    assert (took(draft), str(draft.net)) == (["1"], "13999")


def test_tiers_begin_after_the_free_part_and_a_commitment_stays() -> None:
    tiers = [("10", "5"), ("50", "4"), (None, "3")]
    log = product("log", price(model=PriceModel.graduated, tiers=tiers), kind=MeterKind.gauge)
    free = promotion("free_quantity", "4", free_unit=FreeUnit.quantity)
    assert str(bill(free, spells=[all_june("log", "12")], products=[log]).net) == "40.00"
    committed = product("server", price("12.00", minimum_amount=Decimal(30)))
    draft = bill(promotion("free_quantity", "1000000"), spells=[all_june("server", "3")], products=[committed])
    assert str(draft.net) == "30.00"
    flat = product("server", price("15.00", model=PriceModel.flat))
    assert str(bill(promotion("free_quantity", "9"), spells=[all_june("server", "3")], products=[flat]).net) == "15.00"


def test_what_is_carried_adds_to_the_month() -> None:
    carried = replace(promotion("amount", "5", applies_to="invoice"), carried=Fraction(7))
    assert took(bill(carried, spells=[all_june("server", "3")])) == ["12.00"]


KINDS = st.sampled_from(["percent", "amount", "fixed_price", "free_quantity"])
PRODUCTS = (
    SERVER,
    APM,
    product("requests", price("0.0007", per=Per.quantity), kind=MeterKind.counter),
    product("log", price(model=PriceModel.volume, tiers=[("10", "5"), (None, "3")]), kind=MeterKind.gauge),
)


@st.composite
def promotions(draw: st.DrawFn) -> list[Promotion]:
    made = []
    for key in range(1, draw(st.integers(0, 6)) + 1):
        days = draw(st.none() | st.tuples(st.integers(0, 14), st.integers(1, 15)))
        starts: datetime | None = None
        ends: datetime | None = None
        if days is not None:
            starts = JUNE.starts_at + timedelta(days=days[0])
            ends = starts + timedelta(days=days[1])
        made.append(
            promotion(
                draw(KINDS),
                str(draw(st.decimals("0.01", "100", places=2))),
                key,
                applies_to=draw(st.sampled_from(["line", "invoice"])),
                starts_at=starts,
                ends_at=ends,
                products=frozenset(draw(st.sets(st.sampled_from(["server", "apm", "requests"]), max_size=2))),
                projects=frozenset(draw(st.sets(st.sampled_from(["web", "shop"]), max_size=1))),
                priority=draw(st.integers(0, 2)),
            )
        )
    return made


@st.composite
def use(draw: st.DrawFn) -> list[Spell]:
    spells = []
    for project in ("web", "shop"):
        for item in PRODUCTS:
            if draw(st.booleans()):
                start = JUNE.starts_at + timedelta(hours=draw(st.integers(0, 600)))
                end = start + timedelta(hours=draw(st.integers(1, 100)))
                spells.append((project, item.code, start, end, Decimal(draw(st.integers(1, 5_000)))))
    return spells


@given(promotions(), use(), st.sampled_from(["0", "8.25", "10"]))
def test_any_promotions_leave_an_invoice_that_adds_up(made: list[Promotion], spells: list[Spell], tax: str) -> None:
    plain, draft = (bill(*some, spells=spells, products=PRODUCTS, tax=tax) for some in ((), made))
    nothing = Money.zero(USD)
    assert draft.subtotal == plain.subtotal
    assert all(nothing.minor <= line.net.minor <= line.amount.minor for line in draft.lines)
    assert sum((line.net for line in draft.lines), nothing) == draft.net
    assert sum((each.amount for each in draft.discounts), nothing) == draft.discount
    for each in draft.discounts:
        assert each.amount.minor > 0
        assert sum((share for _, share in each.shares), nothing) == each.amount
    by_line = [
        sum(share.minor for each in draft.discounts for place, share in each.shares if place == n)
        for n in range(len(draft.lines))
    ]
    assert by_line == [line.discount.minor for line in draft.lines]
    assert draft.total == sum((each.amount for each in draft.tax), draft.net)


def adjustment(amount: int, rate: str = "0", month: int = 5) -> Adjustment:
    money = Money(amount, USD)
    web, earlier = ProjectTerms("web", "web"), BillingMonth(2026, month)
    return Adjustment(
        web, SERVER, earlier, Money(max(amount, 0), USD), Money(max(-amount, 0), USD), money, Decimal(rate)
    )


def test_an_adjustment_below_nothing_is_taken_as_far_as_the_invoice_reaches() -> None:
    draft = bill(spells=[all_june("server", "1")], adjustments=[adjustment(-1500), adjustment(100, month=4)])
    assert (str(draft.net), str(draft.total)) == ("0.00", "0.00")
    assert [str(each.amount) for each in draft.adjustments] == ["-13.00", "1.00"]
    assert draft.deferred_months == (BillingMonth(2026, 5),)


def test_each_rate_is_taxed_once() -> None:
    draft = bill(spells=[all_june("server", "1")], adjustments=[adjustment(105, "8")], tax="10")
    assert [(str(tax.rate), str(tax.base), str(tax.amount)) for tax in draft.tax] == [
        ("10", "12.00", "1.20"),
        ("8", "1.05", "0.08"),
    ]
    assert str(draft.total) == "14.33"


def owed(key: int, minor: int, month: str = "2026-06") -> Owed:
    frame = frame_of(month)
    return Owed(key, Money(minor, USD), frame.starts_at, frame.ends_at)


def test_e17_credit_that_ends_first_then_cash() -> None:
    since = utc("2026-01-01T00:00+00:00")
    books = Books(
        (owed(1, 14_640),),
        (
            Credit(1, Money(5_000, USD), since, utc("2026-12-31T00:00+00:00")),
            Credit(2, Money(2_000, USD), since, utc("2026-07-01T00:00+00:00")),
        ),
        (Prepayment(1, Money(10_000, USD)),),
    )
    assert [(type(each.source), each.source.id, each.amount.minor) for each in settle(books)] == [
        (Credit, 2, 2_000),
        (Credit, 1, 5_000),
        (Prepayment, 1, 7_640),
    ]


def test_a_credit_pays_only_for_months_it_was_in_force_in() -> None:
    july = Credit(1, Money(5_000, USD), utc("2026-07-01T00:00+00:00"))
    assert settle(Books((owed(1, 100),), (july,))) == ()
    ended = Credit(1, Money(5_000, USD), utc("2026-01-01T00:00+00:00"), utc("2026-06-01T00:00+00:00"))
    assert settle(Books((owed(1, 100),), (ended,))) == ()


@given(
    st.lists(st.integers(1, 1_000), max_size=4),
    st.lists(st.integers(1, 1_000), max_size=3),
    st.lists(st.integers(1, 1_000), max_size=3),
)
def test_settling_never_pays_more_than_is_owed_or_there(unpaid: list[int], credit: list[int], cash: list[int]) -> None:
    since = utc("2026-01-01T00:00+00:00")
    books = Books(
        tuple(owed(key, minor) for key, minor in enumerate(unpaid, 1)),
        tuple(Credit(key, Money(minor, USD), since) for key, minor in enumerate(credit, 1)),
        tuple(Prepayment(key, Money(minor, USD)) for key, minor in enumerate(cash, 1)),
    )
    applied = settle(books)
    assert sum(each.amount.minor for each in applied) == min(sum(unpaid), sum(credit) + sum(cash))
    for item in books.owed:
        assert sum(each.amount.minor for each in applied if each.owed is item) <= item.unpaid.minor
    for source in (*books.credits, *books.prepayments):
        assert sum(each.amount.minor for each in applied if each.source is source) <= source.left.minor
    # what is left unpaid is the newest, and cash is touched only when credit is gone
    paid = [sum(each.amount.minor for each in applied if each.owed is item) == item.unpaid.minor for item in books.owed]
    assert paid == sorted(paid, reverse=True)
    if any(isinstance(each.source, Prepayment) for each in applied):
        assert sum(each.amount.minor for each in applied if isinstance(each.source, Credit)) == sum(credit)


def test_an_entry_balances_and_holds_no_empty_posting() -> None:
    ten = Money(1_000, USD)
    made = entry(
        Reason.payment,
        "payment:1",
        1,
        Posting(LedgerAccount.cash_clearing, ten),
        Posting(LedgerAccount.receivable, -ten, invoice_id=1),
        Posting(LedgerAccount.tax_payable, Money.zero(USD)),
    )
    assert [posting.amount.minor for posting in made.postings] == [1_000, -1_000]
    with pytest.raises(AssertionError, match="balances"):
        Entry(Reason.payment, "payment:1", 1, (Posting(LedgerAccount.cash_clearing, ten),))
    with pytest.raises(AssertionError, match="one currency"):
        Entry(
            Reason.payment,
            "x",
            1,
            (Posting(LedgerAccount.cash_clearing, ten), Posting(LedgerAccount.receivable, Money(-1_000, KRW))),
        )
