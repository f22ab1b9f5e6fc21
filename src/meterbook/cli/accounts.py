"""Commands for accounts, projects, users and members."""

from __future__ import annotations

import sys
from typing import Annotated, Literal
from urllib.parse import quote

import typer

from meterbook.cli.ask import listed, patch, post, told
from meterbook.cli.options import AsJson, DataDir
from meterbook.errors import Invalid

account = typer.Typer(help="Accounts: who pays.", no_args_is_help=True)
project = typer.Typer(help="Projects: the metered parts of an account.", no_args_is_help=True)
user = typer.Typer(help="Users: people who sign in.", no_args_is_help=True)
member = typer.Typer(help="Members: what a user is in a project, or in a whole account.", no_args_is_help=True)

Code = Annotated[str, typer.Argument(help="Lower-case letters, digits, dash, underscore and dot; 64 at most.")]
Name = Annotated[str | None, typer.Option(help="The name people read; the code if left out.")]
AccountCode = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's code.")]
Email = Annotated[str, typer.Argument(help="The user's e-mail.")]
Role = Literal["viewer", "member", "admin"]


@account.command("add")
def add_account(
    code: Code,
    currency: Annotated[str, typer.Option(help="ISO 4217, such as USD.")],
    time_zone: Annotated[str, typer.Option(help="The billing zone: UTC, Asia/Seoul, +05:30.")] = "UTC",
    tax_percent: Annotated[str, typer.Option(help="Percent of tax on the net, such as 10.")] = "0",
    tax_class: Annotated[
        str, typer.Option(help="standard, or for no tax: zero_rated, reverse_charge, exempt.")
    ] = "standard",
    name: Name = None,
    language: Annotated[str, typer.Option(help="en, ko or ja: of invoices and mails.")] = "en",
    rounding: Annotated[
        str | None, typer.Option(help="half_up, half_even, down or up; the currency's custom if left out.")
    ] = None,
    billing_email: Annotated[str | None, typer.Option(help="Where invoices go.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add an account; adding the very same one again changes nothing."""
    body = {
        "code": code,
        "currency": currency,
        "time_zone": time_zone,
        "tax_percent": tax_percent,
        "tax_class": tax_class,
        "name": name,
        "language": language,
        "rounding": rounding,
        "billing_email": billing_email,
    }
    told(post("/accounts", body, data_dir), as_json, f"Account {code} is there.")


@account.command("change")
def change_account(
    code: Code,
    name: Annotated[str | None, typer.Option(help="The name people read.")] = None,
    language: Annotated[str | None, typer.Option(help="en, ko or ja: of invoices and mails.")] = None,
    tax_percent: Annotated[str | None, typer.Option(help="Percent of tax on the net, such as 10.")] = None,
    tax_class: Annotated[
        str | None, typer.Option(help="standard, or for no tax: zero_rated, reverse_charge, exempt.")
    ] = None,
    billing_email: Annotated[str | None, typer.Option(help='Where invoices go; "" takes it away.')] = None,
    closed: Annotated[
        bool | None, typer.Option("--close/--reopen", help="Closed, it takes no more usage and its keys end.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Change what is given of an account, for every month that is not drafted yet; or close it."""
    terms = {"name": name, "language": language, "tax_percent": tax_percent, "tax_class": tax_class}
    given: dict[str, object] = {**terms, "closed": closed}
    body = {field: value for field, value in given.items() if value is not None}
    if billing_email is not None:
        body["billing_email"] = billing_email or None
    if not body:
        raise Invalid("Say what to change, such as --tax-percent 10.", "missing-option")
    told(patch(f"/accounts/{quote(code, safe='')}", body, data_dir), as_json, f"Account {code} is changed.")


@account.command("list")
def list_accounts(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List accounts by code."""
    listed("/accounts", ["code", "name", "currency", "time_zone", "tax_percent"], data_dir, as_json)


@project.command("add")
def add_project(
    account: AccountCode,
    code: Code,
    name: Name = None,
    label: Annotated[list[str] | None, typer.Option(help="key=value; may be given many times.")] = None,
    plan: Annotated[str, typer.Option(help="subscribed, or free: metered and never charged.")] = "subscribed",
    trial_until: Annotated[
        str | None, typer.Option(help="Hours before it cost nothing: 2026-06-20T10:00:00Z, the start of an hour.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add a project to an account; adding the very same one again changes nothing."""
    body = {
        "account": account,
        "code": code,
        "name": name,
        "labels": _labels(label or []),
        "plan": plan,
        "trial_until": trial_until,
    }
    told(post("/projects", body, data_dir), as_json, f"Project {code} is there.")


@project.command("list")
def list_projects(account: AccountCode, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List an account's projects by code."""
    listed("/projects", ["code", "name", "status", "trial_until"], data_dir, as_json, account=account)


@user.command("add")
def add_user(
    email: Email,
    name: Name = None,
    language: Annotated[str | None, typer.Option(help="en, ko or ja: of the console.")] = None,
    operator: Annotated[bool, typer.Option("--operator", help="Of your staff: may do everything.")] = False,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add a user; without a password nobody signs in as them."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    body = {"email": email, "name": name, "language": language, "password": password, "operator": operator}
    told(post("/users", body, data_dir), as_json, f"User {email} is there.")


@user.command("invite")
def invite_user(
    email: Email,
    project: Annotated[str | None, typer.Argument(help="The project's code; or give --account.")] = None,
    role: Annotated[Role | None, typer.Option(help="viewer if left out.")] = None,
    billing: Annotated[bool, typer.Option("--billing", help="Give the billing permission too.")] = False,
    account: Annotated[str | None, typer.Option(help="An account: all its projects, those to come as well.")] = None,
    operator: Annotated[bool, typer.Option("--operator", help="To your staff, who may do everything.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make somebody a member, or one of your staff, and tell them by mail; new people choose a password by its link."""
    place = {"project": project, "account": account, "role": role if operator else role or "viewer"}
    body = {"email": email, **place, "billing": billing, "operator": operator}
    told(post("/invitations", body, data_dir), as_json, f"{email} is invited.")


@user.command("list")
def list_users(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List who signs in, by e-mail."""
    listed("/users", ["email", "name", "operator", "has_password", "two_factor"], data_dir, as_json)


@user.command("change")
def change_user(
    email: Email,
    operator: Annotated[
        bool | None, typer.Option("--operator/--no-operator", help="Of your staff: may do everything.")
    ] = None,
    to: Annotated[str | None, typer.Option("--email", help="What they sign in with from now on.")] = None,
    no_two_factor: Annotated[bool, typer.Option("--no-two-factor", help="For somebody who lost their app.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Change an e-mail, give or take the rights of your staff, or turn two-factor authentication off.

    It holds from their next request on.
    """
    given: dict[str, object] = {"operator": operator, "email": to, "two_factor": False if no_two_factor else None}
    body = {field: value for field, value in given.items() if value is not None}
    if not body:
        raise Invalid("Say what to change, such as --no-operator.", "missing-option")
    told(patch(f"/users/{quote(email, safe='')}", body, data_dir), as_json, f"User {email} is changed.")


@user.command("remove")
def remove_user(email: Email, data_dir: DataDir = None) -> None:
    """Remove a user with every membership and sign-in; keys that they know are ended by key revoke."""
    from meterbook.cli.client import connected

    with connected(data_dir) as client:
        client.delete(f"/users/{quote(email, safe='')}")
    typer.echo(f"User {email} is removed.")


@member.command("add")
def add_member(
    email: Email,
    project: Annotated[str | None, typer.Argument(help="The project's code; or give --account.")] = None,
    role: Annotated[Role, typer.Option(help="What they may do.")] = "viewer",
    billing: Annotated[bool, typer.Option("--billing", help="Give the billing permission too.")] = False,
    account: Annotated[str | None, typer.Option(help="An account: all its projects, those to come as well.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a user a member of a project, or of every project of an account."""
    body = {"email": email, "project": project, "account": account, "role": role, "billing": billing}
    place = f"project {project}" if account is None else f"account {account}"
    told(post("/members", body, data_dir), as_json, f"{email} is {role} of {place}.")


@member.command("list")
def list_members(account: AccountCode, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List an account's memberships in the order they were added."""
    listed("/members", ["email", "project", "role", "billing"], data_dir, as_json, account=account)


def _labels(given: list[str]) -> dict[str, str]:
    pairs = [label.partition("=") for label in given]
    if wrong := [key for key, equals, _ in pairs if not (key and equals)]:
        raise Invalid(f"A label is written key=value, not {wrong[0]!r}.", "wrong-labels")
    return {key: value for key, _, value in pairs}
