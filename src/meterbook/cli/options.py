"""Options that many commands share, and how their answers are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="The data folder; METERBOOK_DATA_DIR or the user's own if left out."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def written(path: Path, content: bytes) -> Path:
    """Write a file and return where it is. Raises `Invalid` for a place that cannot be written to."""
    from meterbook.errors import Invalid

    try:
        path.write_bytes(content)
    except OSError as error:
        raise Invalid(f"Cannot write {path}: {error.strerror}.", "unwritable-file") from error
    return path


def print_json(body: Any) -> None:
    """Print an answer as JSON on standard output."""
    typer.echo(json.dumps(body, ensure_ascii=False, indent=2))
