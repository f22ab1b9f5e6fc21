"""Serve a folder late in a month, whatever day it is: the product as it is served, on a clock that is moved.

A running month of a day or two has little to read. `python -m bench.late SECONDS FOLDER` is `meterbook serve` with a
clock so many seconds ahead.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meterbook.cli.serving import collect_seldom, listen, run, url_of
from meterbook.house import open_house, system_clock
from meterbook.main import at_work, create_app
from meterbook.settings import Settings

LATE = timedelta(days=27, hours=12)  # since a month began: of any month it is not the last hour


def ahead() -> timedelta:
    """Return how far a clock has to be ahead to be late in the running month of UTC, nothing when it is."""
    now = datetime.now(UTC)
    begins = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return max(timedelta(), begins + LATE - now)


def main() -> None:
    moved, settings = timedelta(seconds=float(sys.argv[1])), Settings(data_dir=Path(sys.argv[2]))

    def clock() -> datetime:
        return system_clock() + moved

    collect_seldom()
    with (
        listen("127.0.0.1", 0) as socket,
        open_house(settings) as house,
        at_work(house, clock, served_at=url_of(socket)),
    ):
        run(create_app(house, clock), socket, settings, lambda _: None)


if __name__ == "__main__":
    main()
