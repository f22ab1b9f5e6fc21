"""What the machine could do at most: decode, append and sync, insert, and answer over HTTP, each alone and together."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import chdb
import numpy as np
import pyarrow as pa

from bench import typed_columns
from bench.bare_server import decoder
from bench.figures import SMALL, Figure
from bench.load import BATCH, template
from bench.sender import send

CONNECTIONS = 8
SECONDS = 0.5 if SMALL else 4.0
SYNC_BYTES = 256 * 1024
INSERTS = (1_000, 10_000, 100_000)
OVER_HTTP = "decode, append, sync over HTTP"  # what ingest is held against


def run(folder: Path) -> list[Figure]:
    folder.mkdir(parents=True)
    http = f"bodies of {BATCH:,} events from {CONNECTIONS} connections, client beside a bare server that"
    return [
        Figure(name="decode", value=_decode(), unit="events/s", how="msgspec, typed, on one core"),
        Figure(
            name="append and sync",
            value=_sync(folder / "journal"),
            unit="times/s",
            how=f"{SYNC_BYTES >> 10} KiB to the end of a file, one after the other",
        ),
        *_inserts(folder / "inserts"),
        Figure(name="bare HTTP", value=_http(folder / "read", "read"), unit="events/s", how=f"{http} only reads"),
        Figure(
            name=OVER_HTTP,
            value=_http(folder / "keep", "keep"),
            unit="events/s",
            how=f"{http} decodes, appends and syncs before it answers; bodies that come during a sync share the next",
        ),
        *typed_columns.run(folder / "typed"),
    ]


def _rate(act: Callable[[], object]) -> float:
    """How often a second an act can be done, one after the other."""
    act()
    begun, times = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS:
        act()
        times += 1
    return times / (time.perf_counter() - begun)


def _decode() -> float:
    body = template(1)
    return BATCH * _rate(lambda: decoder.decode(body))


def _sync(path: Path) -> float:
    file, block = os.open(path, os.O_WRONLY | os.O_CREAT), os.urandom(SYNC_BYTES)

    def append() -> None:
        os.write(file, block)
        os.fdatasync(file)

    try:
        return _rate(append)
    finally:
        os.close(file)


def _inserts(path: Path) -> list[Figure]:
    engine = chdb.connect(str(path))
    engine.query(
        "create table t (a UInt64, b DateTime64(6), c String) engine = MergeTree order by (a, b)"
        " settings fsync_after_insert = 1"
    )

    def insert(body: bytes) -> None:
        with engine.send_insert("insert into t (a, b, c)", "Arrow") as inserter:
            inserter.append(body)
            inserter.finish()

    try:
        return [
            Figure(
                name=f"insert into ClickHouse, {rows:,} rows",
                value=rows * _rate(partial(insert, _rows(rows))),
                unit="rows/s",
                how=f"Arrow of {rows:,} rows an insert into a table of three columns, synced, one after the other",
            )
            for rows in INSERTS
        ]
    finally:
        engine.close()


def _rows(count: int) -> bytes:
    numbers = np.arange(count, dtype=np.uint64)
    rows = pa.table({"a": numbers % 100, "b": pa.array(numbers.astype("datetime64[us]")), "c": numbers.astype("U12")})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue().to_pybytes())


def _http(folder: Path, kind: str) -> float:
    """Events a second that a bare server takes."""
    folder.mkdir()
    process = subprocess.Popen([sys.executable, "-m", "bench.bare_server", kind, str(folder)])
    try:
        return send(_port(process, folder / "port"), "", CONNECTIONS, SECONDS, answer="{}").events_per_second
    finally:
        process.terminate()
        process.wait()


def _port(process: subprocess.Popen[bytes], file: Path) -> int:
    while not file.exists() or not file.read_text():
        assert process.poll() is None, "the bare server stopped"
        time.sleep(0.05)
    return int(file.read_text())
