"""What the machine could do at most: decode, write and sync, insert, and answer over HTTP, each alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import chdb
import msgspec
import numpy as np
import pyarrow as pa

from bench.figures import Figure
from bench.load import BATCH, template

SECONDS = 2.0
SYNC_BYTES = 256 * 1024
INSERT_ROWS = 100_000
_BARE_SERVER = """
import sys, uvicorn
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})
uvicorn.run(app, port=int(sys.argv[1]), http="httptools", loop="uvloop", log_level="critical", lifespan="off")
"""
_PORT = 18_471


class _Event(msgspec.Struct):
    id: str
    source: str
    type: str
    subject: str
    time: str
    data: dict[str, str]


def run(folder: Path) -> list[Figure]:
    folder.mkdir(parents=True)
    return [
        Figure(name="decode", value=_decode(), unit="events/s", how="msgspec, typed, one core"),
        Figure(name="append and sync", value=_sync(folder / "journal"), unit="times/s", how="256 KiB each"),
        Figure(
            name="insert into ClickHouse, 100,000 rows",
            value=_insert(folder / "clickhouse"),
            unit="rows/s",
            how="Arrow, a plain table, synced",
        ),
        Figure(
            name="bare HTTP",
            value=BATCH * _http(),
            unit="events/s",
            how="bodies of 1,000 events that a server only reads, client beside it",
        ),
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
    body, decoder = template(1), msgspec.json.Decoder(list[_Event])
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


def _insert(path: Path) -> float:
    engine = chdb.connect(str(path))
    engine.query(
        "create table t (a UInt64, b DateTime64(6), c String) engine = MergeTree order by (a, b)"
        " settings fsync_after_insert = 1"
    )
    numbers = np.arange(INSERT_ROWS, dtype=np.uint64)
    rows = pa.table({"a": numbers % 100, "b": pa.array(numbers.astype("datetime64[us]")), "c": numbers.astype("U12")})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    body = sink.getvalue().to_pybytes()

    def insert() -> None:
        with engine.send_insert("insert into t (a, b, c)", "Arrow") as inserter:
            inserter.append(body)
            inserter.finish()

    try:
        return INSERT_ROWS * _rate(insert)
    finally:
        engine.close()


def _http() -> float:
    """Bodies a second that a server which only reads them takes from 4 connections beside it."""
    process = subprocess.Popen([sys.executable, "-c", _BARE_SERVER, str(_PORT)])
    try:
        _wait()
        body = template(1)
        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(lambda _: _requests(body), range(4)))
    finally:
        process.terminate()
        process.wait()


def _wait() -> None:
    for _ in range(200):
        try:
            HTTPConnection("127.0.0.1", _PORT).connect()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the bare server did not start")


def _requests(body: bytes) -> float:
    connection = HTTPConnection("127.0.0.1", _PORT)

    def request() -> None:
        connection.request("POST", "/", body)
        connection.getresponse().read()

    try:
        return _rate(request)
    finally:
        connection.close()
