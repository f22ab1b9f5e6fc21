"""Reads events sent as an Arrow stream: the form that Meterbook's own file import sends."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meterbook.errors import Invalid, TooLarge
from meterbook.usage.columns import LENGTHS_MAX, TIME_TYPE, EventColumns
from meterbook.usage.values import VALUE_TYPE, read_values

ARROW_STREAM: Final = "application/vnd.apache.arrow.stream"
ROWS_MAX: Final = 100_000
_DICTIONARY_BATCH: Final = 2
_RECORD_BATCH: Final = 3
_REQUIRED: Final = ("project", "type", "time", "source", "id")
# These may be dictionaries (32-bit indices): they repeat, often one text for all rows.
_REPEATED: Final = ("project", "type", "resource", "source")
DICTIONARY: Final = pa.dictionary(pa.int32(), pa.string())
_TEXTS: Final = ("project", "type", "resource", "source", "id", "dimensions")


def read_arrow(body: bytes) -> tuple[EventColumns, dict[int, str]]:
    """Return an Arrow stream's events, and the reason for each row whose value or time is none.

    Columns: `project`, `type`, `source`, `id` (text), `time` (timestamp with a zone), and optionally `value` (text,
    integers or decimals; never floats), `resource` (else the source) and `dimensions` (JSON text).
    Raises `Invalid` ("broken-arrow") and `TooLarge` over 100,000 rows.
    """
    try:
        table = pa.Table.from_batches(_batches(body))
    except pa.ArrowInvalid as error:
        raise Invalid(f"The body is not an Arrow stream of events: {error}", "broken-arrow") from None
    return _columns(table.combine_chunks())


def _batches(body: bytes) -> Iterator[pa.RecordBatch]:
    count = 0
    try:
        if any(_is_packed(message.metadata.to_pybytes()) for message in pa.ipc.MessageReader.open_stream(body)):
            raise Invalid("The Arrow stream's buffers are compressed: use Content-Encoding instead", "broken-arrow")
        with pa.ipc.open_stream(body) as reader:
            _check_schema(reader.schema)
            yield pa.RecordBatch.from_pylist([], reader.schema)
            for batch in reader:
                batch.validate(full=True)
                count += batch.num_rows
                if count > ROWS_MAX:
                    raise TooLarge(f"The Arrow stream carries more than {ROWS_MAX} rows: send it in parts")
                yield batch
    except (OSError, pa.ArrowException, struct.error, IndexError) as error:
        raise pa.ArrowInvalid(str(error)) from None


def _is_packed(metadata: bytes) -> bool:
    """Return whether an Arrow message says that its buffers are compressed, which no bound on the body would hold.

    Walks the message's flatbuffer: of a table's fields, the vtable in front of it holds the places (Arrow columnar
    format, Message.fbs: a message has its header's type as field 1 and the header as field 2).
    """

    def field(table: int, index: int) -> int:
        (back,) = struct.unpack_from("<i", metadata, table)
        (size,) = struct.unpack_from("<H", metadata, table - back)
        slot = 4 + 2 * index
        (place,) = struct.unpack_from("<H", metadata, table - back + slot) if slot < size else (0,)
        return table + int(place) if place else 0

    def table_at(place: int) -> int:
        return place + int(struct.unpack_from("<I", metadata, place)[0])

    message = table_at(0)
    kind, header = field(message, 1), field(message, 2)
    if not kind or not header:
        return False
    batch = table_at(header)
    if metadata[kind] == _DICTIONARY_BATCH:
        inner = field(batch, 1)
        batch = table_at(inner) if inner else batch
    return metadata[kind] in (_DICTIONARY_BATCH, _RECORD_BATCH) and bool(field(batch, 3))


def _check_schema(schema: pa.Schema) -> None:
    names = set(schema.names)
    if missing := [name for name in _REQUIRED if name not in names]:
        raise Invalid(f"The Arrow stream has no column {', '.join(missing)}", "broken-arrow")
    if len(names) < len(schema.names) or not names <= {*_TEXTS, "time", "value"}:
        raise Invalid(
            f"The Arrow stream's columns are {', '.join((*_TEXTS, 'time', 'value'))}, each once", "broken-arrow"
        )
    for name in names & set(_TEXTS):
        if schema.field(name).type not in (pa.string(), DICTIONARY if name in _REPEATED else None):
            raise Invalid(f"The Arrow stream's column {name} is not text", "broken-arrow")
    time = schema.field("time").type
    if not pa.types.is_timestamp(time) or time.tz is None:
        raise Invalid("The Arrow stream's column time is not a timestamp with a zone", "broken-arrow")
    value = schema.field("value").type if "value" in names else pa.string()
    if not (pa.types.is_string(value) or pa.types.is_integer(value) or pa.types.is_decimal(value)):
        raise Invalid("The Arrow stream's column value is neither text nor integer nor decimal", "broken-arrow")


def _columns(table: pa.Table) -> tuple[EventColumns, dict[int, str]]:
    def text(name: str) -> pa.StringArray:
        if name not in table.column_names:
            return pa.array([""] * len(table), pa.string())
        return pc.fill_null(_plain(name, _flat(table.column(name))), "")

    sources, resources = text("source"), text("resource")
    if pc.any(pc.equal(resources, "")).as_py():
        resources = pc.if_else(pc.equal(resources, ""), sources, resources)
    if "value" in table.column_names:
        column = _flat(table.column("value"))
        values, reasons = read_values(column if column.type == pa.string() else column.cast(pa.string()))
    else:
        values, reasons = pa.nulls(len(table), VALUE_TYPE), {}
    times = _flat(table.column("time"))
    if times.null_count:
        reasons |= dict.fromkeys(np.flatnonzero(times.is_null()).tolist(), "no time")
        times = pc.fill_null(times, 0)
    columns = EventColumns(
        positions=np.arange(len(table)),
        ids=text("id"),
        sources=sources,
        types=text("type"),
        subjects=text("project"),
        resources=resources,
        times=times.cast(TIME_TYPE, safe=False),
        values=values,
        dimensions=text("dimensions"),
    )
    return columns, reasons


def _plain(name: str, column: pa.Array) -> pa.StringArray:
    if column.type == pa.string():
        return column
    # One long text in a dictionary must not become a hundred thousand.
    if (pc.max(pc.binary_length(column.dictionary)).as_py() or 0) > LENGTHS_MAX["source"]:
        raise Invalid(
            f"The Arrow stream's column {name} holds a text longer than {LENGTHS_MAX['source']} bytes", "broken-arrow"
        )
    return column.dictionary_decode()


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
