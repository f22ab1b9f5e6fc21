"""Restore an archive into empty stores, embedded ones or servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
from sqlalchemy import text

from meterbook.archive.manifest import Manifest, check_part, read_manifest
from meterbook.archive.tables import (
    carried_tables,
    copy_in,
    refuse_unless_empty,
    schema_of,
    set_sequences,
    set_triggers,
)
from meterbook.database import Database
from meterbook.errors import Invalid, Refused
from meterbook.usage.carry import EventSink

Progress = Callable[[int], None]


def restore_archive(
    database: Database, events: EventSink, folder: Path, progress: Progress = lambda _: None
) -> Manifest:
    """Put everything an archive holds into migrated stores without a row, and return its manifest.

    Every file is checked before the first row is written. The money store is filled last, in one transaction, so that a
    restore that was cut off can be run again. Raises `Invalid` for an archive that is damaged or of another version,
    `Refused` ("not-empty") when the stores are in use already.
    """
    manifest = read_manifest(folder)
    for part in manifest.parts:
        check_part(folder, part)
    with database.engine.begin() as connection:
        connection.execute(text("set local statement_timeout = 0"))
        _check_schema(schema_of(connection), manifest, set(carried_tables(connection)))
        refuse_unless_empty(connection, manifest.tables)
        for part in manifest.events:
            for batch in pq.ParquetFile(folder / part.path).iter_batches():
                events.put(batch)
                progress(batch.num_rows)
        set_triggers(connection, manifest.tables, on=False)
        for table, part in manifest.tables.items():
            rows = copy_in(connection, table, folder / part.path)
            assert rows == part.rows, f"{table}: {rows} rows came back of {part.rows}"
            progress(rows)
        set_triggers(connection, manifest.tables, on=True)
        set_sequences(connection)
        if events.count() != manifest.event_count:
            raise Refused(
                f"The usage store holds {events.count():,} events and the archive {manifest.event_count:,}: restore "
                "into an empty data folder.",
                "not-empty",
            )
    return manifest


def _check_schema(schema: str, manifest: Manifest, tables: set[str]) -> None:
    if schema != manifest.schema or tables != set(manifest.tables):
        raise Invalid(
            f"The archive is of Meterbook {manifest.version} (money store {manifest.schema}) and this one has the form "
            f"{schema}: restore it with that version, then start this one, which brings it up to date.",
            "other-version",
        )
