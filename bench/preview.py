"""A month's preview for an account with 10 projects and 200,000 events, from request to JSON."""

from __future__ import annotations

import time
from pathlib import Path

from bench.load import BATCH, fresh, month_start, post, serving, spread, template

EVENTS = 200_000
WARM_UP = 5
READS = 50
TARGET_MS = 50


def run(folder: Path) -> dict[str, object]:
    with serving(folder) as server:
        connection = server.connect()
        for seed in range(EVENTS // BATCH):
            post(connection, server.key, fresh(template(seed)))
        path = f"/invoices/preview?account=bench&month={month_start():%Y-%m}"
        times = []
        for number in range(WARM_UP + READS):
            begun = time.perf_counter()
            preview = server.get(connection, path)
            if number >= WARM_UP:
                times.append(time.perf_counter() - begun)
        connection.close()
        return {
            "events": EVENTS,
            "lines": sum(len(group["lines"]) for group in preview["groups"]),
            "target_ms": TARGET_MS,
            **spread(times),
        }
