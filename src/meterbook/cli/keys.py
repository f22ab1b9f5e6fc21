"""Commands for API keys."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from meterbook.cli.ask import listed, post
from meterbook.cli.options import AsJson, DataDir

commands = typer.Typer(help="Keys: what programs prove themselves with.", no_args_is_help=True)


@commands.command("create")
def create(
    scope: Annotated[
        Literal["events", "account", "operator"],
        typer.Option(help="events (send only), account (read and act), operator (everything)."),
    ],
    account: Annotated[str | None, typer.Option(help="The account; not for operator keys.")] = None,
    project: Annotated[str | None, typer.Option(help="Narrows the key to one project.")] = None,
    name: Annotated[str, typer.Option(help="What the key is for, to recognise it by.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Create a key and print it, alone: it is told this once."""
    body = {"scope": scope, "account": account, "project": project, "name": name}
    typer.echo(post("/keys", body, data_dir)["key"])


@commands.command("list")
def list_keys(
    account: Annotated[str | None, typer.Option(help="The keys of one account alone.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List keys by their prefixes; their secrets are not kept."""
    columns = ["prefix", "scope", "name", "created_at", "last_used_on", "revoked_at"]
    listed("/keys", columns, data_dir, as_json, account=account)


@commands.command("revoke")
def revoke(prefix: Annotated[str, typer.Argument(help="As key list shows it.")], data_dir: DataDir = None) -> None:
    """End a key: it proves nothing from now on."""
    from meterbook.cli.client import connected

    with connected(data_dir) as client:
        client.delete(f"/keys/{prefix}")
    typer.echo(f"Key {prefix} is revoked.")
