"""Events over HTTP, well made and badly: what is wrong is refused alone, its neighbours kept, none counts twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.doors.conftest import Served
from tests.doors.sending import BATCH, LINES, SINGLE, Event, counted, event, post, sender


@pytest.fixture(scope="module")
def key(served: Served) -> str:
    return sender(served)


def ahead(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


WRONG: list[tuple[Event, str]] = [
    (event(id=...), "no id"),
    (event(id=""), "no id"),
    (event(id=None), "no id"),
    (event(id=7), "id is not a string"),
    (event(id="nul\0inside"), "id holds a control character"),
    (event(id="x" * 257), "id is longer than 256 bytes"),
    (event(source=...), "no source"),
    (event(source="a\nb"), "source holds a control character"),
    (event(specversion=...), 'no specversion: it is "1.0"'),
    (event(specversion="0.3"), 'specversion is not "1.0"'),
    (event(type=...), "no type"),
    (event(type="nothing.known"), "unknown type, no product is metered by it: nothing.known"),
    (event(subject=...), "no subject: it names the project"),
    (event(subject="nowhere"), "unknown project: nowhere"),
    (event(subject="bad-foreign"), "unknown project: bad-foreign"),
    (event(subject="BAD"), "unknown project: BAD"),
    (event(time=...), "no time"),
    (event(time=1_780_000_000), "time is not an RFC 3339 instant such as 2026-11-20T10:00:00Z: '1780000000'"),
    (event(time="yesterday"), "time is not an RFC 3339 instant such as 2026-11-20T10:00:00Z: 'yesterday'"),
    (event(time="2026-02-30T10:00:00Z"), "time is not an RFC 3339 instant such as"),
    (event(time="2026-06-01T10:30:00"), "time has no zone, write 2026-06-01T10:30:00Z if it is UTC"),
    (event(time="0001-01-01T00:00:00+14:00"), "time is before 1970"),
    (event(time="1969-12-31T23:59:59Z"), "time is before 1970"),
    (event(time="9999-12-31T23:59:59-14:00"), "time is more than an hour ahead: 10000-01-01 13:59:59"),
    (event(time="2199-01-01T00:00:00Z"), "time is more than an hour ahead: "),
    (event(data={}), "no value"),
    (event(data=...), "no value"),
    (event(data="10"), "data is not an object"),
    (event(data=[{"value": "10"}]), "data is not an object"),
    (event(data={"value": "-1"}), "value is negative: -1"),
    (event(data={"value": -1}), "value is negative: -1"),
    (event(data={"value": "NaN"}), "value is not finite: NaN"),
    (event(data={"value": "Infinity"}), "value is not finite: Infinity"),
    (event(data={"value": "1e400"}), "value is too large, the limit is below 10^18: 1e400"),
    (event(data={"value": "1e999999999999"}), "value is too large, the limit is below 10^18: 1e999999999999"),
    (event(data={"value": "9" * 100}), "value is too large, the limit is below 10^18: 9999"),
    (event(data={"value": int("9" * 100)}), "value is too large, the limit is below 10^18: 1e99"),
    (event(data={"value": 10**18}), "value is too large, the limit is below 10^18: 1000000000000000000"),
    (event(data={"value": "ten"}), "value is not a decimal number: 'ten'"),
    (event(data={"value": ""}), "value is not a decimal number: ''"),
    (event(data={"value": "1,000"}), "value is not a decimal number: '1,000'"),
    (event(data={"value": "١٢"}), "value is not a decimal number: "),
    (event(data={"value": True}), "value is not a number: true"),
    (event(data={"value": ["10"]}), 'value is not a number: ["10"]'),
    (event(data={"value": "10", "resource": 7}), "data.resource is not a string"),
    (event(data={"value": "10", "resource": "nul\0"}), "resource holds a control character"),
    (event(data={"value": "10", "note": "x" * 5_000}), "the further members of data are longer than 4096 bytes"),
]


@pytest.mark.parametrize("media", [BATCH, LINES])
def test_each_is_refused_by_itself_and_its_neighbours_kept(served: Served, key: str, media: str) -> None:
    before = counted(served)
    # in lines, as in plain JSON, the version may be left out
    wrong = [(sent, reason) for sent, reason in WRONG if media == BATCH or not reason.startswith("no specversion")]
    events = [each for sent, _ in wrong for each in (event(), sent)]
    body = json.dumps(events) if media == BATCH else "\n".join(map(json.dumps, events))
    receipt = post(served, key, body, media).json()
    assert (receipt["accepted"], receipt["duplicates"]) == (len(wrong), 0)
    for place, (each, (sent, reason)) in enumerate(zip(receipt["rejected"], wrong, strict=True)):
        name = sent.get("id")
        assert each["index"] == 2 * place + 1
        assert each["id"] == (name[:200] if isinstance(name, str) and name else None)
        assert each["reason"].startswith(reason)
    assert counted(served) - before == 10 * len(wrong)
    again = post(served, key, body, media).json()
    assert again == receipt | {"accepted": 0, "duplicates": len(wrong)}
    assert counted(served) - before == 10 * len(wrong)


@pytest.mark.parametrize(("sent", "reason"), WRONG, ids=[reason for _, reason in WRONG])
def test_each_alone(served: Served, key: str, sent: Event, reason: str) -> None:
    answer = post(served, key, json.dumps(sent), SINGLE)
    assert answer.status_code == 200
    receipt = answer.json()
    assert (receipt["accepted"], receipt["duplicates"]) == (0, 0)
    assert receipt["rejected"][0]["index"] == 0
    assert receipt["rejected"][0]["reason"].startswith(reason)


def test_a_foreign_project_is_unknown_in_the_same_words(served: Served, key: str) -> None:
    sent = [event(id=code, subject=code) for code in ("bad-foreign", "bad-unheard")]
    foreign, absent = post(served, key, json.dumps(sent)).json()["rejected"]
    assert foreign["reason"].replace("bad-foreign", "CODE") == absent["reason"].replace("bad-unheard", "CODE")
    assert counted(served, "bad-foreign") == 0


@pytest.mark.parametrize("number", ["1e400", "1E+400", "1e999999999", "9" * 1_000, "-1e400"])
def test_a_number_without_bounds(served: Served, key: str, number: str) -> None:
    good = event()
    body = f"[{json.dumps(event(data={'value': 'N'}))}, {json.dumps(good)}]".replace('"N"', number)
    before = counted(served)
    receipt = post(served, key, body).json()
    assert receipt["accepted"] == 1
    reason = "value is negative" if number.startswith("-") else "value is too large"
    assert receipt["rejected"][0]["reason"].startswith(reason)
    assert counted(served) - before == 10


def test_values_are_kept_exactly(served: Served, key: str) -> None:
    values = ["0.1", "0.2", "999999999999999999", "0.000000001", "1e3", "+5", ".5", "5.", "0"]
    sent = [event(subject="bad-lines", data={"value": value}) for value in values]
    assert post(served, key, json.dumps(sent)).json()["accepted"] == len(values)
    raw = json.dumps(event(subject="bad-lines", data={"value": "N"})).replace('"N"', "0.1")
    assert post(served, key, raw).json()["accepted"] == 1
    usage = served.get("/usage", project="bad-lines", from_="2026-06-01", until="2026-06-02")
    assert [item["quantity"] for item in usage["items"]] == ["1000000000000001009.900000001"]


def test_up_to_an_hour_ahead_is_taken(served: Served, key: str) -> None:
    sent = [event(time=ahead(minutes), subject="bad-lines") for minutes in (59, 61)]
    receipt = post(served, key, json.dumps(sent)).json()
    assert (receipt["accepted"], [each["index"] for each in receipt["rejected"]]) == (1, [1])


def test_sent_again_in_any_dress_it_counts_once(served: Served, key: str) -> None:
    before = counted(served)
    first = event()
    assert post(served, key, json.dumps([first, first])).json() == {"accepted": 1, "duplicates": 1, "rejected": []}
    dresses = [
        first,
        first | {"time": "2026-05-01T10:30:00Z"},
        first | {"data": {"value": "77", "resource": "another"}},
        first | {"type": "host.seen"},
        first | {"subject": "bad-lines"},
    ]
    narrowed = served.key("events", "bad", "bad")
    for other in (key, narrowed, served.key("account", "bad"), served.key("operator")):
        sent = dresses if other != narrowed else dresses[:-1]
        assert post(served, other, json.dumps(sent)).json() == {
            "accepted": 0,
            "duplicates": len(sent),
            "rejected": [],
        }
    assert counted(served) - before == 10
    # another source, or another account, has ids of its own
    assert post(served, key, json.dumps(first | {"source": "other"})).json()["accepted"] == 1
    rival = served.key("events", "bad-rival")
    assert post(served, rival, json.dumps(first | {"subject": "bad-foreign"})).json()["accepted"] == 1
    assert counted(served) - before == 20


def test_a_rejected_event_may_come_again_mended(served: Served, key: str) -> None:
    broken = event(data={"value": "-10"})
    assert post(served, key, json.dumps(broken)).json()["accepted"] == 0
    mended = broken | {"data": {"value": "10"}}
    assert post(served, key, json.dumps(mended)).json() == {"accepted": 1, "duplicates": 0, "rejected": []}
