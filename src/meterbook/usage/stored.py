"""What ClickHouse has: rows of `events` and, after them, their identities in `event_identities`.

Events without their identities are what a crash between the two inserts leaves; the journal has these still.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from string import Template
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from meterbook.usage.connection import Connection, Parameter, statement
from meterbook.usage.identity import IDENTITY, Identities, identities_of

_LOOKUP_MAX: Final = 100_000
_FEW: Final = 100
_PORTION: Final = 5_000_000
_log = structlog.get_logger(__name__)


def find_stored(engine: Connection, wanted: Identities) -> set[tuple[int, int]]:
    """Return those of the identities that ClickHouse has, exactly, as pairs of head and tail."""
    found: set[tuple[int, int]] = set()
    if not len(wanted):
        return found
    name = "stored_identities_scanned" if _are_many(engine, len(wanted)) else "stored_identities"
    for start in range(0, len(wanted), _LOOKUP_MAX):
        some = wanted[start : start + _LOOKUP_MAX]
        parameters: dict[str, Parameter] = {"identities": some.tobytes().hex(), "count": len(some)}
        rows = engine.query(statement(name), parameters)
        found.update(zip(rows.column("head").to_pylist(), rows.column("tail").to_pylist(), strict=True))
    return found


def identity_keys(engine: Connection) -> Generator[npt.NDArray[np.uint64]]:
    """Yield the filter's keys of all identities that ClickHouse has; while some are taken, the next are read."""
    batches = engine.stream(Template(statement("identity_keys")).substitute(key=statement("identity_key")))
    with closing(batches), ThreadPoolExecutor(1, "identity-keys") as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch.column(0).to_numpy()


def _are_many(engine: Connection, wanted: int) -> bool:
    """Tell whether identities are found faster by reading all that are stored than by going through the index."""
    if wanted < _FEW:
        return False
    stored: int = engine.query(statement("stored_counts")).column("identities")[0].as_py()
    return wanted * 64 > stored


def insert(engine: Connection, rows: pa.Table, found: Identities) -> None:
    """Insert events and their identities that ClickHouse does not have; on return they are on disk."""
    engine.insert("events", rows)
    _insert_identities(engine, found)


def insert_new(engine: Connection, rows: pa.Table) -> None:
    """Insert those rows whose identity ClickHouse does not have, each once; every event there has its identity."""
    rows = _without_identities(rows)
    found = identities_of(rows)
    missing = _missing(found, find_stored(engine, found))
    if missing.any():
        insert(engine, rows.filter(pa.array(missing)), found[missing])


def insert_rest(engine: Connection, rows: pa.Table) -> int:
    """Insert what an insert that was broken off left out, of events and of identities; return how many events.

    Finds the events that are there by the moments of receipt, which these rows alone have.
    """
    rows = _without_identities(rows)
    received = pc.min_max(rows.column("received_at"))
    parameters: dict[str, Parameter] = {"first": received["min"].as_py(), "last": received["max"].as_py()}
    there = set(identities_of(engine.query(statement("received_between"), parameters)).tolist())
    found = identities_of(rows)
    missing = _missing(found, there)
    if missing.any():
        engine.insert("events", rows.filter(pa.array(missing)))
    without = _missing(found, find_stored(engine, found))
    if without.any():
        _insert_identities(engine, found[without])
    return int(missing.sum())


def complete_identities(engine: Connection) -> None:
    """Make the identities anew if they are not as many as the events.

    They are fewer when a restore was broken off, and none after the table came in.
    """
    (count,) = engine.query(statement("stored_counts")).to_pylist()
    if count["events"] != count["identities"]:
        _log.warning("usage.identities_made_anew", **count)
        engine.run(engine.layout.fill(statement("forget_identities")))
        engine.run(Template(statement("make_identities")).substitute(identity=statement("identity")))


def identity_faults(engine: Connection) -> list[str]:
    """Hold the identities against the events, of which none is put in meanwhile; return what is off.

    Each event has the identity that its account, source and id give, and no identity is there twice: so no event is.
    """
    twice = sum(_twice(engine))
    found = [f"events: {twice} are stored more than once"] if twice else []
    sql = Template(statement("identity_faults")).substitute(identity=statement("identity"))
    (told,) = engine.query(sql).to_pylist()
    if not told["agree"]:
        found.append(f"events: {told['events']} events and {told['identities']} identities do not agree")
    return found


def _twice(engine: Connection) -> Iterator[int]:
    """Yield how many identities are there already, a portion after the other so that memory does not grow with them."""
    (count,) = engine.query(statement("stored_counts")).to_pylist()
    portions = 1 + count["identities"] // _PORTION
    for portion in range(portions):
        parameters: dict[str, Parameter] = {"portions": portions, "portion": portion}
        yield engine.query(statement("identities_twice"), parameters).column("twice")[0].as_py()


def _without_identities(rows: pa.Table) -> pa.Table:
    """Drop the column that archives and segments had while the table `events` had it."""
    return rows.drop_columns("identity") if "identity" in rows.column_names else rows


def identity_columns(found: Identities) -> pa.Table:
    """Return identities as rows of the table `event_identities`."""
    return pa.table({name: found[name] for name in IDENTITY.names or ()})


def _insert_identities(engine: Connection, found: Identities) -> None:
    engine.insert("event_identities", identity_columns(found))


def _missing(wanted: Identities, known: set[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    """Tell which identities are the first of their kind and not among the known, which grow by them."""
    missing = np.zeros(len(wanted), dtype=np.bool_)
    for row, identity in enumerate(wanted.tolist()):
        missing[row] = identity not in known
        known.add(identity)
    return missing
