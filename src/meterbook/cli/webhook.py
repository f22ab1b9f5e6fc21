"""Commands for the webhook that is told what happens."""

from __future__ import annotations

import typer

from meterbook.cli.ask import post, told
from meterbook.cli.options import AsJson, DataDir

commands = typer.Typer(help="The webhook: the address that is told what happens.", no_args_is_help=True)


@commands.command("ping")
def ping(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Send an event that says nothing, to see that the webhook takes it."""
    made = post("/webhook/ping", {}, data_dir)
    told(made, as_json, f"The webhook answered with {made['status']} to {made['id']}.")
