"""The worked examples of the domain, through the pure core (DOMAIN 7)."""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from meterbook.core.invoice import InvoiceDraft, shown
from meterbook.core.metering import MeterKind
from meterbook.core.money import plain
from meterbook.core.pricing import Per, PriceModel, Product
from tests.core.months import Spell, drafted, frame_of, price, product, trial, utc

SERVER = product("server", price("12.00"), price("14000", currency="KRW"), price("1500", currency="JPY"), unit="host")
APM = product("apm", price("40.00"), price("40000", currency="KRW"), kind=MeterKind.gauge, unit="core")


def on(month: str, units: str, hours: int | None = None, project: str = "web", code: str = "server") -> Spell:
    frame = frame_of(month)
    end = frame.ends_at if hours is None else frame.starts_at + timedelta(hours=hours)
    return (project, code, frame.starts_at, end, Decimal(units))


def shape(draft: InvoiceDraft) -> list[tuple[str, str]]:
    return [(plain(line.charge.quantity), str(line.amount)) for line in draft.lines]


def test_e01_three_hosts_all_june() -> None:
    draft = drafted(frame_of("2026-06"), [SERVER], [on("2026-06", "3")])
    assert shape(draft) == [("2160", "36.00")]
    assert draft.lines[0].charge.formula == "12.00 x 2,160 h / 720 h"
    assert draft.lines[0].metered_units == 3


@pytest.mark.parametrize(
    ("units", "hours", "amount"), [("3", None, "36.00"), ("1", 720, "11.61"), ("100", None, "1200.00")]
)
def test_e02_july_costs_the_price_and_not_a_rounded_hour(units: str, hours: int | None, amount: str) -> None:
    draft = drafted(frame_of("2026-07"), [SERVER], [on("2026-07", units, hours)])
    assert str(draft.subtotal) == amount


@pytest.mark.parametrize(
    ("month", "since", "hours", "amount"),
    [("2026-06", "2026-06-10T09:00+00:00", "495", "8.25"), ("2028-02", "2028-02-20T00:00+00:00", "240", "4.14")],
)
def test_e03_a_host_from_the_middle_of_a_month(month: str, since: str, hours: str, amount: str) -> None:
    frame = frame_of(month)
    draft = drafted(frame, [SERVER], [("web", "server", utc(since), frame.ends_at, Decimal(1))])
    assert shape(draft) == [(hours, amount)]


def test_e04_cores_that_change_within_the_month() -> None:
    frame = frame_of("2026-06")
    middle = frame.starts_at + timedelta(hours=300)
    spells = [
        ("web", "apm", frame.starts_at, middle, Decimal(4)),
        ("web", "apm", middle, frame.ends_at, Decimal(8)),
    ]
    draft = drafted(frame, [APM], spells, code="KRW")
    assert sum(line.charge.quantity for line in draft.lines) == 4560
    assert str(draft.subtotal) == "253333"
    assert shown(Fraction(4560, 720)) == Decimal("6.33")


def test_e05_a_price_change_in_seoul() -> None:
    frame = frame_of("2026-07", "Asia/Seoul")
    change = utc("2026-07-16T00:00+09:00")
    server = product("server", price("14000", currency="KRW"), price("16000", currency="KRW", since=change))
    draft = drafted(frame, [server], [("web", "server", frame.starts_at, frame.ends_at, Decimal(2))], code="KRW")
    assert [str(line.amount) for line in draft.lines] == ["13548", "16516"]
    assert str(draft.subtotal) == "30064"
    assert [line.charge.starts_at for line in draft.lines] == [frame.starts_at, change]


LOG_TIERS = [("10", "5"), ("50", "4"), (None, "3")]


@pytest.mark.parametrize(
    ("model", "units", "amount"),
    [
        (PriceModel.graduated, "64.5", "253.50"),
        (PriceModel.volume, "64.5", "193.50"),
        (PriceModel.graduated, "10", "50.00"),
        (PriceModel.graduated, "50", "210.00"),
        (PriceModel.volume, "10", "50.00"),
        (PriceModel.volume, "50", "200.00"),
    ],
)
def test_e06_log_units_in_tiers(model: PriceModel, units: str, amount: str) -> None:
    log = product("log", price(model=model, tiers=LOG_TIERS), kind=MeterKind.stock, unit="M lines")
    draft = drafted(frame_of("2026-06"), [log], [on("2026-06", units, code="log")])
    assert str(draft.subtotal) == amount
    assert draft.lines[0].metered_units == Decimal(units)


def test_e06_formula_is_exact_in_hours() -> None:
    log = product("log", price(model=PriceModel.graduated, tiers=LOG_TIERS), kind=MeterKind.stock)
    draft = drafted(frame_of("2026-06"), [log], [on("2026-06", "64.5", code="log")])
    assert draft.lines[0].charge.formula == "(5 x 7,200 h + 4 x 28,800 h + 3 x 10,440 h) / 720 h"


def counted(amounts: list[str]) -> tuple[list[Product], list[Spell]]:
    frame = frame_of("2026-06")
    products, spells = [], []
    for number, amount in enumerate(amounts):
        code = f"p{number}"
        each = price("1", currency="KRW", per=Per.quantity)
        products.append(product(code, each, kind=MeterKind.counter))
        spells.append(("web", code, frame.starts_at, frame.ends_at, Decimal(amount)))
    return products, spells


def test_e09_tax_once_on_the_net() -> None:
    products, spells = counted(["10005", "20006", "30007"])
    draft = drafted(frame_of("2026-06"), products, spells, code="KRW", tax="10")
    assert (str(draft.subtotal), str(draft.tax[0].amount), str(draft.total)) == ("60018", "6001", "66019")


def test_e10_each_project_rounds_on_its_own() -> None:
    spells = [on("2026-06", "1", 51, project) for project in ("a", "b", "c")]
    draft = drafted(frame_of("2026-06"), [SERVER], spells, code="JPY", tax="10")
    assert [str(line.amount) for line in draft.lines] == ["106", "106", "106"]
    assert (str(draft.subtotal), str(draft.tax[0].amount), str(draft.total)) == ("318", "31", "349")


@pytest.mark.parametrize(("month", "hours", "amount"), [("2026-03", 743, "11.98"), ("2026-11", 721, "12.00")])
def test_e13_months_in_which_new_york_changes_its_clocks(month: str, hours: int, amount: str) -> None:
    frame = frame_of(month, "America/New_York", allow_dst=True)
    assert frame.hours == hours
    capped = min(hours, frame.month.reference_hours)
    end = frame.starts_at + timedelta(hours=capped)
    draft = drafted(frame, [SERVER], [("web", "server", frame.starts_at, end, Decimal(1))])
    assert str(draft.subtotal) == amount


@pytest.mark.parametrize("hours", [1, 400, 719, 720])
def test_a_forecast_counts_no_more_hours_than_a_month_has(hours: int) -> None:
    frame = frame_of("2026-11", "America/New_York", allow_dst=True)
    at = frame.starts_at + timedelta(hours=hours)
    draft = drafted(frame, [SERVER], [("web", "server", frame.starts_at, at, Decimal(1))], at=at)
    assert str(draft.forecast) == "12.00"


def test_e15_a_trial_that_ends_within_the_month() -> None:
    ends = utc("2026-06-20T10:00+00:00")
    draft = drafted(frame_of("2026-06"), [SERVER], [on("2026-06", "1")], code="KRW", projects=[trial("web", ends)])
    assert shape(draft) == [("466", "0"), ("254", "4938")]
    assert str(draft.total) == "4938"
    assert [line.charge.waiver for line in draft.lines] == ["trial", None]


def test_e16_so_far_and_forecast() -> None:
    at = datetime.fromisoformat("2026-06-12T06:00+00:00")
    frame = frame_of("2026-06")
    draft = drafted(frame, [SERVER], [("web", "server", frame.starts_at, at, Decimal(3))], at=at)
    assert (str(draft.total), str(draft.forecast)) == ("13.50", "36.00")
