"""Commands for jobs in trouble."""

from __future__ import annotations

from typing import Annotated

import typer

from meterbook.cli.ask import listed, post, told
from meterbook.cli.options import AsJson, DataDir

commands = typer.Typer(help="Jobs: what the worker could not do.", no_args_is_help=True)
Task = Annotated[str, typer.Argument(help="As job list shows it.")]


@commands.command("list")
def list_jobs(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List jobs that gave up, and those that nobody begins."""
    listed("/jobs", ["task", "trouble", "count", "since"], data_dir, as_json)


@commands.command("retry")
def retry(task: Task, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Try all jobs of a task that gave up again."""
    made = post(f"/jobs/{task}/retry", {}, data_dir)
    told(made, as_json, f"Jobs {task} that are tried again: {made['count']}.")


@commands.command("dismiss")
def dismiss(task: Task, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Put all jobs of a task that gave up aside: nobody will do them."""
    made = post(f"/jobs/{task}/dismissal", {}, data_dir)
    told(made, as_json, f"Jobs {task} that are put aside: {made['count']}.")
