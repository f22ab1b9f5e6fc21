"""The command that archives an installation, and the restoring half of import."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from meterbook.cli.options import AsJson, DataDir, print_json


def export(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write everything, money and usage, to a new folder of files; a server that runs goes on meanwhile."""
    from shutil import move

    from meterbook.cli.client import connected
    from meterbook.errors import Refused

    if folder.exists():
        raise Refused(f"{folder} is there already: name a folder that is not.", "exists")
    with connected(data_dir) as client:
        written = client.post("/archives", {"name": f"export-{secrets.token_hex(8)}"})
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        move(written["folder"], folder)
    except OSError as error:
        raise Refused(f"The archive is whole in {written['folder']}; it cannot be moved: {error}") from error
    written["folder"] = str(folder)
    if as_json:
        print_json(written)
        return
    rows = sum(written["tables"].values())
    typer.echo(f"{folder}: {rows:,} rows of money and {written['events']:,} events, as of {written['made_at']}")


def restore(folder: Path, data_dir: Path | None, as_json: bool) -> None:
    """Restore an archive into the stores of the settings, which have to be empty and not served."""
    from contextlib import ExitStack

    from rich.console import Console
    from rich.progress import Progress

    from meterbook.archive.manifest import read_manifest
    from meterbook.archive.restore import restore_archive
    from meterbook.database import migrate, open_database
    from meterbook.settings import load_settings
    from meterbook.usage.carry import open_shared_sink, open_sink

    settings = load_settings(data_dir=data_dir)
    manifest = read_manifest(folder)
    rows = sum(part.rows for part in manifest.parts)
    with ExitStack() as stack, Progress(console=Console(stderr=True), disable=as_json) as progress:
        bar = progress.add_task(f"Restoring {folder}", total=rows)
        if settings.clickhouse_url is None:
            # first, for it holds the folder
            events = stack.enter_context(open_sink(settings.data_dir))
        database = open_database(settings)
        stack.callback(database.dispose)
        migrate(database)
        if settings.clickhouse_url is not None:
            events = stack.enter_context(open_shared_sink(settings, database))
        restore_archive(database, events, folder, lambda count: progress.advance(bar, count))
    if as_json:
        print_json({"folder": str(folder), "rows": rows - manifest.event_count, "events": manifest.event_count})
        return
    typer.echo(f"{rows - manifest.event_count:,} rows of money and {manifest.event_count:,} events are restored.")
    typer.echo("Start the server, and run meterbook verify to see that everything agrees.")
