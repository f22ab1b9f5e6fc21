"""Bodies of events over HTTP: broken, in other forms and encodings, too large, or anything at all."""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.doors.conftest import Served
from tests.doors.sending import BATCH, JSON, LINES, SINGLE, counted, event, post, sender

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACKED = {"gzip": gzip.compress, "zstd": zstd.compress}
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def key(served: Served) -> str:
    return sender(served)


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
