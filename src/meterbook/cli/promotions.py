"""Commands for promotions: codes, and who registers them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from meterbook.cli.ask import Key, listed, patch, post, told
from meterbook.cli.options import AsJson, DataDir
from meterbook.errors import Invalid

commands = typer.Typer(help="Promotions: codes, and who registers them.", no_args_is_help=True)

Code = Annotated[str, typer.Argument(help="The code.")]
AccountCode = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's code.")]


@commands.command("add")
def add_promotion(
    code: Annotated[str, typer.Argument(help="What customers type.")],
    kind: Annotated[str, typer.Option(help="percent, amount, fixed_price, free_quantity or credit.")],
    value: Annotated[str, typer.Option(help="A percent, an amount, a unit price or a quantity, by kind.")],
    name: Annotated[str | None, typer.Option(help="What customers read; the code if left out.")] = None,
    currency: Annotated[str | None, typer.Option(help="Needed but for percents and free quantities.")] = None,
    applies_to: Annotated[str | None, typer.Option(help="line or invoice.")] = None,
    product: Annotated[list[str] | None, typer.Option(help="A product's code; all if left out.")] = None,
    project: Annotated[list[str] | None, typer.Option(help="A project's code; all if left out.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="When it begins; now if left out.")] = None,
    until: Annotated[str | None, typer.Option(help="When it ends; never if left out.")] = None,
    redemptions_max: Annotated[int | None, typer.Option(help="How many accounts may register it.")] = None,
    alone: Annotated[bool, typer.Option("--not-stackable", help="It cannot be combined with others.")] = False,
    priority: Annotated[int, typer.Option(help="Lower comes first among those of a kind.")] = 0,
    months: Annotated[int | None, typer.Option(help="For how many billing months it holds for an account.")] = None,
    carry_over: Annotated[
        bool, typer.Option("--carry-over", help="What a month leaves over adds to the next.")
    ] = False,
    free_unit: Annotated[str, typer.Option(help="unit-hours, or quantity: units for the month.")] = "unit-hours",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add a promotion under a code."""
    body = {
        "code": code,
        "kind": kind,
        "value": value,
        "name": name,
        "currency": currency,
        "applies_to": applies_to,
        "products": product or [],
        "projects": project or [],
        "from": since,
        "until": until,
        "redemptions_max": redemptions_max,
        "stackable": not alone,
        "priority": priority,
        "months": months,
        "carry_over": carry_over,
        "free_unit": free_unit,
    }
    made = post("/promotion-codes", body, data_dir, None)
    told(made, as_json, f"Promotion {made['code']} is there.")


@commands.command("list")
def list_promotions(
    account: Annotated[str | None, typer.Option(help="One account alone.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List promotion codes or, with --account, what an account registered and what it saved."""
    if account is None:
        columns = ["code", "name", "kind", "value", "currency", "until", "redemptions", "redemptions_max"]
        listed("/promotion-codes", columns, data_dir, as_json)
    else:
        columns = ["code", "name", "kind", "value", "until", "status", "saved"]
        listed("/promotions", columns, data_dir, as_json, account=account)


@commands.command("redeem")
def redeem(
    account: AccountCode,
    code: Code,
    at: Annotated[str | None, typer.Option(help="Replays a moment.")] = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Register a promotion code for an account."""
    made = post("/promotions/redeem", {"account": account, "code": code, "at": at}, data_dir, key)
    told(made, as_json, f"{made['code']} is registered for {account}.")


@commands.command("withdraw")
def withdraw(
    account: AccountCode,
    code: Code,
    reason: Annotated[str, typer.Option(help="Why; for your own staff to read.")],
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take a registered code back from an account: it holds for no month that is not issued."""
    made = post("/promotions/withdraw", {"account": account, "code": code, "reason": reason}, data_dir, key)
    told(made, as_json, f"{made['code']} is taken back from {account}.")


@commands.command("change")
def change_promotion(
    code: Code,
    name: Annotated[str | None, typer.Option(help="What customers read.")] = None,
    until: Annotated[str | None, typer.Option(help='When it ends; "none" for never.')] = None,
    redemptions_max: Annotated[
        str | None, typer.Option(help='How many accounts may register it; "none" for any number.')
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Change a promotion's name, end or number of registrations; an end holds for every month that is not issued."""
    given = {"name": name, "until": until, "redemptions_max": redemptions_max}
    body = {
        field: None if value == "none" and field != "name" else value
        for field, value in given.items()
        if value is not None
    }
    if not body:
        raise Invalid("Say what to change, such as --until 2027-01-01T00:00:00Z.", "missing-option")
    made = patch(f"/promotion-codes/{quote(code, safe='')}", body, data_dir)
    told(made, as_json, f"Promotion {made['code']} is changed.")
