"""Serve a folder late in a month, whatever day it is: the product as it is served, on a clock that is moved.

A running month of a day or two has little to read. `python -m bench.late FOLDER` is `meterbook serve` on the clock of
`present`, which all processes of a run share.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

_LATE = timedelta(days=27, hours=12)  # since a month began: of any month it is not the last hour
_AHEAD = "BENCH_AHEAD_SECONDS"  # processes that are begun by this one have it


def ahead() -> timedelta:
    """Return how far the clock is ahead to be late in the month of UTC that ran when it was asked first."""
    now = datetime.now(UTC)
    begins = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    seconds = max(timedelta(), begins + _LATE - now).total_seconds()
    return timedelta(seconds=float(os.environ.setdefault(_AHEAD, str(seconds))))


def present() -> datetime:
    """Return the present moment on the clock that is ahead."""
    return datetime.now(UTC) + ahead()


def main() -> None:
    # here, as those who only ask for the time have other things to do than to wait for the product
    from meterbook.cli.serving import collect_seldom, listen, run, url_of
    from meterbook.house import open_house
    from meterbook.main import at_work, create_app
    from meterbook.settings import Settings

    settings = Settings(data_dir=Path(sys.argv[1]))
    collect_seldom()
    with (
        listen("127.0.0.1", 0) as socket,
        open_house(settings) as house,
        at_work(house, present, served_at=url_of(socket)),
    ):
        run(create_app(house, present), socket, settings, lambda _: None)


if __name__ == "__main__":
    main()
