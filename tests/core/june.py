"""Bills of a June, of two products at three currencies' prices, with promotions; and any of them for laws."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from meterbook.core.invoice import InvoiceDraft
from meterbook.core.metering import MeterKind
from meterbook.core.money import currency
from meterbook.core.pricing import FreeUnit, Per, Price, PriceModel, Product
from meterbook.core.promotion import Promotion
from tests.core.months import Spell, drafted, frame_of, price, product, promotion, utc

JUNE = frame_of("2026-06")
MIDDLE = utc("2026-06-16T00:00+00:00")  # after 360 of the 720 hours
USD = currency("USD")
SERVER = product("server", price("12.00"), price("14000", currency="KRW"), price("1500", currency="JPY"))
APM = product("apm", price("40.00"), kind=MeterKind.gauge)
TIERS = [("10", "5"), ("50", "4"), (None, "3")]


def all_june(code: str, units: str, project: str = "web") -> Spell:
    return (project, code, JUNE.starts_at, JUNE.ends_at, Decimal(units))


def counted(code: str, amount: str, at: datetime = JUNE.starts_at, project: str = "web") -> Spell:
    return (project, code, at, JUNE.ends_at, Decimal(amount))


def bill(*promotions: Promotion, spells: list[Spell], products: Any = (SERVER, APM), **more: Any) -> InvoiceDraft:
    return drafted(JUNE, list(products), spells, promotions=promotions, **more)


def took(draft: InvoiceDraft) -> list[str]:
    return [str(discount.amount) for discount in draft.discounts]


def nets(draft: InvoiceDraft) -> list[str]:
    return [str(line.net) for line in draft.lines]


def catalog(code: str) -> list[Product]:
    """One product of each price model, in a currency."""

    def per(unit_price: str | None = None, **more: Any) -> Price:
        return price(unit_price, currency=code, **more)

    allowed = {"free_quantity": Decimal(1000), "free_unit": FreeUnit.unit_hours}
    sessions = {"model": PriceModel.package, "per": Per.quantity, "package_size": Decimal(1000)}
    return [
        product("server", per("12.00"), per("15.00", since=MIDDLE)),
        product("requests", per("0.007", per=Per.quantity), kind=MeterKind.counter),
        product("log", per(model=PriceModel.volume, tiers=TIERS), kind=MeterKind.stock),
        product("cpu", per(model=PriceModel.graduated, tiers=TIERS), kind=MeterKind.gauge),
        product("aid", per("15.00", model=PriceModel.flat)),
        product("disk", per("9.00", minimum_amount=Decimal(40)), kind=MeterKind.gauge),
        product("cache", per("12.00", **allowed), kind=MeterKind.gauge),
        product("sessions", per("0.90", **sessions), kind=MeterKind.counter),
    ]


PRODUCTS = {code: catalog(code) for code in ("USD", "KRW", "JPY")}
CODES = [item.code for item in PRODUCTS["USD"]]
PROJECTS = ["shop", "web"]


@st.composite
def promotions(draw: st.DrawFn) -> list[Promotion]:
    made = []
    for key in range(1, draw(st.integers(0, 6)) + 1):
        period = draw(st.none() | st.tuples(st.integers(-10, 29 * 24), st.integers(1, 20 * 24)))
        starts: datetime | None = None
        ends: datetime | None = None
        if period is not None:
            starts = JUNE.starts_at + timedelta(hours=period[0])
            ends = starts + timedelta(hours=period[1])
        made.append(
            promotion(
                draw(st.sampled_from(["percent", "amount", "fixed_price", "free_quantity"])),
                str(draw(st.just(100) | st.decimals("0.01", "100", places=2))),
                key,
                applies_to=draw(st.sampled_from(["line", "invoice"])),
                starts_at=starts,
                ends_at=ends,
                products=frozenset(draw(st.sets(st.sampled_from(CODES), max_size=2))),
                projects=frozenset(draw(st.sets(st.sampled_from(PROJECTS), max_size=1))),
                priority=draw(st.integers(0, 2)),
                free_unit=draw(st.sampled_from(FreeUnit)),
                carried=draw(st.sampled_from([Fraction(0), Fraction(7, 2)])),
            )
        )
    return made


@st.composite
def use(draw: st.DrawFn) -> list[Spell]:
    spells = []
    for _ in range(draw(st.integers(1, 8))):
        start = JUNE.starts_at + timedelta(hours=draw(st.integers(0, 719)))
        end = min(start + timedelta(hours=draw(st.integers(1, 720))), JUNE.ends_at)
        units = draw(st.decimals("0.1", "50", places=1) | st.integers(1, 5_000).map(Decimal))
        spells.append((draw(st.sampled_from(PROJECTS)), draw(st.sampled_from(CODES)), start, end, units))
    return spells


any_bill = st.tuples(promotions(), use(), st.sampled_from(list(PRODUCTS)), st.sampled_from(["0", "8.25", "10"]))
Case = tuple[list[Promotion], list[Spell], str, str]


def billed(case: Case, *promotions: Promotion) -> InvoiceDraft:
    _, spells, code, tax = case
    return bill(*promotions, spells=spells, products=PRODUCTS[code], code=code, tax=tax)
