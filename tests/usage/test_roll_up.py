"""The roll-up counts what the events count, in whatever order they come in and wherever it stands."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterbook.core.metering import Meter
from meterbook.core.period import BillingZone, billing_zone, day_starts, hour_floor
from meterbook.usage import roll_up
from meterbook.usage.first_use import first_use
from meterbook.usage.queries import by_window, metered
from meterbook.usage.store import UsageStore
from tests.usage.sending import COUNTER, HOUR, MAXIMUM, METERS, PRESENCE, Event, Sender, event
from tests.usage.test_metering import END, LATER, START, UTC_ZONE, as_decimal, expected_use

ZONES = ["UTC", "+05:30", "-09:30", "+05:45", "Asia/Seoul", "America/New_York"]
_runs = count(1)


def begin(sender: Sender, zone: BillingZone = UTC_ZONE) -> None:
    """Have the account's roll-up made, as its first reading does, and wait for it."""
    sender.store.rolled([sender.account_id], zone)
    sender.store._roll_up.begin()
    assert sender.store.rolled([sender.account_id], zone)


def use(
    sender: Sender,
    meter: Meter,
    boundaries: Sequence[datetime],
    zone: BillingZone,
    until: datetime,
    received_through: datetime | None = None,
) -> list[tuple[Decimal, int]]:
    found = metered(
        sender.store, [sender.account_id], None, [meter], boundaries, zone, until, received_through=received_through
    )
    if not found:
        return []
    return [(as_decimal(part.quantity), part.usage_hours) for part in found[meter][sender.web].parts]


SOME = st.lists(
    st.builds(
        lambda id_, minutes, meter, resource, value: event(
            str(id_), START + timedelta(minutes=minutes), meter.type, resource, str(value)
        ),
        st.integers(0, 60),
        st.integers(-2000, 3500),
        st.sampled_from(METERS),
        st.sampled_from(["a", "b"]),
        st.decimals(0, 100, places=9, allow_nan=False).map(lambda number: f"{number:f}"),
    ),
    max_size=30,
)
# Of some histories everything happens within hours: then all that is new is of the newest of them.
SLOWNESS = st.sampled_from([1, 10])
MINUTES = st.integers(-2100, 3600)


_HISTORIES = st.tuples(
    st.lists(st.tuples(SOME, st.booleans()), min_size=1, max_size=4),
    st.sampled_from(ZONES),
    st.lists(MINUTES, min_size=2, max_size=5, unique=True),
    MINUTES,
    st.integers(0, 4),
    SLOWNESS,
)
_History = tuple[list[tuple[list[Event], bool]], str, list[int], int, int, int]


@pytest.mark.parametrize("store", ["embedded"], indirect=True)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_HISTORIES)
def test_a_reading_of_the_roll_up_is_one_of_the_events(store: UsageStore, history: _History) -> None:
    _check_history(store, history)


@pytest.mark.parametrize("store", ["server", "cluster"], indirect=True)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_HISTORIES)
def test_over_the_network_it_is_so_too(store: UsageStore, history: _History) -> None:
    _check_history(store, history)


def _check_history(store: UsageStore, history: _History) -> None:
    batches, zone_name, cuts, until, before, slowness = history
    sender, zone = Sender(store, 90_000_000 + next(_runs)), billing_zone(zone_name, allow_dst=True)
    begin(sender, zone)
    known: list[list[Event]] = [[]]
    moments = [store.received_through()]
    for batch, is_rolled_up in batches:
        sent = [one | {"time": _nearer(one["time"], slowness)} for one in batch]
        if sent:
            sender.send(sent, now=LATER)
        known.append([*known[-1], *sent])
        moments.append(store.received_through())
        if is_rolled_up:
            store._roll_up.go_on()
    bounds = sorted({hour_floor(START + timedelta(minutes=cut), zone) for cut in cuts})
    boundaries = bounds if len(bounds) > 1 else [*bounds, bounds[0] + HOUR]
    ends = START + timedelta(minutes=until) / slowness
    at = before % len(moments)
    for _ in range(2):
        for events, received_through in ((known[-1], None), (known[at], moments[at])):
            first = {one["id"]: one for one in reversed(events)}.values()
            counted = [one for one in first if datetime.fromisoformat(one["time"]) < ends]
            for meter in METERS:
                expected = expected_use(counted, meter, boundaries, zone)
                assert use(sender, meter, boundaries, zone, ends, received_through) == expected
        store._roll_up.go_on()
    assert store.faults() == []


def _nearer(time: str, slowness: int) -> str:
    return (START + (datetime.fromisoformat(time) - START) / slowness).isoformat()


def test_days_and_hours_of_the_roll_up_add_up(sender: Sender) -> None:
    events = [
        event(f"{meter.type}-{hour}-{resource}", START + hour * HOUR, meter.type, resource, f"{hour}.5")
        for meter in METERS
        for hour in range(0, 60, 7)
        for resource in "ab"
    ]
    assert sender.send(events, now=LATER).accepted == len(events)
    whole = [START, START + 72 * HOUR]
    days, hours = [*day_starts(*whole, UTC_ZONE), whole[1]], [START + n * HOUR for n in range(73)]
    asked = (sender.store, [sender.account_id], None, METERS)
    some = (whole, days, hours, hours[5:31], hours[7:9])
    of_events = [by_window(*asked, bounds, UTC_ZONE, END) for bounds in some]
    begin(sender)
    assert [by_window(*asked, bounds, UTC_ZONE, END) for bounds in some] == of_events
    half = START + timedelta(hours=14, minutes=30)
    assert by_window(*asked, hours, UTC_ZONE, half) == [row for row in of_events[2] if row.starts_at < half]


def test_hours_that_change_after_they_were_rolled_up(sender: Sender) -> None:
    hours = [START + n * HOUR for n in range(73)]
    begin(sender)
    for resource, step in (("a", 7), ("b", 5), ("a", 3)):
        sender.send(
            [
                event(f"{meter.type}-{step}-{hour}", hours[hour], meter.type, resource, f"{hour}.{step}")
                for meter in METERS
                for hour in range(0, 60, step)
            ],
            now=LATER,
        )
        sender.store._roll_up.go_on()
        asked = (sender.store, [sender.account_id], None, METERS, hours, UTC_ZONE, END)
        of_events: dict[tuple[Meter, datetime], Decimal] = {}
        for row in by_window(*asked, by_resource=True):
            of_events[row.meter, row.starts_at] = of_events.get((row.meter, row.starts_at), Decimal(0)) + row.quantity
        rolled = by_window(*asked)
        assert {(row.meter, row.starts_at): row.quantity for row in rolled} == of_events
        assert all(row.usage_hours == 1 for row in rolled if row.meter.retention_days is None)
        assert len(rolled) == len(of_events)


@pytest.mark.parametrize("store", ["embedded"], indirect=True)
@pytest.mark.parametrize("rows_at_once", [3, 10, 1000])
def test_in_portions_it_is_the_same(sender: Sender, monkeypatch: pytest.MonkeyPatch, rows_at_once: int) -> None:
    monkeypatch.setattr(roll_up, "_ROWS_AT_ONCE", rows_at_once)
    senders = [Sender(sender.store, 95_000_000 + next(_runs)) for _ in range(3)]
    days = [START + 24 * day * HOUR for day in range(61)]
    for number, one in enumerate(senders, start=1):
        one.send(
            [event(f"a{day}", days[day], COUNTER.type, value=str(number)) for day in range(0, 60, 4 * number)],
            now=LATER,
        )
    asked = (sender.store, [one.account_id for one in senders], None, [COUNTER], days, UTC_ZONE, days[-1])
    of_events = by_window(*asked)
    assert {row.project_id for row in of_events} == {one.web for one in senders}
    sender.store.rolled(asked[1], UTC_ZONE)
    sender.store._roll_up.begin()
    assert by_window(*asked) == of_events
    senders[0].send([event(f"b{day}", days[day], COUNTER.type, value="7") for day in range(0, 60, 3)], now=LATER)
    of_events = by_window(*asked)
    sender.store._roll_up.go_on()
    assert by_window(*asked) == of_events
    assert sender.store.faults() == []


def test_events_that_come_in_as_they_happen(sender: Sender) -> None:
    zone = billing_zone("+05:30")
    noon = hour_floor(START + 12 * HOUR, zone)
    bounds = [noon - 36 * HOUR, noon - 24 * HOUR, noon, noon + 12 * HOUR, noon + 36 * HOUR]
    sent = [
        event(f"{meter.type}-{hour}", noon + hour * HOUR, meter.type, value=f"{abs(hour)}.5")
        for meter in METERS
        for hour in range(-36, 30, 3)
    ]
    sender.send(sent, now=LATER)
    begin(sender, zone)
    for hours_ago, until in ((0, 15 * HOUR), (1, 24.5 * HOUR), (2, 12 * HOUR), (3, 24 * HOUR), (30, 23.9 * HOUR)):
        at = noon + until - timedelta(minutes=3) - hours_ago * HOUR
        new = [event(f"{meter.type}-{until}", at, meter.type, f"r{hours_ago}", "7.25") for meter in METERS]
        sender.send(new, now=LATER)
        sent += new
        counted = [one for one in sent if datetime.fromisoformat(one["time"]) < noon + until]
        for meter in METERS:
            assert use(sender, meter, bounds, zone, noon + until) == expected_use(counted, meter, bounds, zone)
        if hours_ago == 2:
            sender.store._roll_up.go_on()
    assert sender.store.faults() == []


def test_late_events_and_those_ahead_of_the_moment_asked_for(sender: Sender) -> None:
    sender.send([event("a", START), event("b", START + timedelta(minutes=40), resource="host-2")], now=LATER)
    begin(sender)
    half = START + timedelta(minutes=30)
    assert use(sender, PRESENCE, [START, END], UTC_ZONE, half) == [(Decimal(1), 1)]
    sender.send([event("c", START + timedelta(minutes=10), resource="host-3")], now=LATER)
    assert use(sender, PRESENCE, [START, END], UTC_ZONE, half) == [(Decimal(2), 1)]
    assert use(sender, PRESENCE, [START, END], UTC_ZONE, END) == [(Decimal(3), 1)]
    sender.store._roll_up.go_on()
    assert use(sender, PRESENCE, [START, END], UTC_ZONE, half) == [(Decimal(2), 1)]
    assert use(sender, PRESENCE, [START, END], UTC_ZONE, END) == [(Decimal(3), 1)]


def test_a_step_may_be_repeated(sender: Sender) -> None:
    sender.send([event("a", START, MAXIMUM.type, value="3"), event("b", START, COUNTER.type, value="2")], now=LATER)
    begin(sender)
    roll_up, moment = sender.store._roll_up, sender.store.received_through()
    before = roll_up._seen
    for _ in range(3):
        roll_up._seen = before
        sender.send([event("c", START, MAXIMUM.type, value="5")], now=LATER)
        roll_up.go_on()
        with roll_up._steps.held():
            roll_up._add(
                [sender.account_id], 0, datetime.fromtimestamp(0, UTC_ZONE.tzinfo), sender.store.received_through()
            )
    assert use(sender, MAXIMUM, [START, END], UTC_ZONE, END) == [(Decimal(5), 1)]
    assert use(sender, COUNTER, [START, END], UTC_ZONE, END) == [(Decimal(2), 1)]
    assert use(sender, MAXIMUM, [START, END], UTC_ZONE, END, moment) == [(Decimal(3), 1)]
    assert sender.store.faults() == []


@pytest.mark.parametrize("zone_name", ZONES)
def test_since_when_anything_is_used_is_told_wherever_the_roll_up_stands(store: UsageStore, zone_name: str) -> None:
    sender, zone = Sender(store, 95_000_000 + next(_runs)), billing_zone(zone_name, allow_dst=True)

    def first() -> datetime | None:
        return first_use(store, [sender.account_id, 1_000_000_000], zone).get(sender.account_id)

    assert first() is None
    for step, is_rolled_up in enumerate((False, True, False, True)):
        at = START - step * 50 * HOUR
        sender.send([event(f"{step}", at), event(f"{step}-later", at + HOUR)], now=LATER)
        for _ in range(2):
            found = first()
            assert found is not None
            assert timedelta(0) <= at - found < timedelta(days=1)
            if is_rolled_up:
                begin(sender, zone)
                store._roll_up.go_on()
