"""Sends batches and prints the ids of each once it is acknowledged, until something ends the process.

With "reading" as a third argument, the account is rolled up meanwhile.
"""

import sys
from pathlib import Path

import structlog

from meterbook.core.period import billing_zone
from meterbook.usage.store import open_usage

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.usage.sending import COUNTER, NOW, Sender, event


def main(folder: Path, run: int, *also: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    store = open_usage(folder)
    sender = Sender(store, 1)
    for batch in range(10_000):
        # Every batch also repeats events of the one before, and of the run before.
        names = [f"{run}-{batch}-{number}" for number in range(100)]
        again = [f"{run}-{batch - 1}-{number}" for number in range(10)] if batch else []
        again += [f"{run - 1}-{batch}-{number}" for number in range(10)] if run else []
        receipt = sender.send([event(name, NOW, COUNTER.type) for name in names + again])
        assert receipt.accepted + receipt.duplicates == len(names + again)
        sys.stdout.write(" ".join(names) + "\n")
        sys.stdout.flush()
        if also:
            # Readings begin the roll-up, which goes on behind the batches.
            store.rolled([1], billing_zone("UTC"))
            store._roll_up.go_on()


main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
