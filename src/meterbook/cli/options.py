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


def print_json(body: Any) -> None:
    """Print an answer as JSON on standard output."""
    typer.echo(json.dumps(body, ensure_ascii=False, indent=2))
