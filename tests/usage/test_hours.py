"""What is behind a metered figure: hours with their resources, an hour's raw events, all by the rules of the sums."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from meterbook.core.metering import Meter, MeterKind
from meterbook.core.period import BillingMonth, BillingZone, billing_zone, day_starts
from meterbook.errors import Invalid
from meterbook.usage.hours import UsageHour, events_between, hours_by_resource, hours_of_days, received_since
from meterbook.usage.queries import by_window
from tests.usage.sending import AVERAGE, COUNTER, HOUR, LAST, MAXIMUM, METERS, PRESENCE, STOCK, Sender, event

UTC_ZONE = billing_zone("UTC")
KOLKATA = billing_zone("Asia/Kolkata")
START = datetime(2026, 6, 1, tzinfo=UTC)
END = datetime(2026, 7, 1, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)
DAYS = [*day_starts(START, END, UTC_ZONE), END]


def hours(
    sender: Sender,
    meter: Meter,
    opened: int = 0,
    zone: BillingZone = UTC_ZONE,
    most: int = 3,
    named: datetime | None = None,
    received_through: datetime | None = None,
    until: datetime = END,
) -> list[UsageHour]:
    month = BillingMonth.parse("2026-06")
    bounds = [*day_starts(month.starts_at(zone), month.ends_at(zone), zone), month.ends_at(zone)]
    return hours_of_days(
        sender.store,
        sender.account_id,
        sender.web,
        meter,
        bounds,
        [bounds[opened]],
        zone,
        until,
        resources_max=most,
        named=named,
        named_max=7,
        received_through=received_through,
    )


def test_a_resource_is_noticed_in_the_hour_it_is_first_seen_in(sender: Sender) -> None:
    first = START + timedelta(hours=14, minutes=5)
    sender.send([event(f"a{at}", START + at * HOUR, resource="host-a") for at in range(48)], now=LATER)
    sender.send([event("b", first, resource="host-b"), event("c", first + 24 * HOUR, resource="host-b")], now=LATER)
    day = hours(sender, PRESENCE)
    assert [hour.units for hour in day] == [2 if number == 14 else 1 for number in range(24)]
    assert [(each.name, each.first_seen_at) for each in day[14].resources] == [("host-b", first), ("host-a", None)]
    assert day[0].resources[0].first_seen_at is None
    again = hours(sender, PRESENCE, opened=1)
    assert [each.first_seen_at for each in again[14].resources] == [None, None]


def test_who_counts_most_is_named_and_the_others_are_counted(sender: Sender) -> None:
    for number in range(9):
        values = (("requests", str(number)), ("cores", str(number)), ("host.seen", "1"))
        sender.send(
            [event(f"{type_}{number}", START, type_, f"r{number}", value) for type_, value in values], now=LATER
        )
    for meter, named in ((COUNTER, ["r8", "r7"]), (MAXIMUM, ["r8", "r7"]), (PRESENCE, ["r0", "r1"])):
        (hour,) = hours(sender, meter, most=2)
        assert hour.resource_count == 9
        assert hour.units == (9 if meter is PRESENCE else 36)
        assert [each.name for each in hour.resources] == named


def test_hours_read_again_are_those_of_now(sender: Sender) -> None:
    at = [START + timedelta(hours=34, minutes=minutes) for minutes in (5, 40)]
    sender.send([event(str(number), at[number], COUNTER.type, value="1") for number in range(2)], now=LATER)
    middle = START + timedelta(hours=34, minutes=30)
    for until, units in ((middle, 1), (at[1], 1), (at[1] + timedelta(microseconds=1), 2), (middle, 1), (END, 2)):
        assert [hour.units for hour in hours(sender, COUNTER, 1, until=until)] == [units]
        assert hours(sender, COUNTER, until=until) == []
    sender.send([event("late", START + 3 * HOUR, COUNTER.type, value="7")], now=LATER)
    assert [hour.units for hour in hours(sender, COUNTER, until=middle)] == [7]
    assert [hour.units for hour in hours(sender, COUNTER, 1, until=middle)] == [1]
    assert [hour.resources[0].first_seen_at for hour in hours(sender, COUNTER, 1, until=middle)] == [None]


@pytest.mark.parametrize("zone", [UTC_ZONE, KOLKATA])
def test_more_are_named_in_the_one_hour_that_is_asked_for(sender: Sender, zone: BillingZone) -> None:
    first = BillingMonth.parse("2026-06").starts_at(zone)
    for at in (first, first + HOUR):
        sender.send([event(f"{at}{number}", at, resource=f"r{number}") for number in range(9)], now=LATER)
    for named, counts in ((first, [7, 2]), (first + HOUR, [2, 7]), (first + 2 * HOUR, [2, 2]), (None, [2, 2])):
        day = hours(sender, PRESENCE, zone=zone, most=2, named=named)
        assert [len(hour.resources) for hour in day] == counts
        assert {hour.resource_count for hour in day} == {9}


@pytest.mark.parametrize("store", ["embedded", "cluster"], indirect=True)
@pytest.mark.parametrize("meter", METERS)
@pytest.mark.parametrize("zone", [UTC_ZONE, KOLKATA])
def test_hours_add_up_to_the_sums_of_their_day(sender: Sender, meter: Meter, zone: BillingZone) -> None:
    sent = [
        event(f"{number}", START + timedelta(minutes=37 * number), meter.type, f"r{number % 5}", f"{number}.000000001")
        for number in range(150)
    ]
    assert sender.send(sent, now=LATER).accepted == 150
    month = BillingMonth.parse("2026-06")
    bounds = [*day_starts(month.starts_at(zone), month.ends_at(zone), zone), month.ends_at(zone)]
    whole = by_window(sender.store, [sender.account_id], [sender.web], [meter], bounds, zone, END)
    for window in whole:
        day = hours(sender, meter, bounds.index(window.starts_at), zone)
        factor = (meter.retention_days or 0) * 24 if meter.kind is MeterKind.stock else 1
        assert sum(hour.units for hour in day) * factor == window.quantity
        assert {hour.starts_at.minute for hour in day} == {zone.hour_offset.seconds // 60}
    by_resource = list(
        hours_by_resource(sender.store, sender.account_id, sender.web, [meter], bounds[0], bounds[-1], zone)
    )
    assert sum(row.quantity for row in by_resource) == sum(window.quantity for window in whole)
    assert [row.starts_at for row in by_resource] == sorted(row.starts_at for row in by_resource)
    assert {row.resource for row in by_resource} == {f"r{number}" for number in range(5)}


def test_hours_of_resources_end_in_the_middle_of_one(sender: Sender) -> None:
    minutes = (0, 65, 80, 85, 100)
    sender.send([event(str(minute), START + timedelta(minutes=minute), COUNTER.type) for minute in minutes], now=LATER)
    ends_at = START + timedelta(minutes=85, microseconds=1)
    found = hours_by_resource(sender.store, sender.account_id, sender.web, [COUNTER], START, ends_at, UTC_ZONE)
    assert [(row.starts_at, row.quantity) for row in found] == [(START, 1), (START + HOUR, 3)]


def test_hours_of_each_kind(sender: Sender) -> None:
    values = [(0, "4"), (10, "1"), (20, "8"), (50, "3")]
    for meter in METERS:
        for minute, value in values:
            at = START + timedelta(minutes=minute)
            sender.send([event(f"{meter.type}{minute}", at, meter.type, value=value)], now=LATER)
    found = {meter: hours(sender, meter)[0].units for meter in METERS}
    assert found == {PRESENCE: 1, MAXIMUM: 8, AVERAGE: 4, LAST: 3, COUNTER: 16, STOCK: 16}


def test_events_come_page_by_page_in_order_each_once(sender: Sender) -> None:
    sent = [
        event(f"e{number}", START + timedelta(seconds=number // 8), value=str(number), source=f"s{number % 2}")
        for number in range(40)
    ]
    sent[0]["data"]["region"] = "eu\n<b>"
    sender.send(sent + sent, now=LATER)
    sender.send([event("other", START, "requests"), event("theirs", START, subject="batch")], now=LATER)
    seen, after = [], ""
    while True:
        page, cursor = events_between(
            sender.store, sender.account_id, sender.web, "host.seen", START, START + HOUR, after=after, limit=3
        )
        seen += page
        if cursor is None:
            break
        after = cursor
    assert sorted(each.id for each in seen) == sorted(f"e{number}" for number in range(40))
    assert [each.at for each in seen] == sorted(each.at for each in seen)
    first = next(each for each in seen if each.id == "e0")
    assert (first.source, first.value, first.dimensions) == ("s0", Decimal(0), {"region": "eu\n<b>"})


@pytest.mark.parametrize("cursor", ["x", "1-", "99999999999999999-" + "0" * 32, "1-" + "g" * 32, "\n"])
def test_a_cursor_that_was_never_given_is_refused(sender: Sender, cursor: str) -> None:
    with pytest.raises(Invalid):
        events_between(
            sender.store, sender.account_id, sender.web, "host.seen", START, START + HOUR, after=cursor, limit=3
        )


def test_what_came_later_is_left_out_and_can_be_told(sender: Sender) -> None:
    sender.send([event("early", START), event("next", END)], now=LATER)
    known = sender.store.received_through()
    types, before = ["host.seen", "cores"], datetime(2026, 1, 1, tzinfo=UTC)
    spans = [(START, START + 24 * HOUR, known), (START + 48 * HOUR, END, known), (END, END + HOUR, before)]

    def late() -> set[tuple[str, datetime]]:
        return set(received_since(sender.store, sender.account_id, sender.web, types, spans))

    assert late() == {("host.seen", END)}
    sender.send([event("late", START, resource="late"), event("other", START, "requests")], now=LATER)
    sender.send([event("between", START + 30 * HOUR), event("theirs", START, "cores", subject="batch")], now=LATER)
    assert late() == {("host.seen", START), ("host.seen", END)}
    (then,), (now,) = hours(sender, PRESENCE, received_through=known), hours(sender, PRESENCE)
    assert (then.units, now.units) == (1, 2)
    page, _ = events_between(
        sender.store, sender.account_id, sender.web, "host.seen", START, END, received_through=known
    )
    assert [each.id for each in page] == ["early"]
    assert received_since(sender.store, sender.account_id, sender.web, types, []) == frozenset()


def test_nothing_is_read_when_nothing_is_open(sender: Sender) -> None:
    args = (sender.store, sender.account_id, sender.web, LAST, DAYS)
    assert hours_of_days(*args, [], UTC_ZONE, END, resources_max=3) == []
    assert hours_of_days(*args, [START], UTC_ZONE, START, resources_max=3) == []
