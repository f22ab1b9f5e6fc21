"""Hourly units of every meter kind, in every zone, exactly, whatever the order of the events (DOMAIN 2)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import count, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterbook.core.metering import Meter, MeterKind
from meterbook.core.period import BillingMonth, BillingZone, billing_zone, day_starts, hour_floor
from meterbook.core.rating import Part
from meterbook.usage.queries import (
    MeteredParts,
    UsageWindow,
    by_window,
    data_through,
    in_parts,
    in_windows,
    is_metered,
    metered,
)
from meterbook.usage.question import Question
from meterbook.usage.store import UsageStore
from tests.usage.sending import AVERAGE, COUNTER, HOUR, LAST, MAXIMUM, METERS, PRESENCE, STOCK, Event, Sender, event

UTC_ZONE = billing_zone("UTC")
NEW_YORK = billing_zone("America/New_York", allow_dst=True)
START = datetime(2026, 6, 1, tzinfo=UTC)
END = datetime(2026, 7, 1, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def use(
    sender: Sender,
    meter: Meter,
    boundaries: Sequence[datetime] = (START, END),
    zone: BillingZone = UTC_ZONE,
    until: datetime | None = None,
    hours_max: int | None = None,
) -> list[tuple[Decimal, int]]:
    found = metered(
        sender.store, [sender.account_id], None, [meter], boundaries, zone, until or boundaries[-1], hours_max=hours_max
    )
    if not found:
        return []
    assert found.keys() == {meter}
    assert found[meter].keys() == {sender.web}
    return [(as_decimal(part.quantity), part.usage_hours) for part in found[meter][sender.web].parts]


def as_decimal(quantity: Fraction) -> Decimal:
    """Write a sum of billionths as a decimal, however long."""
    return Decimal(f"{quantity * 10**9}e-9")


def send_hourly(sender: Sender, hours: Iterable[datetime], **more: str) -> None:
    events = [event(f"{at:%m-%dT%H:%M}/{more}", at, **more) for at in hours]
    assert sender.send(events, now=LATER).accepted == len(events)


def hours_of(month: str, zone: BillingZone) -> list[datetime]:
    of = BillingMonth.parse(month)
    real_hours = (of.ends_at(zone) - of.starts_at(zone)) // HOUR
    return [of.starts_at(zone) + number * HOUR for number in range(real_hours)]


def test_presence_counts_a_resource_once_an_hour(sender: Sender) -> None:
    minutes = [0, 1, 59, 60, 185]
    send_hourly(sender, [START + timedelta(minutes=minute) for minute in minutes])
    send_hourly(sender, [START], resource="host-2", value="0")
    assert use(sender, PRESENCE) == [(Decimal(4), 3)]


def test_gauges(sender: Sender) -> None:
    values = [(0, "4"), (10, "1"), (20, "8"), (50, "2.000000002"), (70, "3")]
    for meter in (MAXIMUM, AVERAGE, LAST):
        for minute, value in values:
            send_hourly(sender, [START + timedelta(minutes=minute)], type_=meter.type, value=value)
    assert use(sender, MAXIMUM) == [(Decimal(11), 2)]
    # 15.000000002 / 4 = 3.7500000005, half up at nine decimals
    assert use(sender, AVERAGE) == [(Decimal("3.750000001") + 3, 2)]
    assert use(sender, LAST) == [(Decimal("2.000000002") + 3, 2)]


def test_a_gauge_sums_over_its_resources(sender: Sender) -> None:
    for resource, value in (("a", "4"), ("b", "0.5"), ("c", "0")):
        send_hourly(sender, [START], type_=MAXIMUM.type, resource=resource, value=value)
    assert use(sender, MAXIMUM) == [(Decimal("4.5"), 1)]


def test_the_last_of_two_at_the_same_moment_is_the_greater(sender: Sender) -> None:
    for value in ("3", "5", "4"):
        send_hourly(sender, [START], type_=LAST.type, value=value)
    assert use(sender, LAST) == [(Decimal(5), 1)]


def test_a_counter_sums_exactly(sender: Sender) -> None:
    values = ["0.000000001", "999999999999999999", "0.1", "0.2"]
    for minute, value in enumerate(values):
        send_hourly(sender, [START + timedelta(minutes=30 * minute)], type_=COUNTER.type, value=value)
    assert use(sender, COUNTER) == [(sum(map(Decimal, values)), 2)]


def test_a_stock_is_lines_by_retention_days(sender: Sender) -> None:
    for hour in (0, 5, 30, 100):
        send_hourly(sender, [START + hour * HOUR], type_=STOCK.type, value="21.5")
    total = Decimal("21.5") * 4 * 3 * 24
    assert use(sender, STOCK) == [(total, 3 * 24)]
    # A day cut by a boundary counts once, where its lines begin.
    assert use(sender, STOCK, (START, START + 3 * HOUR, START + 48 * HOUR, END)) == [
        (total / 4, 24),
        (total / 2, 24),
        (total / 4, 24),
    ]


def test_a_stock_too_large_for_28_digits_is_exact(sender: Sender) -> None:
    values = ["999999999999999999.999999999", "999999999999999999.999999998"]
    for resource, value in zip("ab", values, strict=True):
        send_hourly(sender, [START], type_=STOCK.type, value=value, resource=resource)
    assert use(sender, STOCK) == [(Decimal("143999999999999999999.999999784"), 24)]


def test_one_type_may_feed_two_meters(sender: Sender) -> None:
    send_hourly(sender, [START, START + HOUR], type_=COUNTER.type, value="5")
    both = [COUNTER, Meter(COUNTER.type, MeterKind.presence), Meter(COUNTER.type, MeterKind.stock, retention_days=1)]
    found = metered(sender.store, [sender.account_id], None, both, [START, END], UTC_ZONE, END)
    quantities = {meter: used[sender.web].parts[0].quantity for meter, used in found.items()}
    assert quantities == dict(zip(both, (10, 2, 240), strict=True))


def test_every_interval_has_a_row_and_events_at_a_boundary_belong_to_the_later(sender: Sender) -> None:
    send_hourly(sender, [START - timedelta(microseconds=1), START, START + 2 * HOUR, END - HOUR, END])
    cuts = [START, START + HOUR, START + 2 * HOUR, END]
    assert use(sender, PRESENCE, cuts) == [(Decimal(1), 1), (Decimal(0), 0), (Decimal(2), 2)]
    assert use(sender, COUNTER, cuts) == []


def test_only_events_before_until_count(sender: Sender) -> None:
    send_hourly(sender, [START, START + timedelta(minutes=90)])
    assert use(sender, PRESENCE, until=START + timedelta(minutes=90)) == [(Decimal(1), 1)]
    assert use(sender, PRESENCE, until=START + timedelta(minutes=91)) == [(Decimal(2), 2)]
    assert use(sender, PRESENCE, until=START) == []


def test_projects_and_accounts_are_told_apart(sender: Sender, store: UsageStore) -> None:
    other = Sender(store, sender.account_id + 1_000_000)
    sender.send([event("a", START), event("b", START, subject="batch", resource="x")], now=LATER)
    other.send([event("c", START)], now=LATER)

    def projects(only: list[int] | None) -> set[int]:
        found = metered(store, [sender.account_id], only, METERS, [START, END], UTC_ZONE, END)
        return {project_id for used in found.values() for project_id in used}

    assert projects(None) == {sender.web, sender.batch}
    assert projects([sender.batch]) == {sender.batch}
    assert projects([other.web]) == projects([]) == set()
    assert metered(store, [sender.account_id], None, [], [START, END], UTC_ZONE, END) == {}


@pytest.mark.parametrize(
    ("zone", "minutes", "units"),
    [
        ("UTC", 0, 2),
        ("+05:30", 30, 2),
        ("+05:45", 15, 2),
        ("Asia/Kolkata", 30, 2),
        ("Asia/Tokyo", 0, 2),
        ("UTC", 30, 1),
    ],
)
def test_hours_begin_with_the_zone(sender: Sender, zone: str, minutes: int, units: int) -> None:
    # 14:00 on the clocks of +05:30 is 08:30 UTC.
    turn = START + 8 * HOUR + timedelta(minutes=minutes)
    send_hourly(sender, [turn - timedelta(seconds=1), turn])
    month = BillingMonth.parse("2026-06")
    of = billing_zone(zone)
    assert use(sender, PRESENCE, (month.starts_at(of), month.ends_at(of)), of) == [(Decimal(units), units)]


@pytest.mark.parametrize("name", ["UTC", "Asia/Seoul", "+05:30", "America/New_York"])
def test_a_month_begins_with_the_zone(sender: Sender, name: str) -> None:
    month, zone = BillingMonth.parse("2026-07"), billing_zone(name, allow_dst=True)
    send_hourly(sender, [month.starts_at(zone) - timedelta(seconds=1), month.starts_at(zone)])
    assert use(sender, PRESENCE, (month.starts_at(zone), month.ends_at(zone)), zone) == [(Decimal(1), 1)]


@pytest.mark.parametrize(
    ("month", "real", "capped"), [("2026-03", 743, 743), ("2026-11", 721, 720), ("2026-06", 720, 720)]
)
def test_e13_a_unit_counts_no_more_than_the_reference_hours(sender: Sender, month: str, real: int, capped: int) -> None:
    hours = hours_of(month, NEW_YORK)
    assert len(hours) == real
    send_hourly(sender, hours)
    of = BillingMonth.parse(month)
    bounds = (of.starts_at(NEW_YORK), of.ends_at(NEW_YORK))
    assert use(sender, PRESENCE, bounds, NEW_YORK) == [(Decimal(real), real)]
    assert use(sender, PRESENCE, bounds, NEW_YORK, hours_max=of.reference_hours) == [(Decimal(capped), capped)]
    third = (bounds[0], bounds[0] + 100 * HOUR, bounds[1])
    assert use(sender, PRESENCE, third, NEW_YORK, hours_max=of.reference_hours) == [
        (Decimal(100), 100),
        (Decimal(capped - 100), capped - 100),
    ]


def test_the_cap_takes_each_resources_least_hour(sender: Sender) -> None:
    hours = hours_of("2026-11", NEW_YORK)
    for resource, least, of_hours in (("always", "2", hours), ("almost", "1", hours[1:])):
        send_hourly(sender, of_hours[:1], type_=MAXIMUM.type, resource=resource, value=least)
        send_hourly(sender, of_hours[1:], type_=MAXIMUM.type, resource=resource, value="8")
        send_hourly(sender, of_hours, type_=COUNTER.type, resource=resource, value="1")
    bounds = (hours[0], hours[-1] + HOUR)
    assert use(sender, MAXIMUM, bounds, NEW_YORK, hours_max=720) == [(Decimal(8 * 720 + 1 + 8 * 719), 720)]
    assert use(sender, COUNTER, bounds, NEW_YORK, hours_max=720) == [(Decimal(721 + 720), 720)]


def test_windows_sum_to_the_whole(sender: Sender) -> None:
    hours = hours_of("2026-11", NEW_YORK)
    for resource in ("a", "b"):
        send_hourly(sender, hours[::7], resource=resource)
        send_hourly(sender, hours[::5], resource=resource, type_=AVERAGE.type, value="0.1")
        send_hourly(sender, hours[::3], resource=resource, type_=STOCK.type, value="2")
    send_hourly(sender, hours, resource="c")
    whole = [hours[0], hours[-1] + HOUR]
    days = [*day_starts(whole[0], whole[1], NEW_YORK), whole[1]]
    assert len(days) == 31

    def total(boundaries: Sequence[datetime], by_resource: bool) -> dict[Meter, Decimal]:
        sums: dict[Meter, Decimal] = defaultdict(Decimal)
        for window in windows(boundaries, by_resource):
            sums[window.meter] += window.quantity
        return dict(sums)

    def windows(boundaries: Sequence[datetime], by_resource: bool) -> list[UsageWindow]:
        return by_window(
            sender.store,
            [sender.account_id],
            None,
            METERS,
            boundaries,
            NEW_YORK,
            whole[1],
            by_resource=by_resource,
            hours_max=720,
        )

    expected = total(whole, by_resource=False)
    assert expected[PRESENCE] == 2 * len(hours[::7]) + 720
    for boundaries in (whole, days, [*hours, whole[1]]):
        assert total(boundaries, by_resource=False) == total(boundaries, by_resource=True) == expected
    assert {window.resource for window in windows(days, by_resource=True)} == {"a", "b", "c"}
    assert {window.resource for window in windows(days, by_resource=False)} == {None}
    assert all(window.quantity >= 0 for window in windows([*hours, whole[1]], by_resource=True))


def test_data_through_is_the_end_of_the_latest_events_hour(sender: Sender) -> None:
    def through(zone: str, project: int = sender.web, meter: Meter = PRESENCE) -> datetime | None:
        return data_through(sender.store, sender.account_id, project, [meter], START, END, billing_zone(zone))

    assert through("UTC") is None
    sender.send([event("a", START + timedelta(minutes=40)), event("b", END)], now=LATER)
    assert through("UTC") == START + HOUR
    assert through("+05:30") == START + timedelta(minutes=90)
    assert through("UTC", sender.batch) is None
    assert through("UTC", meter=COUNTER) is None


def test_is_metered(sender: Sender) -> None:
    sender.send([event("a", START)], now=LATER)
    here = [sender.account_id]
    assert is_metered(sender.store, here, PRESENCE.type, START, None)
    assert is_metered(sender.store, None, PRESENCE.type, START, START + HOUR)
    assert not is_metered(sender.store, here, PRESENCE.type, START + HOUR, None)
    assert not is_metered(sender.store, here, PRESENCE.type, START - HOUR, START)
    assert not is_metered(sender.store, here, COUNTER.type, START, None)
    assert not is_metered(sender.store, [], PRESENCE.type, START, None)


def expected_use(
    events: Sequence[Event], meter: Meter, boundaries: Sequence[datetime], zone: BillingZone
) -> list[tuple[Decimal, int]]:
    """Count in the plainest way: what `metered` does in ClickHouse."""
    first: dict[str, Event] = {}
    for one in events:
        first.setdefault(one["id"], one)
    hours: dict[tuple[datetime, str], list[tuple[datetime, Decimal]]] = defaultdict(list)
    for one in first.values():
        at = datetime.fromisoformat(one["time"])
        if one["type"] == meter.type and boundaries[0] <= at < boundaries[-1]:
            hours[hour_floor(at, zone), one["data"]["resource"]].append((at, Decimal(one["data"]["value"])))
    units = {hour: _units(meter, values) for hour, values in hours.items()}
    if not units:
        return []
    counted_days: set[datetime] = set()
    rows = []
    days = day_starts(boundaries[0], boundaries[-1], zone)
    for starts_at, ends_at in pairwise(boundaries):
        inside = {hour: unit for hour, unit in units.items() if starts_at <= hour[0] < ends_at}
        quantity, usage_hours = sum(inside.values(), Decimal(0)), len({hour for hour, _ in inside})
        if meter.retention_days:
            new_days = {max(day for day in days if day <= hour) for hour, _ in inside} - counted_days
            counted_days |= new_days
            quantity, usage_hours = quantity * meter.retention_days * 24, 24 * len(new_days)
        rows.append((quantity, usage_hours))
    return rows


def _units(meter: Meter, values: list[tuple[datetime, Decimal]]) -> Decimal:
    numbers = [number for _, number in values]
    if meter.kind is MeterKind.presence:
        return Decimal(1)
    if meter.kind is not MeterKind.gauge:
        return sum(numbers, Decimal(0))
    if meter == AVERAGE:
        return (sum(numbers, Decimal(0)) / len(numbers)).quantize(Decimal("1e-9"), ROUND_HALF_UP)
    return max(numbers) if meter == MAXIMUM else max(values)[1]


SOME_EVENTS = st.lists(
    st.builds(
        lambda id_, minutes, meter, resource, value: event(
            str(id_), START + timedelta(minutes=minutes), meter.type, resource, str(value)
        ),
        st.integers(0, 40),
        st.integers(-300, 300),
        st.sampled_from(METERS),
        st.sampled_from(["a", "b"]),
        st.decimals(0, 100, places=9, allow_nan=False).map(lambda number: f"{number:f}"),
    ),
    max_size=40,
)
_runs = count(1)


_ORDERS = given(SOME_EVENTS, st.randoms(use_true_random=False), st.sampled_from(["UTC", "+05:30", "-09:30"]))


@pytest.mark.parametrize("store", ["embedded"], indirect=True)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@_ORDERS
def test_order_and_repetition_change_nothing(
    store: UsageStore, events: list[Event], random: object, zone_name: str
) -> None:
    _check_order(store, events, random, zone_name)


@pytest.mark.parametrize("store", ["server", "cluster"], indirect=True)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@_ORDERS
def test_order_and_repetition_change_nothing_over_the_network(
    store: UsageStore, events: list[Event], random: object, zone_name: str
) -> None:
    _check_order(store, events, random, zone_name)


def _check_order(store: UsageStore, events: list[Event], random: object, zone_name: str) -> None:
    run = next(_runs)
    first = list({one["id"]: one for one in reversed(events)}.values())
    zone = billing_zone(zone_name)
    offset = zone.hour_offset
    boundaries = [START - 2 * HOUR + offset, START + offset, START + HOUR + offset, START + 4 * HOUR + offset]
    shuffled = [*first, *first[:10]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    in_order, mixed = Sender(store, 50_000_000 + 2 * run), Sender(store, 50_000_001 + 2 * run)
    if events:
        assert in_order.send(events, now=LATER).accepted == len(first)
        for start in range(0, len(shuffled), 7):
            mixed.send(shuffled[start : start + 7], now=LATER)
    for meter in METERS:
        expected = expected_use(events, meter, boundaries, zone)
        for sender in (in_order, mixed):
            assert use(sender, meter, boundaries, zone) == expected


def test_parts_say_what_was_used_lately_and_until_when(sender: Sender) -> None:
    send_hourly(sender, [START, START + 30 * HOUR])
    boundaries, lately = [START, START + 5 * HOUR, END], START + 24 * HOUR
    question = Question([sender.account_id], None, frozenset(METERS), boundaries, UTC_ZONE, END, recent_from=lately)
    found = in_parts(in_windows(sender.store, question), boundaries)
    parts = tuple(Part(*bounds, Fraction(1), 1) for bounds in pairwise(boundaries))
    assert found == {PRESENCE: {sender.web: MeteredParts(parts, 10**9, START + 30 * HOUR)}}


def test_projects_together(sender: Sender) -> None:
    sender.send([event("a", START), event("b", START, subject="batch"), event("c", START + HOUR)], now=LATER)
    found = metered(sender.store, [sender.account_id], None, METERS, [START, END], UTC_ZONE, END, together=True)
    [(project_id, used)] = found[PRESENCE].items()
    assert (project_id, used.parts) == (0, (Part(START, END, Fraction(3), 2),))
