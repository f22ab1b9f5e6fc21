"""What commands ask of the API, and how they tell what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from meterbook.cli.options import print_json

Key = Annotated[
    str | None, typer.Option("--idempotency-key", help="The same key again acts no more; a new one if left out.")
]


def get(path: str, data_dir: Path | None, **query: object) -> Any:
    """Read a resource."""
    from meterbook.cli.client import connected

    with connected(data_dir) as client:
        return client.get(path, **query)


def post(path: str, body: Mapping[str, object], data_dir: Path | None, key: str | None = None) -> Any:
    """Add a resource or do an act, once for its idempotency key."""
    from meterbook.cli.client import connected

    with connected(data_dir) as client:
        return client.post(path, body, {"Idempotency-Key": key or f"command-{uuid4()}"})


def patch(path: str, body: Mapping[str, object], data_dir: Path | None) -> Any:
    """Change a resource; a member that is None is taken away."""
    from meterbook.cli.client import connected

    with connected(data_dir) as client:
        return client.patch(path, body)


def told(made: Any, as_json: bool, said: str) -> None:
    """Tell what was made: as JSON, or in a sentence."""
    if as_json:
        print_json(made)
    else:
        typer.echo(said)


def listed(path: str, columns: list[str], data_dir: Path | None, as_json: bool, **query: object) -> None:
    """Tell a whole list: as JSON, or some of it as a table."""
    from meterbook.cli.client import connected
    from meterbook.cli.show import table

    with connected(data_dir) as client:
        items = client.every(path, **query)
    if as_json:
        print_json({"items": items})
    else:
        table(columns, [[item[column] for column in columns] for item in items])
