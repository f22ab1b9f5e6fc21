"""The commands that export a month's charges in the columns of FOCUS, and the journal of the books."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meterbook.cli.options import DataDir, written


def focus(
    account: Annotated[str, typer.Option(help="The account's code.")],
    month: Annotated[str | None, typer.Option(help="Such as 2014-02; the running month if left out.")] = None,
    at: Annotated[str | None, typer.Option(help="Replays a moment: 2026-06-12T06:00:00Z.")] = None,
    kind: Annotated[str, typer.Option("--format", help="csv or parquet.")] = "csv",
    version: Annotated[str, typer.Option(help="Of the specification: 1.4 or 1.2.")] = "1.4",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; focus-ACCOUNT-MONTH if left out.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Export a month's charges in the columns of FOCUS, the FinOps Open Cost and Usage Specification."""
    from urllib.parse import urlencode

    from meterbook.cli.client import connected

    query = {"account": account, "month": month, "at": at, "format": kind, "version": version}
    asked = urlencode({name: value for name, value in query.items() if value is not None})
    with connected(data_dir) as client:
        content = client.download(f"/exports/focus?{asked}")
    path = output or Path(f"focus-{account}-{month or 'running'}.{kind}")
    typer.echo(str(written(path, content)))


def journal(
    since: Annotated[str, typer.Option("--from", help="The first day, such as 2026-10-01 (UTC), or an instant.")],
    until: Annotated[str, typer.Option(help="The day or instant before which it ends.")],
    account: Annotated[str | None, typer.Option(help="The code of one account; all of them if left out.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; journal-FROM-UNTIL.csv if left out.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Export the journal of the books: a row for each posting, for the company's own accounting."""
    from urllib.parse import urlencode

    from meterbook.cli.client import connected

    query = {"from": since, "until": until, "account": account}
    asked = urlencode({name: value for name, value in query.items() if value is not None})
    with connected(data_dir) as client:
        content = client.download(f"/exports/journal?{asked}")
    path = output or Path(f"journal-{since}-{until}.csv".replace(":", ""))
    typer.echo(str(written(path, content)))
