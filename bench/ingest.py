"""HTTP ingest in batches of 1,000 from 4 connections, with the client beside the server."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.load import BATCH, Server, fresh, peak_mib, post, serving, spread, template

CONNECTIONS = 4
WARM_UP_SECONDS = 3
SECONDS = 15
TARGET = 100_000


def run(folder: Path) -> dict[str, object]:
    with serving(folder) as server:
        _load(server, WARM_UP_SECONDS)
        begun = time.perf_counter()
        times = _load(server, SECONDS)
        elapsed = time.perf_counter() - begun
        return {
            "batch": BATCH,
            "connections": CONNECTIONS,
            "seconds": round(elapsed, 1),
            "events_per_second": round(len(times) * BATCH / elapsed),
            "target_events_per_second": TARGET,
            "request": spread(times),
            "server_peak_mib": peak_mib(server.pid),
        }


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
