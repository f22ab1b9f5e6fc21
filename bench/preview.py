"""A month's preview for an account with 10 projects and 200,000 events (SIZE=small: 50,000), from request to JSON.

Measured over two shapes of the same size: series at five-minute steps, as the recorded ones of `examples/cloudwatch`,
and events scattered over 600 resources, three to four of them in a resource-hour. Nothing is kept of what was
read: each request asks for the same.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path

from bench.figures import SMALL, Figure
from bench.load import BATCH, PROJECTS, TYPES, event, fresh, month_start, percentile_ms, post, serving, template

EVENTS = 50_000 if SMALL else 200_000
SERIES = PROJECTS * len(TYPES)
STEP = timedelta(minutes=5)
WARM_UP = 10
READS = 10 if SMALL else 50
TARGET_MS = 50


def run(folder: Path) -> list[Figure]:
    shapes = {"five-minute steps": _steps} if SMALL else {"five-minute steps": _steps, "scattered": template}
    return [
        figure
        for name, shape in shapes.items()
        for figure in _figures(name, _measure(folder / name, [shape(seed) for seed in range(EVENTS // BATCH)]))
    ]


def _figures(name: str, times: list[float]) -> list[Figure]:
    how = f"{EVENTS:,} events of a month, {READS} requests over HTTP"
    median = Figure(
        name=f"preview, {name}", value=percentile_ms(times, 50), unit="ms", how=f"median; {how}", at_most=TARGET_MS
    )
    return [median, Figure(name=f"preview, {name}, p99", value=percentile_ms(times, 99), unit="ms", how=how)]


def _measure(folder: Path, bodies: list[bytes]) -> list[float]:
    with serving(folder, keeping=False) as server:
        connection = server.connect()
        for body in bodies:
            post(connection, server.key, fresh(body))
        first = json.loads(bodies[0])[0]["time"][:7]
        times = []
        for number in range(WARM_UP + READS):
            begun = time.perf_counter()
            server.get(connection, f"/invoices/preview?account=bench&month={first}")
            if number >= WARM_UP:
                times.append(time.perf_counter() - begun)
        connection.close()
        return times


def _steps(seed: int) -> bytes:
    """One request of 30 series that report every five minutes from the start of last month on."""
    start = (month_start() - timedelta(days=1)).replace(day=1)
    events = []
    for number in range(BATCH):
        step, series = divmod(seed * BATCH + number, SERIES)
        project, kind = series % PROJECTS, TYPES[series // PROJECTS]
        events.append(event(number, kind, f"p{project}", start + step * STEP, str(step % 16), f"{kind}-{project}"))
    return json.dumps(events, separators=(",", ":")).encode()
