"""Commands for closing months, invoices, payments and the balance, and for verifying that all agrees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterbook.cli.ask import Key, get, listed, post, told
from meterbook.cli.options import AsJson, DataDir, print_json, written

if TYPE_CHECKING:
    from meterbook.cli.client import Client

invoice = typer.Typer(help="Invoices: list, show, save as PDF, correct.", no_args_is_help=True)
payment = typer.Typer(help="Payments: what came in, and what is given back.", no_args_is_help=True)
balance = typer.Typer(help="The balance: prepaid money and promotional credit.", no_args_is_help=True)

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="The invoice's number.")]
Account = Annotated[str, typer.Option(help="The account's code.")]
SomeAccount = Annotated[str | None, typer.Option(help="One account alone.")]
AccountCode = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's code.")]
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="In the account's currency, such as 12.04.")]
INVOICE_COLUMNS = ["number", "account", "month", "currency", "total", "unpaid_now", "status", "due_on"]


def close(
    month: Annotated[str, typer.Option(help="Such as 2014-02.")],
    account: SomeAccount = None,
    at: Annotated[str | None, typer.Option(help="Replays a moment: 2014-03-03T00:00:00Z.")] = None,
    confirm: Annotated[bool, typer.Option("--confirm", help="Issue what is drafted.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Draft a month's invoices and, with --confirm, issue them; closing again changes nothing."""
    from meterbook.cli.show import at_work, table

    body = {"month": month, "account": account, "at": at, "confirm": confirm}
    with at_work("Closing the month"):
        made = post("/closes", body, data_dir)
    if as_json:
        print_json(made)
        return
    table(INVOICE_COLUMNS, [[row[column] for column in INVOICE_COLUMNS] for row in made["drafts"] + made["issued"]])
    for skipped in made["skipped"]:
        typer.echo(f"{skipped['account']} was passed over: {skipped['reason']}.")
    if made["drafts"]:
        typer.echo("Drafts are seen by nobody else. Run it again with --confirm to issue them.")


def leave_unbilled(
    month: Annotated[str, typer.Option(help="Such as 2014-02.")],
    reason: Annotated[str, typer.Option(help="Why, for your own staff.")],
    account: SomeAccount = None,
    earlier: Annotated[bool, typer.Option("--earlier", help="The open months before it too.")] = False,
    at: Annotated[str | None, typer.Option(help="Replays a moment: 2014-03-03T00:00:00Z.")] = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Discard a month's drafts and leave its usage unbilled, so that later months may be closed."""
    body = {"month": month, "account": account, "reason": reason, "earlier": earlier, "at": at}
    made = post("/closes/unbilled", body, data_dir, key)
    lines = [f"{each['month']} of {each['account']} is left unbilled: {each['reason']}" for each in made["months"]]
    told(made, as_json, "\n".join(lines) or f"Nobody has a draft or usage of {month} that is not issued.")


@invoice.command("list")
def list_invoices(account: SomeAccount = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List issued invoices, newest first."""
    listed("/invoices", INVOICE_COLUMNS, data_dir, as_json, account=account)


@invoice.command("show")
def show_invoice(number: Number, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show an invoice as it was issued, and what became of it."""
    from meterbook.cli.show import show_invoice

    found = get(f"/invoices/{number}", data_dir)
    if as_json:
        print_json(found)
    else:
        show_invoice(found)


@invoice.command("pdf")
def save_pdf(
    number: Number,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; NUMBER.pdf if left out.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Save an invoice's or a credit note's PDF."""
    from meterbook.cli.client import connected

    with connected(data_dir) as client:
        content = _paper(client, number)
    typer.echo(str(written(output or Path(f"{number}.pdf"), content)))


@invoice.command("credit")
def credit_invoice(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why; it is printed on the credit note.")],
    line: Annotated[list[str], typer.Option(help="LINE=NET, such as 1=12.04; may be given many times.")],
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Correct an invoice by a credit note: give back parts of lines, with their tax."""
    from meterbook.errors import Invalid

    pairs = [each.partition("=") for each in line]
    if wrong := [
        each for each, (place, equals, _) in zip(line, pairs, strict=True) if not (equals and place.isdigit())
    ]:
        raise Invalid(f"A line is written LINE=NET, such as 1=12.04, not {wrong[0]!r}.", "wrong-lines")
    lines = [{"line": int(place), "net": net} for place, _, net in pairs]
    made = post(f"/invoices/{number}/credit-notes", {"reason": reason, "lines": lines}, data_dir, key)
    told(made, as_json, f"{made['number']} gives back {made['currency']} {made['total']}.")


@invoice.command("pay")
def pay_invoice(number: Number, key: Key = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Charge what is unpaid of an invoice to the registered card."""
    made = post(f"/invoices/{number}/payments", {}, data_dir, key)
    told(made, as_json, f"{number}: {made['charge']}. {made['message'] or ''}".strip())
    if made["charge"] in ("declined", "needs_action"):
        raise typer.Exit(1)


@invoice.command("write-off")
def write_off_invoice(number: Number, key: Key = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Turn what is unpaid of an invoice into bad debt."""
    made = post(f"/invoices/{number}/write-off", {}, data_dir, key)
    told(made, as_json, f"{made['written_off']} of {number} is written off.")


@invoice.command("reinstate")
def reinstate_invoice(number: Number, key: Key = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Undo a write-off: what became bad debt is unpaid again."""
    made = post(f"/invoices/{number}/reinstatement", {}, data_dir, key)
    told(made, as_json, f"{made['reinstated']} of {number} is owed again.")


@payment.command("list")
def list_payments(account: AccountCode, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List an account's payments, newest first."""
    columns = ["id", "received_on", "method", "amount", "currency", "reference", "to_balance"]
    listed("/payments", columns, data_dir, as_json, account=account)


@payment.command("record")
def record_payment(
    account: AccountCode,
    amount: Amount,
    received_on: Annotated[str | None, typer.Option(help="The day, such as 2026-07-28; today if left out.")] = None,
    reference: Annotated[str, typer.Option(help="What it is recognized by.")] = "",
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Record a bank transfer: it pays the oldest unpaid invoices, and the rest goes to the balance."""
    body = {"account": account, "amount": amount, "received_on": received_on, "reference": reference}
    made = post("/payments/record", body, data_dir, key)
    paid = ", ".join(f"{each['invoice']} {each['amount']}" for each in made["paid"]) or "no invoice"
    told(made, as_json, f"Payment {made['id']} paid {paid}; {made['to_balance']} went to the balance.")


@payment.command("refund")
def refund_payment(
    payment_id: Annotated[int, typer.Argument(metavar="PAYMENT", help="The payment's id, as payment list shows it.")],
    amount: Amount,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give cash back out of the balance."""
    made = post(f"/payments/{payment_id}/refunds", {"amount": amount, "reason": reason}, data_dir, key)
    told(made, as_json, f"Refund {made['id']} of {made['currency']} {made['amount']}: {made['status']}.")


@payment.command("return")
def return_payment(
    payment_id: Annotated[int, typer.Argument(metavar="PAYMENT", help="The payment's id, as payment list shows it.")],
    reason: Annotated[str, typer.Option(help="Why it did not stay.")],
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take back a payment that did not stay: what it paid is unpaid again."""
    made = post(f"/payments/{payment_id}/return", {"reason": reason}, data_dir, key)
    told(made, as_json, f"{made['currency']} {made['amount']} of payment {made['payment']} are taken back.")


@payment.command("information")
def payment_information(account: AccountCode, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show how an account pays and who receives its invoices."""
    found = get("/payment-information", data_dir, account=account)
    if as_json:
        print_json(found)
    else:
        for name, value in found.items():
            typer.echo(f"{name.replace('_', ' '):<20}{', '.join(value) if isinstance(value, list) else value or '-'}")


@payment.command("register")
def register_information(
    account: AccountCode,
    method: Annotated[str, typer.Option(help="card, bank_transfer or send_invoice.")],
    email: Annotated[str | None, typer.Option(help="Where invoices go; the account's if left out.")] = None,
    cc: Annotated[list[str] | None, typer.Option(help="Who gets a copy; may be given many times.")] = None,
    company: Annotated[str | None, typer.Option(help="The account's name if left out.")] = None,
    registration_number: Annotated[str | None, typer.Option(help="The company's.")] = None,
    recipient: Annotated[str | None, typer.Option(help="Whom letters address.")] = None,
    language: Annotated[str | None, typer.Option(help="en, ko or ja: of invoices.")] = None,
    gateway: Annotated[str | None, typer.Option(help="Of a card: stripe or fake.")] = None,
    token: Annotated[str | None, typer.Option(help="Of a card: the gateway's token, never a number.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Register how an account pays and who receives its invoices."""
    from meterbook.cli.client import connected

    body = {
        "account": account,
        "method": method,
        "email": email,
        "cc": cc or [],
        "company": company,
        "registration_number": registration_number,
        "recipient": recipient,
        "language": language,
        "gateway": gateway,
        "token": token,
    }
    with connected(data_dir) as client:
        made = client.put("/payment-information", body)
    told(made, as_json, f"{account} pays by {made['card'] or made['method'].replace('_', ' ')}.")


@balance.command("show")
def show_balance(account: AccountCode, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show prepaid money and credit, and how they moved, newest first."""
    from meterbook.cli.show import table

    found = get("/balance", data_dir, account=account)
    if as_json:
        print_json(found)
        return
    typer.echo(f"{account}: {found['currency']} {found['balance']} prepaid, {found['credit']} credit")
    columns = ["at", "reason", "balance_change", "credit_change", "balance_after"]
    table(columns, [[item[column] for column in columns] for item in found["items"]])


@balance.command("top-up")
def top_up(
    account: AccountCode,
    amount: Amount,
    reference: Annotated[str, typer.Option(help="What it is recognized by.")] = "",
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Record money paid ahead; it pays what is unpaid at once."""
    made = post("/balance/top-ups", {"account": account, "amount": amount, "reference": reference}, data_dir, key)
    told(made, as_json, f"{made['currency']} {amount} is in the balance of {account}.")


@balance.command("give-credit")
def give_credit(
    account: AccountCode,
    amount: Amount,
    name: Annotated[str, typer.Option(help="What the customer reads, such as: Outage of 12 November.")],
    until: Annotated[str | None, typer.Option(help="When it ends: 2027-01-01T00:00:00Z; never if left out.")] = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give credit without a code; it pays bills of the running month and later ones."""
    body = {"account": account, "amount": amount, "name": name, "until": until}
    made = post("/balance/credits", body, data_dir, key)
    told(made, as_json, f"Credit {made['id']}, {made['currency']} {made['amount']}, is given to {account}.")


@balance.command("take-credit")
def take_credit(
    account: AccountCode,
    credit: Annotated[int, typer.Argument(help="Its number, as balance show --json tells it.")],
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take back what is left of a credit that was given without a code."""
    made = post(f"/balance/credits/{credit}/withdrawal", {"account": account}, data_dir, key)
    told(made, as_json, f"What was left of credit {credit} is taken back from {account}.")


def verify(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Re-derive every invoice from usage and prices and check the books; exit 1 and a list if anything is off."""
    from meterbook.cli.show import at_work

    with at_work("Verifying"):
        made = post("/verifications", {}, data_dir)
    if as_json:
        print_json(made)
    else:
        for fault in made["faults"]:
            typer.echo(fault)
        typer.echo(f"{made['invoices']} invoices, {len(made['faults'])} faults.")
    if made["faults"]:
        raise typer.Exit(1)


def _paper(client: Client, number: str) -> bytes:
    """Return the PDF of the invoice or, when there is none of this number, of the credit note."""
    from meterbook.cli.client import Answered

    try:
        return client.download(f"/invoices/{number}/pdf")
    except Answered as error:
        try:
            return client.download(f"/credit-notes/{number}/pdf")
        except Answered:
            raise error from None
