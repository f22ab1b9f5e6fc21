"""The command that does jobs without serving."""

from __future__ import annotations

import signal
from threading import Event
from typing import Final

import typer

from meterbook.cli.options import DataDir
from meterbook.errors import Refused

# A signal may reach the process in another thread than the first, which alone heeds it and is not woken by that.
SIGNAL_SECONDS: Final = 0.5


def work(data_dir: DataDir = None) -> None:
    """Do the jobs (mail, charges, the month's close) until stopped; a server does them by itself."""
    from meterbook.cli.client import running_server
    from meterbook.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    if settings.clickhouse_url is None and (found := running_server(settings)) is not None:
        raise Refused(f"The server at {found[0]} owns {settings.data_dir} and does its jobs already: leave them to it.")
    from meterbook.house import open_house
    from meterbook.main import at_work

    stopped = Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with open_house(settings) as house, at_work(house):
            typer.echo(f"Meterbook does the jobs of {settings.data_dir}")
            while not stopped.wait(SIGNAL_SECONDS):
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
