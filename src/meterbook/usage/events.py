"""Reads the bodies of ingest requests: CloudEvents 1.0 as JSON, one, many or one a line, and Arrow streams.

What cannot be read at all is an error for the whole request; an event that is wrong in itself is rejected alone, with
its position, and its neighbours are kept. A clean batch is read as a whole, and only one with trouble event by event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterbook.errors import Invalid, TooLarge, UnsupportedMedia
from meterbook.usage.arrow_events import ARROW_STREAM, read_arrow
from meterbook.usage.columns import EventColumns, Rejection, check
from meterbook.usage.times import read_time, read_times
from meterbook.usage.unpack import unpack
from meterbook.usage.values import Boundless, exact, read_values

EVENTS_MAX: Final = 10_000
# Every member and element costs memory when unpacked: ten thousand events with two hundred members each.
_COMMAS_MAX: Final = 2_000_000
_CLOUDEVENT: Final = "application/cloudevents+json"
_CLOUDEVENTS_BATCH: Final = "application/cloudevents-batch+json"
_LINES: Final = "application/x-ndjson"
_JSON: Final = "application/json"
MEDIA_TYPES: Final = (_CLOUDEVENT, _CLOUDEVENTS_BATCH, _LINES, _JSON, ARROW_STREAM)


class _Event(msgspec.Struct, gc=False):
    id: str
    source: str
    type: str
    subject: str
    time: str
    specversion: str = ""
    data: dict[str, Any] | None = None


class _PlainData(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    value: Any = None
    resource: str | None = None


class _PlainEvent(msgspec.Struct, gc=False):
    """An event whose data hold a value and a resource alone, as most do: read without a dict for each."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    data: _PlainData
    specversion: str = ""


class _Named(msgspec.Struct):
    """What names an event of which the rest cannot be read."""

    id: Any = None


class _Wrong(Exception):
    """One event cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A request's events as far as they could be read, and the rejections so far.

    `count` is how many events the request carried.
    """

    columns: EventColumns
    rejections: tuple[Rejection, ...]
    count: int


_typed: Final = msgspec.json.Decoder(_Event, float_hook=exact)
_plain_list: Final = msgspec.json.Decoder(list[_PlainEvent], float_hook=exact)
_typed_list: Final = msgspec.json.Decoder(list[_Event], float_hook=exact)
_raw: Final = msgspec.json.Decoder(msgspec.Raw)
_raw_list: Final = msgspec.json.Decoder(list[msgspec.Raw])
_any: Final = msgspec.json.Decoder(float_hook=exact)
_named: Final = msgspec.json.Decoder(_Named)
_data: Final = msgspec.json.Encoder(decimal_format="number")


def read_events(body: bytes, content_type: str, content_encoding: str | None = None) -> Decoded:
    """Read the body of an ingest request.

    Raises `UnsupportedMedia` for another media type or encoding, `TooLarge` over a limit (10 MiB as received, 64 MiB
    unpacked, 10,000 events, 100,000 rows of an Arrow stream) and `Invalid` ("broken-json", "broken-encoding",
    "broken-arrow") for a body that cannot be read as a whole.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise UnsupportedMedia(
            f"Content-Type {media_type[:60]!r} is not read here: use one of {', '.join(MEDIA_TYPES)}"
        )
    body = unpack(body, content_encoding)
    if media_type == ARROW_STREAM:
        columns, reasons = read_arrow(body)
        return _checked(columns, reasons, [], len(columns))
    if len(body) > _COMMAS_MAX and body.count(b",") > _COMMAS_MAX:
        raise TooLarge(f"The body holds more than {_COMMAS_MAX} JSON members: send fewer events in a request")
    if media_type == _LINES:
        return _read_lines(body)
    return _read_json(body, media_type)


def _read_json(body: bytes, media_type: str) -> Decoded:
    opening = body.lstrip()[:1]
    if media_type == _CLOUDEVENTS_BATCH and opening != b"[":
        _check_json(body)
        raise Invalid("A body of application/cloudevents-batch+json is an array of events", "broken-json")
    if media_type == _CLOUDEVENT and opening == b"[":
        _check_json(body)
        raise Invalid(
            "A body of application/cloudevents+json is one event; send an array as application/cloudevents-batch+json",
            "broken-json",
        )
    versions = {"1.0", ""} if media_type == _JSON else {"1.0"}
    if opening != b"[":
        _check_json(body)
        return _read_one_by_one([body], range(1), versions)
    events = _read_whole(body)
    if events is not None and _is_clean(events, versions):
        _check_count(len(events))
        try:
            return _to_decoded(events, np.arange(len(events)), [], len(events))
        except _Wrong:
            pass
    raws = _parse(_raw_list.decode, body)
    _check_count(len(raws))
    _check_json(body)
    return _read_one_by_one(raws, range(len(raws)), versions)


def _read_whole(body: bytes) -> Sequence[_Event | _PlainEvent] | None:
    """Read a batch in one go; None when an event does not fit. Raises `Invalid` for what is no JSON at all."""
    for decoder in (_plain_list, _typed_list):
        try:
            events: Sequence[_Event | _PlainEvent] = decoder.decode(body)
        except (msgspec.ValidationError, UnicodeDecodeError, RecursionError):
            continue
        except msgspec.DecodeError as error:
            raise _broken_json(error) from None
        return events
    return None


def _read_lines(body: bytes) -> Decoded:
    """Read one event a line; the position of an event is the number of its line, from 0, empty lines counted."""
    _check_count(body.count(b"\n") + (not body.endswith(b"\n")))
    try:
        events = _typed.decode_lines(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        events = None
    if events is not None and _is_clean(events, {"1.0", ""}):
        positions = _line_positions(body, len(events))
        try:
            return _to_decoded(events, positions, [], len(events))
        except _Wrong:
            pass
    lines = [(number, line) for number, line in enumerate(body.split(b"\n")) if line.strip()]
    return _read_one_by_one([line for _, line in lines], [number for number, _ in lines], {"1.0", ""})


def _line_positions(body: bytes, count: int) -> npt.NDArray[np.int64]:
    if body.count(b"\n") + (not body.endswith(b"\n")) == count:
        return np.arange(count)
    return np.array([number for number, line in enumerate(body.split(b"\n")) if line.strip()], dtype=np.int64)


def _check_count(count: int) -> None:
    if count > EVENTS_MAX:
        raise TooLarge(f"The request carries {count} events; the limit is {EVENTS_MAX}: send it in parts")


def _is_clean(events: Iterable[_Event | _PlainEvent], versions: set[str]) -> bool:
    return {event.specversion for event in events} <= versions


def _read_one_by_one(raws: Sequence[Any], positions: Sequence[int], versions: set[str]) -> Decoded:
    _check_count(len(raws))
    events, kept, rejections = [], [], []
    for position, raw in zip(positions, raws, strict=True):
        loose: Any = None
        try:
            loose = _loosely(raw)
            event = _read_event(loose, versions)
            _split(dict(event.data or {}))
        except _Wrong as wrong:
            name = loose.get("id") if isinstance(loose, dict) else _id_of(raw)
            rejections.append(Rejection(position, name[:200] if isinstance(name, str) and name else None, str(wrong)))
            continue
        events.append(event)
        kept.append(position)
    return _to_decoded(events, np.array(kept, dtype=np.int64), rejections, len(raws))


def _loosely(raw: Any) -> Any:
    try:
        return _any.decode(raw)
    except RecursionError:
        raise _Wrong("nested too deeply") from None
    except msgspec.ValidationError:
        raise _Wrong("it holds a whole number with too many digits") from None
    except msgspec.DecodeError as error:
        raise _Wrong(f"broken JSON: {_said(error)}") from None
    except UnicodeDecodeError:
        raise _Wrong("broken JSON: the text is not UTF-8") from None


def _id_of(raw: Any) -> Any:
    """Return the id of an event that cannot be read, if at least that can be."""
    try:
        return _named.decode(raw).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _read_event(event: Any, versions: set[str]) -> _Event:
    """Return one event with its attributes checked, or raise `_Wrong` with the first reason."""
    if not isinstance(event, dict):
        raise _Wrong("an event is a JSON object")
    version = event.get("specversion", "")
    if not isinstance(version, str) or version not in versions:
        raise _Wrong('no specversion: it is "1.0"' if version == "" else 'specversion is not "1.0"')
    texts = {name: _text_of(event, name) for name in ("id", "source", "type", "subject")}
    if not texts["subject"]:
        raise _Wrong("no subject: it names the project")
    time = _time_of(event)
    data = event.get("data")
    if data is not None and not isinstance(data, dict):
        raise _Wrong("data is not an object")
    return _Event(**texts, time=time, specversion=version, data=data)


def _text_of(event: dict[str, Any], name: str) -> str:
    value = event.get(name)
    if value is None or value == "":
        if name == "subject":
            raise _Wrong("no subject: it names the project")
        raise _Wrong(f"no {name}")
    if not isinstance(value, str):
        raise _Wrong(f"{name} is not a string")
    return value


def _time_of(event: dict[str, Any]) -> str:
    text = event.get("time")
    if text is None or text == "":
        raise _Wrong("no time")
    time = read_time(text) if isinstance(text, str) else None
    if time is None:
        raise _Wrong(f"time is not an RFC 3339 instant such as 2026-11-20T10:00:00Z: {str(text)[:60]!r}")
    if time.tzinfo is None:
        raise _Wrong(f"time has no zone, write {text}Z if it is UTC")
    return str(text)


def _split(data: dict[str, Any]) -> tuple[str | None, str | None, str]:
    """Take the data apart: the value's text, the resource, and the further members as JSON; empties the dict."""
    value = data.pop("value", None)
    resource = data.pop("resource", None)
    if not (resource is None or type(resource) is str):
        raise _Wrong("data.resource is not a string")
    if not (value is None or type(value) is str):
        value = _number_text(value)
    try:
        return value, resource, _data.encode(data).decode() if data else ""
    except (OverflowError, RecursionError, TypeError):
        raise _Wrong("data holds a member that is too large or nested too deeply") from None


def _number_text(value: object) -> str:
    if type(value) is int:
        # Python refuses to write out an integer of thousands of digits; every such value is too large anyway.
        return str(value) if value.bit_length() < 256 else ("1e99" if value > 0 else "-1e99")
    if type(value) is Decimal:
        return str(value)
    if type(value) is Boundless:
        return value.text
    try:
        shown = _data.encode(value)[:40].decode(errors="replace")
    except (OverflowError, RecursionError, TypeError):
        shown = type(value).__name__
    raise _Wrong(f"value is not a number: {shown}")


def _to_decoded(
    events: Sequence[_Event | _PlainEvent],
    positions: npt.NDArray[np.int64],
    rejections: list[Rejection],
    count: int,
) -> Decoded:
    ids, sources, types, subjects, times, values, resources, further = _transposed(_rows(events))
    instants = read_times(_texts(times))
    if instants is None:
        raise _Wrong("a time is wrong")
    if not all(resources):
        # A thing that reports itself names itself as the source; there is nothing better to count it by.
        resources = [resource or source for resource, source in zip(resources, sources, strict=True)]
    numbers, reasons = read_values(_value_texts(values))
    columns = EventColumns(
        positions=positions,
        ids=_texts(ids),
        sources=_texts(sources),
        types=_texts(types),
        subjects=_texts(subjects),
        resources=_texts(resources),
        times=instants,
        values=numbers,
        dimensions=_texts(further),
    )
    return _checked(columns, reasons, rejections, count)


def _rows(events: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return what each event says; all are of one kind."""
    if events and isinstance(events[0], _PlainEvent):
        return [(e.id, e.source, e.type, e.subject, e.time, e.data.value, e.data.resource, "") for e in events]
    nothing = (None, None, "")
    return [(e.id, e.source, e.type, e.subject, e.time, *(_split(e.data) if e.data else nothing)) for e in events]


def _transposed(rows: list[tuple[Any, ...]]) -> Sequence[Sequence[Any]]:
    return list(zip(*rows, strict=True)) or [()] * 8


def _value_texts(values: Sequence[Any]) -> pa.StringArray:
    try:
        return _texts(values)
    except pa.ArrowTypeError:
        return _texts([value if value is None or type(value) is str else _number_text(value) for value in values])


def _checked(columns: EventColumns, reasons: dict[int, str], rejections: list[Rejection], count: int) -> Decoded:
    columns, more = columns.without(check(columns) | reasons)
    return Decoded(columns, (*rejections, *more), count)


def _texts(values: Sequence[str | None]) -> pa.StringArray:
    return pa.array(values, pa.string())


def _parse(decode: Callable[[bytes], Any], body: bytes) -> Any:
    try:
        return decode(body)
    except RecursionError:
        raise Invalid("The JSON is nested too deeply", "broken-json") from None
    except UnicodeDecodeError as error:
        raise Invalid("The JSON is not UTF-8 text", "broken-json", position=error.start) from None
    except msgspec.DecodeError as error:
        raise _broken_json(error) from None


def _check_json(body: bytes) -> None:
    """Refuse a body that is not JSON from end to end, before any of its events is looked at.

    A whole number too long to be read is wrong in its event alone.
    """
    try:
        _any.decode(body)
    except msgspec.ValidationError:
        _parse(_raw.decode, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _parse(_any.decode, body)


def _broken_json(error: msgspec.DecodeError) -> Invalid:
    position = re.search(r"\(byte (\d+)\)", str(error))
    details = {"position": int(position[1])} if position else {}
    return Invalid(f"The body is not JSON: {_said(error)}", "broken-json", **details)


def _said(error: msgspec.DecodeError) -> str:
    return str(error).removeprefix("JSON is malformed: ")
