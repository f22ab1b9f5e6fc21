"""Commands that read: usage, the preview of a month's invoice, a month of the books, and the audit log."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from meterbook.cli.options import AsJson, DataDir, print_json

AccountCode = Annotated[str, typer.Option(help="The account's code.")]


def usage(
    project: Annotated[str, typer.Option(help="The project's code.")],
    since: Annotated[str, typer.Option("--from", help="The first day (2014-02-14), or an instant.")],
    until: Annotated[str, typer.Option("--until", help="The day or instant before which it ends.")],
    window: Annotated[Literal["hour", "day", "month"], typer.Option(help="How long each is.")] = "day",
    group_by: Annotated[
        Literal["product", "resource"], typer.Option(help="Resources are within products.")
    ] = "product",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what a project used, hour by hour, by day or by month."""
    from meterbook.cli.client import connected
    from meterbook.cli.show import show_usage

    query = {"project": project, "from": since, "until": until, "window": window, "group_by": group_by}
    with connected(data_dir) as client:
        answer = client.get("/usage", **query)
        while (cursor := answer["next_cursor"]) is not None:
            further = client.get("/usage", **query, cursor=cursor)
            answer = {**answer, "items": answer["items"] + further["items"], "next_cursor": further["next_cursor"]}
    if as_json:
        print_json(answer)
    else:
        show_usage(answer)


def preview(
    account: AccountCode,
    month: Annotated[str | None, typer.Option(help="Such as 2014-02; the running month if left out.")] = None,
    at: Annotated[str | None, typer.Option(help="Replays a moment: 2026-06-12T06:00:00Z.")] = None,
    by: Annotated[Literal["project", "product"], typer.Option(help="What the lines are grouped by.")] = "project",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Preview a month's invoice with every line's formula."""
    from meterbook.cli.client import connected
    from meterbook.cli.show import show_preview

    with connected(data_dir) as client:
        answer = client.get("/invoices/preview", account=account, month=month, at=at, group_by=by)
    if as_json:
        print_json(answer)
    else:
        show_preview(answer)


def report(
    month: Annotated[str | None, typer.Option(help="Such as 2014-02, in UTC; the running month if left out.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show a month of the books: how each ledger account moved, revenue by product, tax by rate, what is owed."""
    from meterbook.cli.client import connected
    from meterbook.cli.show import show_report

    with connected(data_dir) as client:
        answer = client.get("/reports/month", month=month)
    if as_json:
        print_json(answer)
    else:
        show_report(answer)


def audit_log(
    account: Annotated[str | None, typer.Option(help="Of one account: its code.")] = None,
    kind: Annotated[str | None, typer.Option(help="What was changed, such as price or membership.")] = None,
    subject: Annotated[str | None, typer.Option(help="The thing's code, e-mail or key prefix.")] = None,
    by: Annotated[str | None, typer.Option(help="Who acted: an e-mail, a key's prefix or local.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what was changed of accounts, people, keys, prices and promotions, and by whom; the newest first."""
    from meterbook.cli.client import connected
    from meterbook.cli.show import show_audit_log

    with connected(data_dir) as client:
        answer = client.get("/audit-log", account=account, kind=kind, subject=subject, by=by, limit=limit)
    if as_json:
        print_json(answer)
    else:
        show_audit_log(answer["items"])
