"""Serve the demo at a moment of one's choice: `python scripts/serve_demo.py FOLDER 2026-11-20T14:10:00Z [PORT]`.

The clock starts at that moment and goes on from there, so that pages look the same on any day. The folder's demo.json
holds the address once requests are answered, the users and the keys.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from meterbook.cli.demo import DEMO_FILE

START_SECONDS = 180


def serve(folder: Path, moment: datetime, port: int = 0) -> None:
    """Furnish the folder with the demo as of the moment, and serve it until told to stop."""
    # only the process that serves needs the whole application
    from meterbook.cli.client import in_process
    from meterbook.cli.demo import furnish
    from meterbook.cli.serving import listen, run, url_of
    from meterbook.house import open_house
    from meterbook.main import at_work, create_app
    from meterbook.settings import load_settings

    begun = time.monotonic()

    def clock() -> datetime:
        return moment + timedelta(seconds=int(time.monotonic() - begun))

    settings, told = load_settings(data_dir=folder), folder / DEMO_FILE
    with ExitStack() as stack:
        bound = stack.enter_context(listen("127.0.0.1", port))
        house = stack.enter_context(open_house(settings))
        app = create_app(house, clock)
        with in_process(app) as client:
            facts = furnish(client, moment, told)
        stack.enter_context(at_work(house, clock, url_of(bound)))
        run(app, bound, settings, lambda url: _tell(told, {**facts, "url": url}))


@contextmanager
def served_demo(folder: Path, moment: datetime) -> Iterator[dict[str, Any]]:
    """Serve the demo in a process of its own, its log in the folder; yield what demo.json says."""
    folder.mkdir(parents=True, exist_ok=True)
    log, told = folder / "server.log", folder / DEMO_FILE
    with log.open("ab") as lines:
        command = [sys.executable, __file__, str(folder), moment.isoformat()]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=lines)  # noqa: S603 - this very file
    try:
        yield _when_ready(process, told, log)
    finally:
        process.terminate()
        process.wait(60)


def _when_ready(process: subprocess.Popen[bytes], told: Path, log: Path) -> dict[str, Any]:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        if told.exists():
            facts: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
            if facts["url"]:
                return facts
        time.sleep(0.05)
    sys.exit(f"The demo did not start:\n{log.read_text(encoding='utf-8')}")


def _tell(told: Path, facts: dict[str, Any]) -> None:
    half = told.with_suffix(".part")
    half.write_text(json.dumps(facts), encoding="utf-8")
    half.replace(told)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), *map(int, sys.argv[3:]))
