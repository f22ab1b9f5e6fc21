"""Commands of the budget: what an account means to spend in a month."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

import typer

from meterbook.cli.options import AsJson, DataDir, print_json

commands = typer.Typer(help="The budget: what an account means to spend in a month.", no_args_is_help=True)

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's code.")]


@commands.command("show")
def show(account: Account, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show the budget, how much of it the running month used, and what was told of."""
    from meterbook.cli.client import connected
    from meterbook.cli.show import table

    with connected(data_dir) as client:
        found = client.get("/budget", account=account)
    if as_json:
        print_json(found)
        return
    used = f"{found['spent']} of {found['currency']} {found['amount']} is used in {found['month']}"
    typer.echo(f"{account}: {used} ({found['used_percent']}%), forecast {found['forecast']}")
    columns = ["month", "percent", "reached_at", "budget", "spent", "forecast"]
    table(columns, [[str(alert[column]) for column in columns] for alert in found["alerts"]])


@commands.command("set")
def set_budget(
    account: Account,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="A month's, tax included, such as 400.00.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Set the budget; a letter goes out when 50, 80 and 100% of it are used."""
    from meterbook.cli.client import connected

    with connected(data_dir) as client:
        made = client.put("/budget", {"account": account, "amount": amount})
    if as_json:
        print_json(made)
    else:
        typer.echo(f"The budget of {account} is {made['currency']} {made['amount']} a month.")


@commands.command("remove")
def remove(account: Account, data_dir: DataDir = None) -> None:
    """Take the budget back, with the alerts it gave."""
    from meterbook.cli.client import connected

    with connected(data_dir) as client:
        client.delete(f"/budget?{urlencode({'account': account})}")
    typer.echo(f"{account} has no budget.")
