"""Usage over HTTP, well made and badly: what is wrong is refused alone, its neighbours kept, nothing half-written."""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.doors.conftest import Served

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

JSON = "application/json"
SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LINES = "application/x-ndjson"
PACKED = {"gzip": gzip.compress, "zstd": zstd.compress}
MEBIBYTE = 1 << 20
_numbers = count(1)
Event = dict[str, Any]


def event(**changes: Any) -> Event:
    """An event of ten requests, changed; an attribute of `...` is left out."""
    attributes = {
        "specversion": "1.0",
        "id": f"e{next(_numbers)}",
        "source": "test",
        "type": "request.count",
        "subject": "bad",
        "time": "2026-06-01T10:30:00Z",
        "data": {"value": "10", "resource": "lb"},
    }
    return {name: value for name, value in (attributes | changes).items() if value is not ...}


@pytest.fixture(scope="module", autouse=True)
def key(served: Served) -> str:
    served.account("bad", projects=["bad", "bad-lines", "bad-fuzz"])
    served.account("bad-rival", projects=["bad-foreign"])
    return served.key("events", "bad")


def post(served: Served, key: str, body: Any, media: str | None = JSON, encoding: str | None = None) -> httpx.Response:
    headers = {"Content-Type": media, "Content-Encoding": encoding}
    return served.api("POST", "/events", key, content=body, headers={n: v for n, v in headers.items() if v is not None})


def counted(served: Served, project: str = "bad") -> int:
    """The sum of a project's requests in the months around those of the events here."""
    usage = served.get("/usage", project=project, from_="2026-05-01", until="2026-08-01", window="month")
    return sum(int(item["quantity"]) for item in usage["items"] if item["product"] == "requests")


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


DEEP = 100_000
BROKEN = {
    "nothing": b"",
    "space": b" \n ",
    "cut off": b'[{"id": "a"',
    "two documents": b"{} {}",
    "something behind": b"[]x",
    "NaN": json.dumps([event(data={"value": float("nan")})]).encode(),
    "Infinity": json.dumps([event(data={"value": float("inf")})]).encode(),
    "a null byte": b"\0",
    "a byte order mark": b"\xef\xbb\xbf[]",
    "UTF-16": "[]".encode("utf-16"),
    "no UTF-8": b'[{"id": "\xff"}]',
    "half a character": json.dumps([event(id="\ud800")]).encode(),
    "arrays in arrays": b"[" * DEEP + b"]" * DEEP,
    "objects in objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a comma too many": b"[{},]",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_broken_json_is_refused_whole(served: Served, key: str, body: bytes) -> None:
    before = counted(served)
    for sent in (body, b"[" + json.dumps(event()).encode() + b"," + body[1:]) if body.startswith(b"[") else (body,):
        answer = post(served, key, sent)
        assert answer.status_code == 400
        assert answer.json()["type"] == "urn:meterbook:problem:broken-json"
    assert counted(served) == before


@pytest.mark.parametrize("body", ["null", "true", "1", '"text"', "[]", "{}", '[[], [[]], 1, null, "x", {}, true]'])
def test_other_shapes_hold_no_events(served: Served, key: str, body: str) -> None:
    receipt = post(served, key, body).json()
    assert (receipt["accepted"], receipt["duplicates"]) == (0, 0)
    shape = json.loads(body)
    assert [each["index"] for each in receipt["rejected"]] == list(range(len(shape) if isinstance(shape, list) else 1))
    assert {each["id"] for each in receipt["rejected"]} <= {None}


def test_a_broken_line_is_refused_by_itself(served: Served, key: str) -> None:
    before = counted(served)
    lines = [json.dumps(event()), "", '{"id": "cut', json.dumps(event()), "\xff", "[" * DEEP, json.dumps(event()), ""]
    body = "\n".join(lines).encode("latin-1")
    receipt = post(served, key, body, LINES).json()
    assert receipt["accepted"] == 3
    assert [each["index"] for each in receipt["rejected"]] == [2, 4, 5]
    assert all(each["reason"].startswith(("broken JSON", "nested")) for each in receipt["rejected"])
    assert counted(served) - before == 30


def test_every_form_is_taken_plain_and_packed(served: Served, key: str) -> None:
    before, taken = counted(served), 0
    for encoding in (None, "identity", "gzip", "x-gzip", "GZIP", "zstd"):
        forms = [
            (SINGLE, json.dumps(event())),
            (f"{SINGLE}; charset=utf-8", json.dumps(event())),
            (BATCH, json.dumps([event(), event()])),
            (LINES, f"{json.dumps(event())}\n{json.dumps(event())}\n"),
            (JSON, json.dumps(event(specversion=...))),
            (JSON, json.dumps([event(), event(specversion=...)])),
            ("Application/JSON", f" \n{json.dumps(event(data={'value': '10', 'resource': None}))} "),
        ]
        for media, text in forms:
            pack = PACKED.get("gzip" if (encoding or "").lower().endswith("gzip") else encoding or "", bytes)
            answer = post(served, key, pack(text.encode()), media, encoding)
            assert answer.status_code == 200, f"{media} {encoding}: {answer.text}"
            assert (answer.json()["duplicates"], answer.json()["rejected"]) == (0, [])
            taken += answer.json()["accepted"]
    assert taken == 6 * 10
    assert counted(served) - before == 10 * taken


def test_parts_packed_one_behind_the_other_are_one_body(served: Served, key: str) -> None:
    text = json.dumps([event(), event()]).encode()
    for encoding, pack in PACKED.items():
        answer = post(served, key, pack(text[:100]) + pack(text[100:]), BATCH, encoding)
        assert answer.json()["rejected"] == []


@pytest.mark.parametrize("media", [None, "", "text/plain", "application/xml", "multipart/form-data", "x" * 3_000])
def test_another_media_type(served: Served, key: str, media: str | None) -> None:
    answer = post(served, key, json.dumps(event()), media)
    assert (answer.status_code, answer.json()["type"]) == (415, "urn:meterbook:problem:unsupported-media")
    assert BATCH in answer.json()["detail"]


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "gzip, identity", "x" * 3_000])
def test_another_encoding(served: Served, key: str, encoding: str) -> None:
    answer = post(served, key, gzip.compress(json.dumps(event()).encode()), JSON, encoding)
    assert (answer.status_code, answer.json()["type"]) == (415, "urn:meterbook:problem:unsupported-media")


def test_a_form_that_the_media_type_denies(served: Served, key: str) -> None:
    for media, body in ((SINGLE, [event()]), (BATCH, event())):
        answer = post(served, key, json.dumps(body), media)
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:meterbook:problem:broken-json")
    arrow = post(served, key, b"ARROW1", "application/vnd.apache.arrow.stream")
    assert (arrow.status_code, arrow.json()["type"]) == (400, "urn:meterbook:problem:broken-arrow")


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_packed_badly(served: Served, key: str, encoding: str) -> None:
    before = counted(served)
    packed = PACKED[encoding](json.dumps([event() for _ in range(50)]).encode())
    middle = len(packed) // 2
    garbled = [
        packed[:-5],
        packed[:10],
        packed[:middle] + bytes([packed[middle] ^ 255]) + packed[middle + 1 :],
        packed + b"behind it",
        b"[]",
    ]
    for body in garbled:
        answer = post(served, key, body, BATCH, encoding)
        assert answer.status_code == 400, answer.text
        assert answer.json()["type"] in ("urn:meterbook:problem:broken-encoding", "urn:meterbook:problem:broken-json")
    assert counted(served) == before


def check_too_large(answer: httpx.Response) -> None:
    assert answer.status_code == 413, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["type"], problem["status"]) == ("urn:meterbook:problem:too-large", 413)


def test_a_body_of_twenty_megabytes(served: Served, key: str) -> None:
    def in_parts() -> Iterator[bytes]:
        yield from (b" " * MEBIBYTE for _ in range(20))

    for body in (b" " * (20 * MEBIBYTE), in_parts()):
        check_too_large(post(served, key, body))


def test_a_batch_of_ten_thousand_and_one(served: Served, key: str) -> None:
    before = counted(served, "bad-fuzz")
    events = [event(subject="bad-fuzz") for _ in range(10_001)]
    for media, body in ((BATCH, json.dumps(events)), (LINES, "\n".join(map(json.dumps, events)))):
        check_too_large(post(served, key, gzip.compress(body.encode(), 1), media, "gzip"))
    assert counted(served, "bad-fuzz") == before
    receipt = post(served, key, gzip.compress(json.dumps(events[:-1]).encode(), 1), BATCH, "gzip").json()
    assert receipt == {"accepted": 10_000, "duplicates": 0, "rejected": []}
    assert counted(served, "bad-fuzz") - before == 100_000


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_not_unpacked(served: Served, key: str, encoding: str) -> None:
    # one compressed gibibyte of spaces, and one of events
    bombs = [b" " * MEBIBYTE, f"{json.dumps(event())},".encode() * 4096]
    for part in bombs:
        bomb = PACKED[encoding](part) * (1024 * MEBIBYTE // len(part))
        peak, began = peak_memory(served), time.perf_counter()
        check_too_large(post(served, key, bomb[: 9 * MEBIBYTE], JSON, encoding))
        assert time.perf_counter() - began < 5
        assert peak_memory(served) - peak < 400


def peak_memory(served: Served) -> int:
    """The most memory that the server ever had, in mebibytes; 0 where the system does not tell."""
    status = Path(f"/proc/{json.loads((served.folder / 'server.json').read_text())['pid']}/status")
    if not status.exists():
        return 0
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) >> 10


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


texts = st.text(max_size=8) | st.sampled_from(["bad-fuzz", "request.count", "2026-06-01T10:00:00Z", "1.0"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
events = st.fixed_dictionaries(
    {},
    optional={name: st.just(value) | anything for name, value in event(subject="bad-fuzz").items()},
)
documents = (anything | st.lists(events | anything, max_size=3)).map(lambda shape: json.dumps(shape).encode())


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A JSON document with some bytes put in, taken out or turned over."""
    body = bytearray(draw(documents))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(body)


@settings(max_examples=200, deadline=None)
@given(
    body=mangled() | st.binary(max_size=64),
    media=st.sampled_from([JSON, SINGLE, BATCH, LINES, "application/vnd.apache.arrow.stream"]),
    encoding=st.sampled_from([None, "gzip", "zstd"]),
    packed=st.booleans(),
)
def test_no_body_makes_the_server_fail(
    served: Served, key: str, body: bytes, media: str, encoding: str | None, packed: bool
) -> None:
    sent = PACKED[encoding](body) if packed and encoding else body
    answer = post(served, key, sent, media, encoding)
    assert answer.status_code in (200, 400, 413), f"{answer.status_code} {answer.text}"
    if answer.status_code == 200:
        receipt = answer.json()
        assert all(each["reason"] and each["index"] >= 0 for each in receipt["rejected"])
    else:
        assert answer.headers["content-type"] == "application/problem+json"
