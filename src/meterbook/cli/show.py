"""What people read on the terminal: tables of usage and previews."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_DASH = "-"


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their column names."""
    shown = Table(box=box.SIMPLE, header_style="bold")
    for column in columns:
        shown.add_column(column.replace("_", " "))
    for row in rows:
        shown.add_row(*(Text(_DASH if cell is None else str(cell)) for cell in row))
    _console().print(shown)


def show_preview(preview: dict[str, Any]) -> None:
    """Print a preview: groups, their lines with formulas, and the way from subtotal to due."""
    by = "project" if preview["groups"] and "project" in preview["groups"][0] else "product"
    inner = "product" if by == "project" else "project"
    console, currency = _console(), preview["currency"]
    through = preview["data_through"] or "no data yet"
    console.print(
        Text(f"{preview['account']}  {preview['month']}  {preview['status']}  data through {through}", "bold")
    )
    shown = Table(box=box.SIMPLE, header_style="bold")
    shown.add_column("Item")
    for name in ("Metered units", "Total time", "Average cost/h", f"Total cost ({currency})"):
        shown.add_column(name, justify="right")
    shown.add_column("Formula")
    for group in preview["groups"]:
        time = _hours(group["total_time"])
        shown.add_row(Text(group[by], "bold"), "", time, group["average_cost"] or _DASH, group["total_cost"], "")
        for line in group["lines"]:
            if "adjusts_month" in line:
                name = f"  {line[inner]}, adjusts {line['adjusts_month']}"
                shown.add_row(Text(name), "", "", "", line["amount"], Text(line["formula"]))
                continue
            units = Text(f"{_grouped(line['metered_units'])} {line['unit']}")
            hours = _hours(line.get("unit_hours"))
            shown.add_row(Text("  " + line[inner]), units, hours, "", line["amount"], Text(line["formula"]))
    console.print(shown)
    if awaited := preview.get("awaited_month"):
        console.print(f"  {awaited} is not issued yet: credit and balance pay it first.")
    for name, amount in _waterfall(preview):
        console.print(f"  {name:<32}{amount:>16}")


def show_invoice(invoice: dict[str, Any]) -> None:
    """Print an issued invoice, and what became of it."""
    show_preview(invoice)
    console = _console()
    console.print(f"  {invoice['number']}  issued {invoice['issued_at']}  due {invoice['due_on']}")
    console.print(f"  paid {invoice['paid']}, unpaid now {invoice['unpaid_now']}")
    for paid in invoice["paid_by"]:
        console.print(f"  {paid['at']}  {paid['reason']:<14}{paid['source']:<18}{paid['amount']:>14}")


def show_report(report: dict[str, Any]) -> None:
    """Print a month of the books, a table for each part of each currency; amounts of ledger accounts debit positive."""
    console = _console()
    console.print(Text(f"{report['month']}  {'final' if report['is_over'] else 'so far'}  UTC", "bold"))
    for each in report["currencies"]:
        console.print(Text(each["currency"], "bold"))
        accounts = [
            [account["ledger_account"], account["opening"], _changes(account["changes"]), account["closing"]]
            for account in each["ledger_accounts"]
        ]
        table(["ledger_account", "opening", "changes", "closing"], accounts)
        for part in ("revenue", "tax"):
            if each[part]:
                table(list(each[part][0]), [list(row.values()) for row in each[part]])
        table(["owed", "unpaid"], [[name.replace("_", " "), amount] for name, amount in each["owed"].items()])


def _changes(changes: dict[str, str]) -> str:
    return ", ".join(f"{reason.replace('_', ' ')} {amount}" for reason, amount in changes.items())


def show_audit_log(entries: list[dict[str, Any]]) -> None:
    """Print what was changed, an entry a row."""
    rows = []
    for each in entries:
        what = f"{each['kind']} {each['action']}"
        changes = ", ".join(f"{name} {_change(change)}" for name, change in each["changes"].items())
        rows.append([each["at"], each["by"] or "Meterbook", what, each["subject"], each["account"], changes])
    table(["at", "by", "what", "subject", "account", "changes"], rows)


def _change(change: dict[str, Any]) -> str:
    both = (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in change.values())
    return " > ".join(value for value in both if value != "null")


@contextmanager
def at_work(what: str) -> Iterator[None]:
    """Show on a terminal that something long is under way."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


def _waterfall(preview: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the way from the subtotal to what is due; what is nothing is left out."""
    yield "subtotal", preview["subtotal"]
    for discount in preview["discounts"]:
        yield f"{discount['code']} {discount['name']}"[:31], f"-{discount['amount']}"
    yield "net", preview["net"]
    for tax in preview["tax"]:
        yield f"tax {tax['rate']}%", tax["amount"]
    yield "total", preview["total"]
    for name, sign in (("unpaid", ""), ("credit_used", "-"), ("balance_used", "-")):
        if preview[name].strip("0."):
            yield name.replace("_", " "), f"{sign}{preview[name]}"
    yield "due", preview["due"]
    if preview["status"] == "estimated":
        yield "forecast", preview["forecast"]


def show_usage(usage: dict[str, Any]) -> None:
    """Print usage by window."""
    columns = ["starts_at", "product", "resource", "metered_units", "unit", "usage_hours", "unit_hours", "quantity"]
    present = [name for name in columns if any(item.get(name) is not None for item in usage["items"])]
    through = usage["data_through"] or "no data yet"
    _console().print(
        Text(f"{usage['project']}  {usage['window']}s  {usage['time_zone']}  data through {through}", "bold")
    )
    table(present, [[item.get(name) for name in present] for item in usage["items"]])


def _hours(text: str | None) -> str:
    return _DASH if text is None else f"{_grouped(text)} h"


def _grouped(text: str) -> str:
    whole, point, decimals = text.partition(".")
    return f"{int(whole):,}{point}{decimals}"


def _console() -> Console:
    # a pipe has no width: a table must not be cut to one
    console = Console(highlight=False)
    return console if console.is_terminal else Console(width=200, highlight=False)
