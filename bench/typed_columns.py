"""What typed columns allow: the month of `reads` as a plain table, sorted as it is read, nothing deduplicated.

No identities, no sources, no late events, no roll-up: a reading scans the rows that it is about.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import chdb

from bench.figures import SMALL, Figure, say

ACCOUNTS = 5 if SMALL else 100
EVENTS = 200_000 * ACCOUNTS
WARM_UP = 2
READS = 5
_TABLE = """
create table plain
(
    account UInt64,
    project UInt64,
    type LowCardinality(String),
    at DateTime64(6, 'UTC'),
    value Decimal(38, 9),
    host LowCardinality(String)
)
engine = MergeTree
order by (account, project, type, toStartOfHour(at))
"""
_FILL = f"""
insert into plain
select
    rand(1) % {ACCOUNTS} as account,
    account * 10 + rand(2) % 10,
    ['sum', 'maximum', 'unique'][1 + rand(3) % 3],
    toDateTime64('2026-01-01', 6, 'UTC') + rand(4) % (744 * 3600),
    rand(5) % 16,
    concat('host-', toString(rand(6) % 200))
from numbers({EVENTS})
"""
# A sum, a maximum, a unique count; each of the rows of its own type.
_COUNT = "sumIf(value, type = 'sum'), maxIf(value, type = 'maximum'), uniqExactIf(host, type = 'unique')"
_READINGS = {
    "one account's month": f"select project, type, {_COUNT} from plain where account = 3 group by project, type",
    "one project's hours": (
        f"select toStartOfHour(at) as hour, type, {_COUNT} from plain where account = 3 and project = 33"
        " group by hour, type"
    ),
    "all accounts' month": f"select account, project, type, {_COUNT} from plain group by account, project, type",
}


def run(folder: Path) -> list[Figure]:
    engine = chdb.connect(str(folder))
    try:
        engine.query(_TABLE)
        engine.query(_FILL)
        engine.query("optimize table plain final")
        say(f"{EVENTS:,} rows in plain typed columns")
        return [
            Figure(
                name=f"typed columns, {name}",
                value=_median_ms(engine, sql),
                unit="ms",
                how=f"median of {READS}, in the process, {EVENTS:,} rows of six columns, sorted, not deduplicated",
            )
            for name, sql in _READINGS.items()
        ]
    finally:
        engine.close()


def _median_ms(engine: Any, sql: str) -> float:
    times = []
    for number in range(WARM_UP + READS):
        begun = time.perf_counter()
        engine.query(sql, "Arrow")
        if number >= WARM_UP:
            times.append(time.perf_counter() - begun)
    return 1000 * sorted(times)[READS // 2]
