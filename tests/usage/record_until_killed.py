"""Records on a shared server until something ends the process: prints the ids of each batch that was acknowledged.

    python record_until_killed.py NAME

What it sends are events of its own, and events that every such process sends. The stores are those of the environment.
"""

import sys
from pathlib import Path

import structlog

from meterbook.database import open_database
from meterbook.settings import load_settings
from meterbook.usage.store import open_shared

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.usage.sending import COUNTER, NOW, Sender, event


def main(name: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings = load_settings()
    store = open_shared(settings, open_database(settings))
    sender = Sender(store, 1)
    for batch in range(10_000):
        names = [f"{name}-{batch}-{number}" for number in range(20)]
        names += [f"all-{batch}-{number}" for number in range(20)]
        again = [f"{name}-{batch - 1}-{number}" for number in range(5)] if batch else []
        receipt = sender.send([event(each, NOW, COUNTER.type) for each in names + again])
        assert receipt.accepted + receipt.duplicates == len(names + again)
        sys.stdout.write(" ".join(names) + "\n")
        sys.stdout.flush()


main(sys.argv[1])
