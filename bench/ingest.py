"""HTTP ingest in batches of 1,000 with the client beside the server: half of the load, all it takes, and `kill -9`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import cycle, takewhile
from pathlib import Path
from threading import Timer

from bench.figures import SMALL, Figure, say
from bench.load import BATCH, Server, month_start, peak_mib, percentile_ms, serving, serving_as_it_is
from bench.sender import Sent, send
from meterbook.usage.engine import Engine
from meterbook.usage.store import engine_folder

CONNECTIONS = 8
WARM_UP_SECONDS = 1 if SMALL else 3
SECONDS, HALF_SECONDS, KILL_SECONDS = (3, 2, 1) if SMALL else (60, 20, 5)
TAKEN = f'{{"accepted":{BATCH},"duplicates":0,'
TARGET = 300_000
READ_EVERY = 0.5
EVENTS_OF = "select toUInt64(substring(id, 1, 12)) as request, count() as events, uniqExact(id) as ids from events"


def run(folder: Path) -> list[Figure]:
    with serving(folder) as server:
        rate = min(TARGET, _send(server, WARM_UP_SECONDS).events_per_second) / 2
        next(_readings(server))  # from the first reading on, what comes in is rolled up
        say("half of the load, and readings beside it")
        half, readings = _half(server, rate)
        say("all that the server takes")
        full = _send(server, SECONDS)
        memory = peak_mib(server.pid)
        say("kill -9")
        killed = _killed(server)
    return [*_full(full, memory), *_steady(half, readings), _lost(folder, killed)]


def _full(sent: Sent, memory: int) -> Iterator[Figure]:
    how = f"{CONNECTIONS} connections, batches of {BATCH:,}, {SECONDS} s, client beside the server"
    yield Figure(
        name="HTTP ingest",
        value=sent.events_per_second,
        unit="events/s",
        how=how,
        at_least=TARGET,
        limit="decode, append, sync over HTTP",
        limit_share=0.5,
    )
    yield Figure(name="a request, p99", value=percentile_ms(sent.seconds, 99), unit="ms", how=how)
    yield Figure(name="server memory at most", value=memory, unit="MiB", how=how, at_most=1_536)
    yield Figure(name="the client", value=sent.client_cores, unit="cores", how=how)


def _steady(sent: Sent, readings: list[float]) -> Iterator[Figure]:
    how = f"{sent.events_per_second:,.0f} events a second, batches of {BATCH:,}, {HALF_SECONDS} s"
    yield Figure(
        name="a request at half the load, p99",
        value=percentile_ms(sent.seconds, 99),
        unit="ms",
        how=f"{how}, from when it was due",
        at_most=100,
    )
    yield Figure(
        name="readings at half the load, slowest",
        value=1000 * max(readings),
        unit="ms",
        how=f"{how}; the month's usage and preview, each with every event acknowledged before it was asked for",
        at_most=2_000,
    )


def _lost(folder: Path, sent: Sent) -> Figure:
    """Start the killed server again and look for each event that was acknowledged."""
    (folder / "server.json").unlink()
    with serving_as_it_is(folder):
        pass
    engine = Engine(engine_folder(folder))
    try:
        first = min(first for first, _ in sent.taken)
        rows = engine.query(f"{EVENTS_OF} where id >= '{first:012}' group by request").to_pylist()
    finally:
        engine.close()
    assert all(row["events"] == row["ids"] for row in rows), "an event is stored twice"
    stored = {row["request"]: row["events"] for row in rows}
    acknowledged = [request for first, last in sent.taken for request in range(first, last + 1)]
    return Figure(
        name="acknowledged and lost at kill -9",
        value=len(acknowledged) * BATCH - sum(stored.get(request, 0) for request in acknowledged),
        unit="events",
        how=f"of {len(acknowledged) * BATCH:,}, in the middle of {CONNECTIONS} connections' load; none is stored twice",
        at_most=0,
    )


def _send(server: Server, seconds: float, rate: float = 0) -> Sent:
    sent = send(server.port, server.key, CONNECTIONS, seconds, rate, TAKEN)
    assert not sent.cut, "the server broke a connection off"
    return sent


def _half(server: Server, rate: float) -> tuple[Sent, list[float]]:
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(_send, server, HALF_SECONDS, rate)
        readings = []
        for seconds in takewhile(lambda _: not sending.done(), _readings(server)):
            readings.append(seconds)
            time.sleep(READ_EVERY)
        return sending.result(), readings


def _readings(server: Server) -> Iterator[float]:
    """Read the month's preview and a project's usage in turns, for ever; yield the seconds of each reading."""
    month, connection = month_start(), server.connect()
    end = (month + timedelta(days=31)).replace(day=1)
    usage = f"/usage?project=p0&from={month:%Y-%m-%d}&until={end:%Y-%m-%d}&window=day"
    for path in cycle((f"/invoices/preview?account=bench&month={month:%Y-%m}", usage)):
        begun = time.perf_counter()
        server.get(connection, path)
        yield time.perf_counter() - begun


def _killed(server: Server) -> Sent:
    timer = Timer(KILL_SECONDS, os.kill, (server.pid, signal.SIGKILL))
    timer.start()
    sent = send(server.port, server.key, CONNECTIONS, 10 * KILL_SECONDS, answer=TAKEN)
    assert sent.cut == CONNECTIONS, "the server was not killed"
    return sent
