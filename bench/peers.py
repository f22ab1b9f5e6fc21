"""What peers took for the same month, beside which Meterbook's figures stand.

Measured by others on a machine of 2 cores, with one month of 20,000,000 events (100 accounts x 10 projects x 3 meters,
200 hosts a project): each peer's own statements on its own tables, warm, median of 5; of Polar's ingest the whole
server. Meterbook's readings are whole requests, to the last byte of the JSON.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer: milliseconds of its readings, and events a second that it takes, where that was measured."""

    name: str
    account_ms: float | None
    hours_ms: float | None
    all_ms: float | None
    ingest: float | None = None


PEERS = (
    Peer("OpenMeter (ClickHouse)", 43.6, 28.7, 4_400),
    Peer("Flexprice (ClickHouse, `meter_usage`)", 187, 229, 17_600),
    Peer("Lago (ClickHouse, no deduplication)", 47.3, 53.7, 4_600),
    Peer("Lago (PostgreSQL)", 248, 70.6, 25_700),
    Peer("Polar (PostgreSQL)", 963, 771, 152_000, 3_200),
)
# What typed columns allow there, and what decoding, appending and syncing over HTTP does.
THEIR_MACHINE = Peer("the limits of that machine", 9.9, 10.4, 320, 1_000_000)
