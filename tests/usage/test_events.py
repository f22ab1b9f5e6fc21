"""What an ingest request may carry, and what is said of each wrong event; its neighbours are kept (DOMAIN 2)."""

import gzip
import json
import sys
import zlib
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbook.errors import Invalid, TooLarge, UnsupportedMedia
from meterbook.usage.arrow_events import ARROW_STREAM
from meterbook.usage.events import read_events
from meterbook.usage.values import read_values
from tests.usage.sending import HOUR, NOW, Sender, event

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LINES = "application/x-ndjson"
BATCH = "application/cloudevents-batch+json"
ONE = "application/cloudevents+json"


def changed(**members: Any) -> dict[str, Any]:
    return {name: member for name, member in (event("bad", NOW) | members).items() if member is not ...}


def with_data(**data: Any) -> dict[str, Any]:
    return changed(
        data={name: member for name, member in ({"value": "1", "resource": "r"} | data).items() if member is not ...}
    )


REASONS: list[tuple[str, Any, str]] = [
    ("no id", changed(id=...), "no id"),
    ("empty id", changed(id=""), "no id"),
    ("id a number", changed(id=7), "id is not a string"),
    ("no source", changed(source=...), "no source"),
    ("no type", changed(type=...), "no type"),
    ("type a list", changed(type=["host.seen"]), "type is not a string"),
    ("unknown type", changed(type="host.unknown"), "unknown type"),
    ("no project", changed(subject=...), "no subject: it names the project"),
    ("null project", changed(subject=None), "no subject: it names the project"),
    ("unknown project", changed(subject="nowhere"), "unknown project: nowhere"),
    ("no time", changed(time=...), "no time"),
    ("no zone", changed(time="2026-11-20T10:00:00"), "time has no zone"),
    ("broken time", changed(time="yesterday"), "time is not an RFC 3339 instant"),
    ("no such day", changed(time="2026-02-30T10:00:00Z"), "time is not an RFC 3339 instant"),
    ("time a number", changed(time=1763632800), "time is not an RFC 3339 instant"),
    ("an hour and more ahead", changed(time="2026-11-20T13:00:00.000001Z"), "time is more than an hour ahead"),
    ("before 1970", changed(time="1969-12-31T23:59:59Z"), "time is before 1970"),
    ("version 0.3", changed(specversion="0.3"), 'specversion is not "1.0"'),
    ("version a number", changed(specversion=1.0), 'specversion is not "1.0"'),
    ("not an object", "event", "an event is a JSON object"),
    ("null", None, "an event is a JSON object"),
    ("a list", [1], "an event is a JSON object"),
    ("data a list", changed(data=[1]), "data is not an object"),
    ("data text", changed(data="4"), "data is not an object"),
    ("no value of a counter", with_data(value=...) | {"type": "requests"}, "no value"),
    ("negative", with_data(value="-1"), "value is negative: -1"),
    ("negative number", with_data(value=-0.5), "value is negative: -0.5"),
    ("next to nothing, negative", with_data(value="-2.1657462300571479544859726E-23"), "value is negative"),
    ("nan", with_data(value="NaN"), "value is not finite: NaN"),
    ("infinite", with_data(value="-Infinity"), "value is not finite"),
    ("1e400", with_data(value="1e400"), "value is too large"),
    ("an endless exponent", with_data(value="1e99999999999999999999"), "value has an exponent beyond all bounds"),
    ("10^18", with_data(value=10**18), "value is too large"),
    ("10^18 when rounded", with_data(value="999999999999999999.9999999995"), "value is too large, the limit is below"),
    ("10^18 when rounded, long", with_data(value=f"{'9' * 18}.{'9' * 40}"), "value is too large, the limit is below"),
    ("a hundred characters and more", with_data(value="1" * 101), "value is longer than 100 characters: '1111"),
    ("a thousand digits", with_data(value=10**1000), "value is too large"),
    ("words", with_data(value="many"), "value is not a decimal number: 'many'"),
    ("grouped digits", with_data(value="1_000"), "value is not a decimal number"),
    ("padded", with_data(value=" 4"), "value is not a decimal number"),
    ("empty value", with_data(value=""), "value is not a decimal number"),
    ("true", with_data(value=True), "value is not a number: true"),
    ("a value list", with_data(value=[4]), "value is not a number: [4]"),
    ("resource a number", with_data(resource=4), "data.resource is not a string"),
    ("too many dimensions", with_data(note="x" * 5000), "the further members of data are longer than 4096 bytes"),
    ("long id", changed(id="x" * 257), "id is longer than 256 bytes"),
    ("long source", changed(source="é" * 600), "source is longer than 1024 bytes"),
    ("long resource", with_data(resource="x" * 257), "resource is longer than 256 bytes"),
    ("null byte in id", changed(id="a\0b"), "id holds a control character"),
    ("null byte in source", changed(source="a\0b"), "source holds a control character"),
    ("line feed in resource", with_data(resource="a\nb"), "resource holds a control character"),
    ("delete in subject", changed(subject="we\x7fb"), "subject holds a control character"),
]


@pytest.mark.parametrize("store", ["embedded"], indirect=True)
@pytest.mark.parametrize(("wrong", "reason"), [case[1:] for case in REASONS], ids=[case[0] for case in REASONS])
@pytest.mark.parametrize("media", ["application/json", BATCH, LINES])
def test_a_wrong_event_is_rejected_alone(sender: Sender, media: str, wrong: Any, reason: str) -> None:
    events = [event("first", NOW - HOUR), wrong, event("last", NOW)]
    body = "\n".join(map(json.dumps, events)) if media == LINES else json.dumps(events)
    receipt = sender.post(body.encode(), media)
    assert receipt.accepted == 2
    [rejection] = receipt.rejected
    assert rejection.index == 1
    assert rejection.reason.startswith(reason)
    own_id = wrong.get("id") if isinstance(wrong, dict) else None
    assert rejection.id == (own_id[:200] if isinstance(own_id, str) and own_id else None)
    assert sender.rows() == ["first", "last"]


def test_a_number_is_read_as_it_is_written(sender: Sender) -> None:
    texts = ["0.1", "1e3", "41.361999999999995", "0.0000000005", "999999999999999999", "0.00000000049", "-0", "1E+2"]
    events = [json.dumps(event(f"e{n}", NOW)).replace('"value": "1"', f'"value": {t}') for n, t in enumerate(texts)]
    receipt = sender.post(f"[{','.join(events)}]".encode(), "application/json")
    assert receipt.accepted == len(texts), receipt.rejected
    expected = ["0.1", "1000", "41.362", "0.000000001", "999999999999999999", "0", "0", "100"]
    assert [Decimal(value) for value in sender.rows("value")] == [Decimal(text) for text in expected]


def test_1e400_as_a_json_number_is_too_large(sender: Sender) -> None:
    body = json.dumps(event("a", NOW)).replace('"value": "1"', '"value": 1e400')
    [rejection] = sender.post(body.encode(), "application/json").rejected
    assert rejection.reason == "value is too large, the limit is below 10^18: 1E+400"


def test_values_just_below_the_limit_are_kept_rounded(sender: Sender) -> None:
    texts = ["999999999999999999.9999999994", "99999999999999999.99999999995", f"{'9' * 18}.{'9' * 9}4{'9' * 30}"]
    events = [event(f"e{n}", NOW) | {"data": {"value": text}} for n, text in enumerate(texts)]
    assert sender.post(json.dumps(events).encode(), "application/json").accepted == 3
    assert [str(value) for value in sender.rows("value")] == [
        "999999999999999999.999999999",
        "100000000000000000.000000000",
        "999999999999999999.999999999",
    ]


@pytest.mark.parametrize("number", ["1e99999999999999999999", "0e99999999999999999999", "-1e-99999999999999999999"])
def test_a_json_number_with_an_endless_exponent_is_wrong_alone(sender: Sender, number: str) -> None:
    events = [event("a", NOW), with_data(value="N"), with_data(note="N"), event("b", NOW)]
    receipt = sender.post(json.dumps(events).replace('"N"', number).encode(), "application/json")
    assert receipt.accepted == 2
    assert [(each.index, each.reason) for each in receipt.rejected] == [
        (1, f"value has an exponent beyond all bounds: {number}"),
        (2, "data holds a member that is too large or nested too deeply"),
    ]


@pytest.mark.parametrize("media", ["application/json", BATCH, LINES])
def test_a_json_number_of_very_many_digits_is_wrong_alone(sender: Sender, media: str) -> None:
    texts = [json.dumps(each) for each in (event("a", NOW), with_data(value="N"), event("b", NOW))]
    body = "\n".join(texts) if media == LINES else f"[{','.join(texts)}]"
    receipt = sender.post(body.replace('"N"', "1" * 5_000).encode(), media)
    assert receipt.accepted == 2
    assert [(each.index, each.id, each.reason) for each in receipt.rejected] == [
        (1, "bad", "it holds a whole number with too many digits")
    ]


@given(st.lists(st.one_of(st.decimals(allow_nan=False, allow_infinity=False), st.integers(0, 10**19)), min_size=1))
def test_a_column_of_values_reads_like_each_alone(numbers: list[Decimal | int]) -> None:
    texts = [str(number) for number in numbers]
    values, reasons = read_values(pa.array(texts))
    for row, text in enumerate(texts):
        alone, its_reasons = read_values(pa.array([text]))
        assert (alone[0], its_reasons.get(0)) == (values[row], reasons.get(row))


def test_presence_needs_no_value_and_the_source_stands_for_a_missing_resource(sender: Sender) -> None:
    events = [changed(id="a", data=...), changed(id="b", data={}), changed(id="c", data={"value": None, "zone": "x"})]
    assert sender.send(events).accepted == 3
    assert sender.rows("resource, toString(value), dimensions") == [
        ("agent", "1", ""),
        ("agent", "1", ""),
        ("agent", "1", '{"zone":"x"}'),
    ]


def test_dimensions_are_kept_exactly(sender: Sender) -> None:
    sender.send([event("a", NOW, data={"value": 1, "region": "eu", "tags": ["a", {"b": None}], "ratio": 0.1})])
    assert sender.rows("dimensions") == ['{"region":"eu","tags":["a",{"b":null}],"ratio":0.1}']


def test_text_of_every_script_is_kept(sender: Sender) -> None:
    sender.send([event("이벤트", NOW, resource="ホスト-1 \\ 'quoted'")])
    assert sender.rows("id, resource") == [("이벤트", "ホスト-1 \\ 'quoted'")]


def test_an_hour_ahead_and_other_offsets_are_welcome(sender: Sender) -> None:
    times = ["2026-11-20T13:00:00Z", "2026-11-20T21:30:00+09:00", "2026-11-20T07:00:00.123456-05:00"]
    assert sender.send([event(f"e{n}", NOW, time=time) for n, time in enumerate(times)]).accepted == 3
    assert [f"{at:%H:%M:%S.%f}" for at in sender.rows("at")] == [
        "12:00:00.123456",
        "12:30:00.000000",
        "13:00:00.000000",
    ]


def test_every_media_type(sender: Sender) -> None:
    def one(id_: str) -> bytes:
        return json.dumps(event(id_, NOW)).encode()

    assert sender.post(one("a"), f"{ONE}; charset=utf-8").accepted == 1
    assert sender.post(b"[" + one("b") + b"]", BATCH).accepted == 1
    assert sender.post(one("c") + b"\n\n" + one("d") + b"\r\n", LINES).accepted == 2
    assert sender.post(b" " + one("e"), "application/json").accepted == 1
    assert sender.post(b"[" + one("f") + b"]", "APPLICATION/JSON").accepted == 1
    assert sender.post(gzip.compress(one("g")), ONE, "gzip").accepted == 1
    assert sender.post(gzip.compress(one("h")[:9]) + gzip.compress(one("h")[9:]), ONE, "GZIP").accepted == 1
    assert sender.post(zstd.compress(b"[" + one("i") + b"]"), BATCH, "zstd").accepted == 1
    assert sender.post(b"[]", BATCH).accepted == 0
    assert sender.post(b"", LINES).accepted == 0
    assert sender.rows() == list("abcdefghi")


def test_only_plain_json_may_leave_out_the_version(sender: Sender) -> None:
    bare = [changed(id="a", specversion=...)]
    assert sender.post(json.dumps(bare).encode(), "application/json").accepted == 1
    [rejection] = sender.post(json.dumps(bare).encode(), BATCH).rejected
    assert rejection.reason == 'no specversion: it is "1.0"'


def test_a_broken_line_is_rejected_by_its_number(sender: Sender) -> None:
    lines = [json.dumps(event("a", NOW)), "", "{oops", '{"id": "\ud800"}', "[" * 100_000, json.dumps(event("b", NOW))]
    receipt = sender.post("\n".join(lines).encode("utf-8", "surrogatepass") + b"\n{\xff}", LINES)
    assert receipt.accepted == 2
    assert [rejection.index for rejection in receipt.rejected] == [2, 3, 4, 6]
    assert receipt.rejected[0].reason.startswith("broken JSON: ")
    assert receipt.rejected[2].reason == "nested too deeply"


@pytest.mark.parametrize(
    ("body", "media", "position"),
    [
        (b'[{"id": "a"}, {"id": }]', BATCH, 21),
        (b'[{"id": "a"}', BATCH, None),
        (b"", BATCH, None),
        (b'{"id": "a\x00"}', ONE, 9),
        (b"[1] 2", "application/json", None),
        (b"[" + b"1" * 5000 + b", x]", "application/json", 5003),
        (b'"\xff"', "application/json", None),
        (b'[{"id": "a", "x": \xff}]', BATCH, 18),
        (b'[{"id": "a", "x": "\xff"}]', BATCH, None),
        (b"[" * 100_000, "application/json", None),
        (b'{"id": "a"}', BATCH, None),
        (b'[{"id": "a"}]', ONE, None),
    ],
)
def test_what_is_no_json_is_refused_as_a_whole(body: bytes, media: str, position: int | None) -> None:
    with pytest.raises(Invalid) as refusal:
        read_events(body, media)
    assert refusal.value.slug == "broken-json"
    if position is not None:
        assert refusal.value.details["position"] == position


def test_limits() -> None:
    one = json.dumps(event("a", NOW)).encode()
    assert read_events(b"[" + b",".join([one] * 10_000) + b"]", BATCH).count == 10_000
    for body, media in (
        (b"[" + b",".join([one] * 10_001) + b"]", BATCH),
        (b"[" + b",".join([b"1"] * 10_001) + b"]", BATCH),
        (b"\n".join([one] * 10_001), LINES),
        (b"\n" * 10_001, LINES),
        (b"[" + b",".join([b"1"] * 3_000_000) + b"]", "application/json"),
        (b" " * 20_000_000, "application/json"),
    ):
        with pytest.raises(TooLarge):
            read_events(body, media)


def test_a_bomb_is_refused_without_being_expanded() -> None:
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    gzip_bomb = b"".join(packer.compress(zeros) for _ in range(256)) + packer.flush()
    for bomb, encoding in (
        (gzip_bomb, "gzip"),
        (gzip.compress(bytes(40 << 20), 1) * 2, "gzip"),
        (zstd.compress(bytes(1 << 28)), "zstd"),
        (zstd.compress(bytes(40 << 20)) * 2, "zstd"),
    ):
        assert len(bomb) < 1 << 20
        with pytest.raises(TooLarge):
            read_events(bomb, "application/json", encoding)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_broken_compression_is_refused(encoding: str) -> None:
    packed = gzip.compress(b"[]") if encoding == "gzip" else zstd.compress(b"[]")
    for body in (b"[]", packed[:-3], packed + b"x"):
        with pytest.raises(Invalid) as refusal:
            read_events(body, "application/json", encoding)
        assert refusal.value.slug == "broken-encoding"


@pytest.mark.parametrize(
    ("media", "encoding"), [("text/plain", None), ("", None), (BATCH, "br"), (BATCH, "gzip, zstd")]
)
def test_unknown_media_are_refused(media: str, encoding: str | None) -> None:
    with pytest.raises(UnsupportedMedia):
        read_events(b"[]", media, encoding)


def arrow(**columns: Any) -> bytes:
    table = pa.table(
        {
            "project": ["web", "web"],
            "type": ["requests", "requests"],
            "time": pa.array([NOW, NOW - HOUR], pa.timestamp("us", "UTC")),
            "value": ["1.5", "2"],
            "source": ["s", "s"],
            "id": ["a", "b"],
        }
        | columns
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.drop_columns([n for n, c in columns.items() if c is None]).schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def test_an_arrow_stream(sender: Sender) -> None:
    repeated = pa.array(["web", "web"]).dictionary_encode()
    receipt = sender.post(arrow(project=repeated, resource=["r", None], dimensions=["", '{"a":1}']), ARROW_STREAM)
    assert receipt.accepted == 2
    assert sender.rows("id, resource, toString(value), dimensions") == [
        ("b", "s", "2", '{"a":1}'),
        ("a", "r", "1.5", ""),
    ]
    assert sender.post(arrow(value=pa.array([5, 6]), id=["c", "d"]), ARROW_STREAM).accepted == 2


def test_wrong_rows_of_an_arrow_stream_are_rejected_alone(sender: Sender) -> None:
    late = pa.array([NOW + 2 * HOUR, NOW], pa.timestamp("us", "UTC"))
    assert sender.post(arrow(value=["x", "1"]), ARROW_STREAM).rejected[0].reason.startswith("value is not")
    assert sender.post(arrow(time=late), ARROW_STREAM).rejected[0].index == 0
    assert sender.post(arrow(id=[None, "b"]), ARROW_STREAM).rejected[0].reason == "no id"
    none = pa.array([None, NOW], pa.timestamp("us", "UTC"))
    assert sender.post(arrow(time=none), ARROW_STREAM).rejected[0].reason == "no time"
    assert sender.rows() == ["b"]


@pytest.mark.parametrize(
    "body",
    [
        b"no arrow",
        b"",
        arrow()[:-200],
        arrow(value=pa.array([1.0, 2.0])),
        arrow(time=pa.array([NOW, NOW], pa.timestamp("us"))),
        arrow(time=["2026", "2026"]),
        arrow(id=pa.array([1, 2])),
        arrow(more=["x", "y"]),
        arrow(project=pa.array(["x" * 2000, "web"]).dictionary_encode()),
    ],
)
def test_what_is_no_arrow_stream_of_events_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid) as refusal:
        read_events(body, ARROW_STREAM)
    assert refusal.value.slug == "broken-arrow"


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
@pytest.mark.parametrize("column", ["id", "project"])
def test_a_bomb_inside_an_arrow_stream_is_refused(codec: str, column: str) -> None:
    many = pa.array(["x" * 1000] * 50_000)
    table = pa.table({column: many.dictionary_encode() if column == "project" else many})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table)
    with pytest.raises(Invalid, match="buffers are compressed"):
        read_events(sink.getvalue().to_pybytes(), ARROW_STREAM)


def test_rejections_are_in_the_order_of_the_request(sender: Sender) -> None:
    events = [changed(subject="nowhere", id="a"), 7, changed(type="x", id="b"), with_data(value="x"), event("ok", NOW)]
    receipt = sender.send(events)
    assert [rejection.index for rejection in receipt.rejected] == [0, 1, 2, 3]
    assert (receipt.accepted, receipt.duplicates) == (1, 0)


def test_a_rejected_event_may_come_again_right(sender: Sender) -> None:
    assert sender.send([event("a", NOW + 2 * HOUR)]).rejected
    later: datetime = NOW + timedelta(hours=1)
    assert sender.send([event("a", NOW + 2 * HOUR)], now=later).accepted == 1
