"""The command tree; modules of commands are imported when one runs, so that --help answers at once."""

from __future__ import annotations

import sys

import typer

from meterbook import __version__
from meterbook.cli import (
    accounts,
    budgets,
    catalog,
    demo,
    exporting,
    importing,
    jobs,
    keys,
    money,
    moving,
    promotions,
    reading,
    server,
    webhook,
    working,
)
from meterbook.errors import MeterbookError

app = typer.Typer(
    name="meterbook",
    help="Meters usage by the hour, bills it, and shows customers every figure.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
app.command("serve")(server.serve)
app.command("work")(working.work)
app.command("migrate")(server.migrate)
app.add_typer(catalog.commands, name="catalog")
app.add_typer(accounts.account, name="account")
app.add_typer(accounts.project, name="project")
app.add_typer(accounts.user, name="user")
app.add_typer(accounts.member, name="member")
app.add_typer(keys.commands, name="key")
app.command("import")(importing.import_files)
app.command("export")(moving.export)
app.command("usage")(reading.usage)
app.command("preview")(reading.preview)
app.command("focus")(exporting.focus)
app.command("journal")(exporting.journal)
app.command("report")(reading.report)
app.command("close")(money.close)
app.command("leave-unbilled")(money.leave_unbilled)
app.add_typer(money.invoice, name="invoice")
app.add_typer(promotions.commands, name="promotion")
app.add_typer(money.payment, name="payment")
app.add_typer(money.balance, name="balance")
app.add_typer(budgets.commands, name="budget")
app.command("verify")(money.verify)
app.command("audit-log")(reading.audit_log)
app.add_typer(jobs.commands, name="job")
app.add_typer(webhook.commands, name="webhook")


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    if version:
        typer.echo(f"meterbook {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; an error of the world becomes one line on stderr and exit code 1."""
    try:
        app()
    except MeterbookError as error:
        typer.echo(f"meterbook: {error.message}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
