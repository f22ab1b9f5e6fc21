"""Write an archive of an installation at work: both stores as of one moment, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import text

from meterbook import __version__
from meterbook.archive.manifest import FORM, Manifest, Part, part_of, write_manifest
from meterbook.archive.tables import carried_tables, copy_out, schema_of
from meterbook.database import Database
from meterbook.errors import Refused
from meterbook.usage.carry import events_through
from meterbook.usage.store import UsageStore

EVENTS_A_PART: Final = 1_000_000

# Told how many rows were written since it was told last.
Progress = Callable[[int], None]


def write_archive(
    database: Database, usage: UsageStore, folder: Path, now: datetime, progress: Progress = lambda _: None
) -> Manifest:
    """Write an archive into a new folder and return its manifest; the installation goes on meanwhile.

    The money store is read in one snapshot; events are those received until just after it. Raises `Refused` when the
    folder is there already or cannot be written; then nothing is left behind.
    """
    with _whole_or_nothing(folder) as unfinished:
        (unfinished / "money").mkdir()
        (unfinished / "events").mkdir()
        with database.engine.connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ")
            connection.execute(text("set transaction read only"))
            connection.execute(text("set local statement_timeout = 0"))
            schema, tables = schema_of(connection), {}
            for table in carried_tables(connection):
                path = f"money/{table}.copy.zst"
                rows = copy_out(connection, table, unfinished / path)
                tables[table] = part_of(unfinished, path, rows)
                progress(rows)
        through = usage.received_through()
        events = tuple(_write_events(usage, through, unfinished, progress))
        manifest = Manifest(FORM, __version__, schema, now.isoformat(), through.isoformat(), tables, events)
        write_manifest(unfinished, manifest)
    return manifest


def _write_events(usage: UsageStore, through: datetime, folder: Path, progress: Progress) -> Iterator[Part]:
    for number, rows in enumerate(_parts(events_through(usage, through)), start=1):
        path = f"events/{number:06}.parquet"
        pq.write_table(rows, folder / path, compression="zstd")
        yield part_of(folder, path, rows.num_rows)
        progress(rows.num_rows)


def _parts(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(each.num_rows for each in held) >= EVENTS_A_PART:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


@contextmanager
def _whole_or_nothing(folder: Path) -> Iterator[Path]:
    """Give a folder beside the wanted one, which takes its name when the block ends well and is gone else."""
    if folder.exists():
        raise Refused(f"{folder} is there already: name a folder that is not.", "exists")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}.unfinished-", dir=folder.parent))
    except OSError as error:
        raise Refused(f"{folder} cannot be made ({error.strerror}): choose another place.") from error
    try:
        yield unfinished
        unfinished.rename(folder)
    except OSError as error:
        raise Refused(
            f"The archive cannot be written ({error.strerror}): check the disk of {folder.parent}."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
