"""Billing months, zones and hours."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbook.core.money import Money, UnknownCurrency, currency
from meterbook.core.period import (
    HOUR,
    BillingMonth,
    ZoneRefused,
    billing_zone,
    day_starts,
    hour_ceil,
    hour_count,
    hour_floor,
)

ZONES = ["UTC", "Asia/Seoul", "Asia/Tokyo", "Asia/Kolkata", "+05:30", "+09:00", "-03:30", "Asia/Kathmandu"]
instants = st.integers(946684800, 2208988800).map(lambda second: datetime.fromtimestamp(second, UTC))


@pytest.mark.parametrize(("month", "hours"), [("2026-02", 672), ("2028-02", 696), ("2026-06", 720), ("2026-07", 744)])
def test_reference_hours_are_days_times_24(month: str, hours: int) -> None:
    assert BillingMonth.parse(month).reference_hours == hours


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026-6", "0001-01", "june", "2026-06-01", ""])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a month"):
        BillingMonth.parse(text)


def test_months_follow_one_another() -> None:
    assert BillingMonth.parse("2026-12").next() == BillingMonth(2027, 1)
    assert BillingMonth.parse("2026-01").previous() == BillingMonth(2025, 12)


@pytest.mark.parametrize("name", ZONES)
def test_fixed_zones_are_allowed_and_their_months_have_exactly_the_reference_hours(name: str) -> None:
    zone = billing_zone(name)
    month = BillingMonth.parse("2026-03")
    assert hour_count(month.starts_at(zone), month.ends_at(zone)) == 744
    assert zone.local(month.starts_at(zone)).hour == 0


@pytest.mark.parametrize("name", ["America/New_York", "Europe/Berlin"])
def test_zones_that_change_their_clocks_have_to_be_enabled(name: str) -> None:
    with pytest.raises(ZoneRefused, match="changes its clocks"):
        billing_zone(name)
    assert billing_zone(name, allow_dst=True).has_dst


@pytest.mark.parametrize("name", ["Mars/Olympus", "+25:00", "+09:99", "", "../etc/passwd", "EST5EDT\0", "a" * 300])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ZoneRefused):
        billing_zone(name)


def test_a_zone_that_moves_by_half_an_hour_is_refused_even_when_enabled() -> None:
    with pytest.raises(ZoneRefused, match="part of an hour"):
        billing_zone("Australia/Lord_Howe", allow_dst=True)


@given(instants, st.sampled_from(ZONES))
def test_hours_begin_on_the_zones_clock(instant: datetime, name: str) -> None:
    zone = billing_zone(name)
    floor, ceil = hour_floor(instant, zone), hour_ceil(instant, zone)
    assert floor <= instant < floor + HOUR
    assert ceil - floor in (timedelta(0), HOUR)
    assert zone.local(floor).minute == zone.local(floor).second == 0


@given(st.integers(2000, 2040), st.integers(1, 12), st.sampled_from([*ZONES, "America/New_York"]))
def test_days_cover_the_month_once(year: int, number: int, name: str) -> None:
    zone, month = billing_zone(name, allow_dst=True), BillingMonth(year, number)
    starts = day_starts(month.starts_at(zone), month.ends_at(zone), zone)
    assert len(starts) == month.days
    assert [zone.local(start).day for start in starts] == list(range(1, month.days + 1))


def test_currencies_have_their_digits_and_custom() -> None:
    assert (currency("USD").digits, currency("KRW").digits, currency("KWD").digits) == (2, 0, 3)
    assert (currency("USD").rounding, currency("JPY").rounding) == ("half_up", "down")
    no_currency = "X" * 3  # as ISO 4217 writes that there is none
    with pytest.raises(UnknownCurrency):
        currency(no_currency)


@pytest.mark.parametrize(
    "text",
    [
        "12.345",
        "abc",
        "",
        "NaN",
        "1e9999",
        "Infinity",
        "1e3",
        "1E2",
        "\uff15",
        "\u0665",
        "1_000",
        "+5",
        " 5",
        "5 ",
        "5\n",
        "5.",
        ".5",
        "1,5",
        "1" * 5_000,
        f"1.{'0' * 35}1",
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        Money.parse(text, currency("USD"))


def test_an_amount_reads_back() -> None:
    assert str(Money.parse("-12.04", currency("USD"))) == "-12.04"
    assert str(Money.parse("7", currency("KRW"))) == "7"
    assert str(Money.parse(f"7.{'0' * 50}", currency("KRW"))) == "7"
    assert Money.parse("10000000000000000.00", currency("USD")).minor == 10**18
    with pytest.raises(ValueError, match="is not an amount"):
        Money.parse("10000000000000000.01", currency("USD"))
