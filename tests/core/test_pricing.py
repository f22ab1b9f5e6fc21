"""Price models beyond the worked examples: packages, free quantities, minimums, flat fees, and what is refused."""

from datetime import timedelta
from decimal import Decimal

import pytest

from meterbook.core.metering import Hourly, Meter, MeterKind
from meterbook.core.pricing import FreeUnit, Per, Price, PriceInvalid, PriceModel
from meterbook.core.rating import Waiver
from tests.core.months import Spell, drafted, frame_of, price, product, trial, utc

FRAME = frame_of("2026-06")
HALF = FRAME.starts_at + timedelta(hours=360)


def spell(units: str, code: str = "server", until: object = None) -> Spell:
    return ("web", code, FRAME.starts_at, until or FRAME.ends_at, Decimal(units))  # type: ignore[return-value]


def lines(item, *spells: Spell, **how: object) -> list[tuple[str, str]]:  # type: ignore[no-untyped-def]
    draft = drafted(FRAME, [item], spells, **how)  # type: ignore[arg-type]
    return [(line.charge.formula, str(line.amount)) for line in draft.lines]


def test_free_unit_hours_of_a_month() -> None:
    item = product("server", price("12.00", free_quantity=Decimal(1000), free_unit=FreeUnit.unit_hours))
    assert lines(item, spell("3")) == [("12.00 x (2,160 h - 1,000 h free) / 720 h", "19.33")]


def test_free_quantity_runs_on_over_a_price_change() -> None:
    free = {"free_quantity": Decimal(2), "free_unit": FreeUnit.quantity}
    item = product("server", price("12.00", **free), price("24.00", since=HALF, **free))
    assert lines(item, spell("3")) == [
        ("12.00 x (1,080 h - 1,080 h free) / 720 h", "0.00"),
        ("24.00 x (1,080 h - 360 h free) / 720 h", "24.00"),
    ]


def test_tiers_run_on_over_a_price_change() -> None:
    tiers = [("10", "5"), (None, "3")]
    doubled = [("10", "10"), (None, "6")]
    item = product(
        "log",
        price(model=PriceModel.graduated, tiers=tiers),
        price(model=PriceModel.graduated, tiers=doubled, since=HALF),
        kind=MeterKind.stock,
    )
    # 16 units: 8 in the first half; the second half begins in the first tier and ends in the second
    assert lines(item, spell("16", "log")) == [
        ("5 x 5,760 h / 720 h", "40.00"),
        ("(10 x 1,440 h + 6 x 4,320 h) / 720 h", "56.00"),
    ]


def test_the_smallest_prices_are_written_in_full() -> None:
    item = product("requests", price("0.0000002", per=Per.quantity), kind=MeterKind.counter)
    spells = ("web", "requests", FRAME.starts_at, FRAME.ends_at, Decimal(123_456_789))
    assert lines(item, spells) == [("0.0000002 x 123,456,789", "24.69")]


def test_a_package_once_begun_is_bought() -> None:
    item = product(
        "sessions",
        price("2.00", model=PriceModel.package, per=Per.quantity, package_size=Decimal(1000)),
        kind=MeterKind.counter,
    )
    assert lines(item, spell("2001", "sessions")) == [("2.00 x 3 packages of 1,000 (2,001)", "6.00")]


def test_a_flat_fee_accrues_by_the_hour() -> None:
    item = product("support", price("100.00", model=PriceModel.flat))
    assert lines(item, spell("1", "support")) == [("100.00", "100.00")]
    at = FRAME.starts_at + timedelta(hours=180)
    assert lines(item, spell("1", "support"), at=at) == [("100.00 x 180 h / 720 h", "25.00")]


@pytest.mark.parametrize(
    "charged",
    [
        price("100.00", model=PriceModel.flat),
        price("12.00", minimum_amount=Decimal(5)),
    ],
)
def test_what_was_used_in_a_trial_alone_brings_no_fee_and_no_minimum(charged: Price) -> None:
    item = product("server", charged)
    used = ("web", "server", FRAME.starts_at, FRAME.starts_at + timedelta(hours=5), Decimal(1))
    assert lines(item, used, projects=[trial("web", HALF)]) == [("trial: not charged", "0.00")]
    later = ("web", "server", HALF, HALF + timedelta(hours=5), Decimal(1))
    assert len(lines(item, used, later, projects=[trial("web", HALF)])) == 2


def test_a_flat_fee_by_the_hour_counts_hours_of_use() -> None:
    item = product("support", price("0.50", model=PriceModel.flat, per=Per.hour))
    assert lines(item, spell("7", "support", HALF)) == [("0.50 x 360 h", "180.00")]


def test_a_minimum_tops_the_month_up() -> None:
    item = product("server", price("12.00", minimum_amount=Decimal(100)))
    assert lines(item, spell("3")) == [("minimum 100 (used: 12.00 x 2,160 h / 720 h)", "100.00")]
    assert lines(item, spell("10")) == [("12.00 x 7,200 h / 720 h", "120.00")]


def test_a_minimum_runs_on_over_a_price_change() -> None:
    low, high = price("12.00", minimum_amount=Decimal(100)), price("120.00", since=HALF, minimum_amount=Decimal(100))
    assert [amount for _, amount in lines(product("server", low, high), spell("1"))] == ["50.00", "50.00"]
    assert [amount for _, amount in lines(product("server", low, high), spell("2"))] == ["50.00", "82.00"]


def test_usage_without_a_price_is_shown_and_costs_nothing() -> None:
    item = product("server", price("12.00", since=HALF))
    draft = drafted(FRAME, [item], [spell("1")])
    assert [(line.charge.waiver, str(line.amount)) for line in draft.lines] == [
        (Waiver.unpriced, "0.00"),
        (None, "6.00"),
    ]


def test_a_price_from_a_whole_utc_hour_waits_for_the_zones_next_hour() -> None:
    frame = frame_of("2026-06", "+05:30")
    change = utc("2026-06-16T00:00+00:00")
    item = product("server", price("12.00"), price("24.00", since=change))
    draft = drafted(frame, [item], [("web", "server", frame.starts_at, frame.ends_at, Decimal(1))])
    assert draft.lines[1].charge.starts_at == change + timedelta(minutes=30)


def test_average_cost_is_of_time_based_lines_alone() -> None:
    frame = frame_of("2014-04")
    requests = product("requests", price("0.0004", per=Per.quantity), kind=MeterKind.counter)
    server = product("server", price("12.00"))
    spells = [
        ("shop", "server", frame.starts_at, frame.ends_at, Decimal(3)),
        ("shop", "requests", frame.starts_at, frame.ends_at, Decimal(249327)),
    ]
    draft = drafted(frame, [server, requests], spells)
    (group,) = draft.groups("project")
    assert (str(group.total_cost), group.total_time, group.average_cost) == ("135.73", 2160, Decimal("0.0167"))
    counters, _ = draft.groups("product")
    assert (counters.key, counters.total_time, counters.average_cost) == ("requests", None, None)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("tiers", {"model": PriceModel.graduated}),
        ("tiers", {"unit_price": "1", "tiers": [(None, "1")]}),
        ("unit_price", {}),
        ("unit_price", {"unit_price": "-1"}),
        ("unit_price", {"unit_price": "NaN"}),
        ("package_size", {"unit_price": "1", "model": PriceModel.package}),
        ("package_size", {"unit_price": "1", "model": PriceModel.package, "package_size": Decimal(0)}),
        ("free_unit", {"unit_price": "1", "free_quantity": Decimal(1)}),
        ("per", {"unit_price": "1", "model": PriceModel.flat, "per": Per.quantity}),
        ("minimum_amount", {"unit_price": "1", "minimum_amount": Decimal(-1)}),
        ("tiers", {"model": PriceModel.volume, "tiers": [("5", "1"), ("5", "1"), (None, "1")]}),
        ("tiers", {"model": PriceModel.volume, "tiers": [("5", "1")]}),
        ("tiers", {"model": PriceModel.volume, "tiers": [(None, "1"), (None, "1")]}),
        ("tiers", {"model": PriceModel.volume, "tiers": [("5", "-1"), (None, "1")]}),
    ],
)
def test_a_price_that_contradicts_itself_names_its_field(field: str, arguments: dict[str, object]) -> None:
    with pytest.raises(PriceInvalid) as refused:
        price(**arguments)  # type: ignore[arg-type]
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("kind", "each"),
    [
        (MeterKind.counter, price("1", per=Per.month)),
        (MeterKind.presence, price("1", per=Per.quantity)),
        (
            MeterKind.counter,
            price("1", per=Per.quantity, free_quantity=Decimal(1), free_unit=FreeUnit.unit_hours),
        ),
    ],
)
def test_a_price_has_to_fit_its_meter(kind: MeterKind, each) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PriceInvalid):
        product("x", each, kind=kind)


@pytest.mark.parametrize(
    ("kind", "hourly", "retention"),
    [
        (MeterKind.stock, Hourly.max, None),
        (MeterKind.stock, Hourly.max, 0),
        (MeterKind.presence, Hourly.max, 3),
        (MeterKind.counter, Hourly.last, None),
    ],
)
def test_a_meter_that_contradicts_itself_is_refused(kind: MeterKind, hourly: Hourly, retention: int | None) -> None:
    with pytest.raises(ValueError, match=r"stock|day|gauge"):
        Meter("x", kind, hourly, retention)
