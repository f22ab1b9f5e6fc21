"""Commands that run the server and bring the stores to this version's form."""

from __future__ import annotations

from typing import Annotated

import typer

from meterbook.cli.options import DataDir


def serve(
    data_dir: DataDir = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
) -> None:
    """Serve the API and the console and do the jobs until stopped; /readyz answers 200 when it is ready."""
    from meterbook.cli.serving import collect_seldom, listen, run, url_of

    collect_seldom()
    from meterbook.house import open_house
    from meterbook.main import at_work, create_app
    from meterbook.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    with listen(host, port) as socket, open_house(settings) as house, at_work(house, served_at=url_of(socket)):
        run(create_app(house), socket, settings, lambda url: typer.echo(f"Meterbook serves {url}"))


def migrate(data_dir: DataDir = None) -> None:
    """Bring the database and the usage store to this version's form; every start does the same."""
    from meterbook.cli.client import running_server
    from meterbook.house import open_house
    from meterbook.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    if (found := running_server(settings)) is not None:
        typer.echo(f"The stores are up to date: the server at {found[0]} brought them there when it started.")
        return
    with open_house(settings):
        typer.echo("The stores are up to date.")
