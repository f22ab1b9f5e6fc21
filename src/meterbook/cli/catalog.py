"""Commands for the catalog of products, meters and prices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from meterbook.cli.options import AsJson, DataDir, print_json
from meterbook.errors import Invalid, MeterbookError

commands = typer.Typer(help="The catalog: products, meters and prices from a TOML file.", no_args_is_help=True)

CatalogFile = Annotated[Path, typer.Argument(metavar="FILE", help="A catalog in TOML.")]
LARGEST_FILE = 4 << 20


@commands.command("check")
def check(file: CatalogFile, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Check a file; every mistake is named with its line and field. Changes nothing."""
    _send("POST", "/catalog/check", file, data_dir, as_json, "The catalog is in order.")


@commands.command("diff")
def diff(file: CatalogFile, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show what applying a file would change. Changes nothing."""
    _send("POST", "/catalog/diff", file, data_dir, as_json, "Nothing would change.")


@commands.command("apply")
def apply(file: CatalogFile, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Make the stored catalog what the file says; all of it or, if anything is refused, nothing."""
    _send("PUT", "/catalog", file, data_dir, as_json, "Nothing changed: the catalog is already as in the file.")


def _send(method: str, path: str, file: Path, data_dir: Path | None, as_json: bool, if_same: str) -> None:
    from meterbook.cli.client import connected

    text = _read(file)
    try:
        with connected(data_dir) as client:
            answer = client.send(method, path, text, "application/toml")
    except MeterbookError as error:
        problems = error.details.get("problems")
        if as_json or not isinstance(problems, list):
            raise
        for problem in problems:
            where = ": ".join(part for part in (f"{file}:{problem['line']}", problem["field"]) if part)
            typer.echo(f"{where}: {problem['message']}", err=True)
        raise typer.Exit(1) from error
    if as_json:
        print_json(answer)
        return
    changes: list[dict[str, Any]] = answer.get("changes", [])
    for change in changes:
        typer.echo(change["text"])
    if not changes:
        typer.echo(if_same)


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise Invalid(f"{file} is over {LARGEST_FILE >> 20} MiB: a catalog is smaller.", "too-large")
        return file.read_bytes()
    except OSError as error:
        raise Invalid(f"Cannot read {file}: {error.strerror}.", "unreadable-file") from error
