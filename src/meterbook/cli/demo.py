"""The demo: stores, catalog, recorded and generated usage, previews, and the console, from one command."""

from __future__ import annotations

import json
import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from meterbook.cli.options import DataDir

if TYPE_CHECKING:
    from meterbook.cli.client import Client
    from meterbook.demo.accounts import DemoAccount, DemoUser

DEMO_FILE: Final = "demo.json"
FOLDER: Final = "meterbook-demo"


def demo(
    once: Annotated[bool, typer.Option("--once", help="Print the previews and leave.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; a free one if 8000 is taken.")] = 8000,
    data_dir: DataDir = None,
) -> None:
    """Show Meterbook with three accounts: two generated, one with series recorded on real servers.

    Uses a data folder of its own unless one is given; running it again adds what is new and counts nothing twice.
    """
    from contextlib import ExitStack

    from meterbook.cli.client import in_process
    from meterbook.cli.serving import listen, run, url_of
    from meterbook.house import open_house, system_clock
    from meterbook.main import at_work, create_app
    from meterbook.settings import Settings, load_settings

    settings = load_settings(data_dir=data_dir)
    if data_dir is None and "data_dir" not in settings.model_fields_set:
        own = Settings().data_dir.with_name(FOLDER)
        settings = load_settings(data_dir=own)
    with ExitStack() as stack:
        bound = None if once else stack.enter_context(listen("127.0.0.1", port, else_free=True))
        house = stack.enter_context(open_house(settings))
        app = create_app(house)
        with in_process(app) as client:
            now = system_clock()
            facts = furnish(client, now, settings.data_dir / DEMO_FILE)
            _print_previews(client, now)
        if bound is None:
            return

        def ready(url: str) -> None:
            _write(settings.data_dir / DEMO_FILE, {**facts, "url": url})
            _greet(url, facts)

        with at_work(house, served_at=url_of(bound)):
            run(app, bound, settings, ready)


def furnish(client: Client, now: datetime, written: Path) -> dict[str, Any]:
    """Create what is not there yet and import the usage; return the sign-ins and keys for demo.json."""
    from meterbook.demo.accounts import DEMO_USERS, GENERATED, demo_accounts
    from meterbook.demo.catalog import demo_catalog

    known = _read(written)
    passwords = {user["email"]: user["password"] for user in known.get("users", [])}
    users = [
        {"email": user.email, "password": passwords.get(user.email) or secrets.token_urlsafe(12), "sees": user.sees}
        for user in DEMO_USERS
    ]
    facts = {"url": None, "users": users, "keys": known.get("keys", {})}
    # before anything is created with them: a start that is cut off must not lose what cannot be read again
    _write(written, facts)
    client.send("PUT", "/catalog", demo_catalog(now).encode(), "application/toml")
    for account in demo_accounts(now):
        _add_account(client, account)
    for user, sign_in in zip(DEMO_USERS, users, strict=True):
        _add_user(client, user, sign_in["password"])
    for scope, owner in (("operator", None), ("account", GENERATED), ("events", GENERATED)):
        if scope not in facts["keys"]:
            made = client.post("/keys", {"scope": scope, "account": owner, "name": f"demo {scope}"})
            facts["keys"][scope] = made["key"]
    _write(written, facts)
    _import(client, now)
    _bill(client, now)
    return facts


def _add_account(client: Client, account: DemoAccount) -> None:
    members = ("code", "name", "currency", "time_zone", "language", "tax_percent", "billing_email")
    client.post("/accounts", {name: getattr(account, name) for name in members})
    for project in account.projects:
        trial = project.trial_until.isoformat() if project.trial_until else None
        body = {"code": project.code, "name": project.name, "labels": project.labels, "plan": project.plan}
        if project.code not in {known["code"] for known in client.every("/projects", account=account.code)}:
            client.post("/projects", {"account": account.code, **body})
        client.patch(f"/projects/{project.code}", {"trial_until": trial})


def _add_user(client: Client, user: DemoUser, password: str) -> None:
    body = {
        "email": user.email,
        "name": user.name,
        "language": user.language,
        "password": password,
        "operator": user.is_operator,
    }
    client.post("/users", body)
    for member in user.memberships:
        place = {"account": member.account} if member.project is None else {"project": member.project}
        client.post("/members", {"email": user.email, "role": member.role, "billing": member.billing, **place})


def _import(client: Client, now: datetime) -> None:
    from meterbook.cli.importing import Sending, import_batches, import_file
    from meterbook.demo.generate import generated_usage
    from meterbook.demo.recorded import recorded_files
    from meterbook.usage.import_file import TableOptions

    with Sending(client) as sending:
        for file in recorded_files():
            import_file(sending, file.path, TableOptions(file.project, file.type))
        import_batches(sending, "generated usage", generated_usage(now))
    sending.report()


def _bill(client: Client, now: datetime) -> None:
    """Register how the accounts pay, their budgets and promotions, close the months that are over, and pay some."""
    from meterbook.demo.billing import demo_billing

    accounts = demo_billing(now)
    for account in accounts:
        client.put("/payment-information", account.information)
        if account.budget is not None:
            client.put("/budget", {"account": account.code, "amount": account.budget})
        for promotion in account.promotions:
            client.post("/promotion-codes", promotion)
            if promotion["code"] not in {known["code"] for known in _registered(client, account.code)}:
                body = {"account": account.code, "code": promotion["code"], "at": account.since}
                client.post("/promotions/redeem", body)
    closes = [(month.closed_at, account.code, month) for account in accounts for month in account.months]
    for closed_at, code, month in sorted(closes, key=lambda close: datetime.fromisoformat(close[0])):
        body = {"month": month.month, "account": code, "at": closed_at, "confirm": True}
        (invoice,) = client.post("/closes", body)["issued"]
        if month.paid_on and invoice["status"] != "paid":
            paid = {"account": code, "amount": invoice["unpaid_now"], "received_on": month.paid_on}
            client.post("/payments/record", {**paid, "reference": invoice["number"]})
    for account in accounts:
        for top_up in account.top_ups:
            body = {"account": account.code, "amount": top_up, "reference": f"DEPOSIT-{account.code}"}
            client.post("/balance/top-ups", body, {"Idempotency-Key": f"demo-{account.code}-{top_up}"})


def _registered(client: Client, account: str) -> list[Any]:
    items: list[Any] = client.get("/promotions", account=account)["items"]
    return items


def _print_previews(client: Client, now: datetime) -> None:
    from meterbook.cli.show import show_preview
    from meterbook.core.period import BillingMonth, BillingZone
    from meterbook.demo.accounts import GENERATED, GENERATED_WON, RECORDED
    from meterbook.demo.recorded import RECORDED_MONTHS

    this_month = str(BillingMonth.of(now, BillingZone("UTC")))
    shown = [(RECORDED, month) for month in RECORDED_MONTHS]
    for account, month in [*shown, (GENERATED_WON, this_month), (GENERATED, this_month)]:
        show_preview(client.get("/invoices/preview", account=account, month=month))


def _greet(url: str, facts: dict[str, Any]) -> None:
    typer.echo(f"\nThe console is at {url}. Sign in as one of:")
    for user in facts["users"]:
        typer.echo(f"  {user['email']}  {user['password']}  sees {user['sees']}")
    typer.echo("Stop it with Ctrl-C; the next start keeps everything.")


def _read(path: Path) -> dict[str, Any]:
    try:
        known: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known


def _write(path: Path, facts: dict[str, Any]) -> None:
    """Write demo.json for its owner alone: it holds passwords and keys."""
    half = path.with_suffix(".half")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(facts, file, indent=2)
    half.replace(path)
