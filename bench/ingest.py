"""HTTP ingest in batches of 1,000 from 4 connections, with the client beside the server."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.figures import SMALL, Figure
from bench.load import BATCH, Server, fresh, peak_mib, percentile_ms, post, serving, template

CONNECTIONS = 4
WARM_UP_SECONDS = 3
SECONDS = 10 if SMALL else 15
TARGET = 100_000


def run(folder: Path) -> list[Figure]:
    with serving(folder) as server:
        _load(server, WARM_UP_SECONDS)
        begun = time.perf_counter()
        times = _load(server, SECONDS)
        elapsed = time.perf_counter() - begun
        how = f"{CONNECTIONS} connections, batches of {BATCH:,}, {elapsed:.0f} s, client beside the server"
        return [
            Figure(
                name="HTTP ingest",
                value=len(times) * BATCH / elapsed,
                unit="events/s",
                how=how,
                at_least=TARGET,
                limit="decode, append, sync over HTTP",
                limit_share=0.5,
            ),
            Figure(name="a request, p99", value=percentile_ms(times, 99), unit="ms", how=how),
            Figure(name="server memory at most", value=peak_mib(server.pid), unit="MiB", how=how, at_most=1_536),
        ]


def _load(server: Server, seconds: float) -> list[float]:
    until = time.perf_counter() + seconds
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        runs = [pool.submit(_send, server, template(seed), until) for seed in range(CONNECTIONS)]
        return [each for run in runs for each in run.result()]


def _send(server: Server, body: bytes, until: float) -> list[float]:
    connection, times = server.connect(), []
    while time.perf_counter() < until:
        request = fresh(body)
        begun = time.perf_counter()
        receipt = post(connection, server.key, request)
        times.append(time.perf_counter() - begun)
        assert receipt == {"accepted": BATCH, "duplicates": 0, "rejected": []}, receipt
    connection.close()
    return times
