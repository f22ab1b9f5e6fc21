"""The roll-up is kept: over restarts and kills, from an account's first reading on; and a wrong one is found."""

import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from meterbook.core.period import BillingZone, billing_zone
from meterbook.usage.store import open_usage
from meterbook.usage.stored import complete_identities
from tests.usage.sending import COUNTER, HOUR, NOW, PRESENCE, STOCK, Sender, event
from tests.usage.test_metering import END, LATER, START, UTC_ZONE
from tests.usage.test_roll_up import begin, use

_LOADER = Path(__file__).with_name("load_until_killed.py")


def test_a_wrong_roll_up_is_found(tmp_path: Path) -> None:
    store = open_usage(tmp_path)
    sender = Sender(store, 1)
    sender.send([event("a", START), event("b", START + HOUR, STOCK.type, value="7")], now=LATER)
    begin(sender)
    assert store.faults() == []
    store._engine.run("insert into metered_days (account_id, day, project_id, type, hours) values (1, 9, 11, 'x', 1)")
    store._engine.run("alter table events delete where id = 'a' settings mutations_sync = 1")
    complete_identities(store._engine)
    days, hours = store.faults()
    assert days == "roll-up of account 1, project 11, x: the sums of day 9 are not those of its hours"
    assert hours == (
        "roll-up of account 1, project 11, host.seen: 1 hours from 2026-06-01T00:00Z on differ from the events"
    )
    assert use(sender, PRESENCE, [START, END], UTC_ZONE, END) == []
    begin(sender)
    assert store.faults() == []
    store.close()


def test_the_roll_up_survives_restarts_and_kills(tmp_path: Path) -> None:
    for run, after in enumerate([3, 11, 19]):
        process = subprocess.Popen(
            [sys.executable, str(_LOADER), str(tmp_path), str(run), "reading"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for batches, _ in enumerate(process.stdout, 1):
            if batches == after:
                process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    store = open_usage(tmp_path)
    sender = Sender(store, 1)
    assert store.rolled([1], UTC_ZONE), "it was begun before"
    events = len(sender.rows())
    month = [NOW - 24 * HOUR, NOW + HOUR]
    assert use(sender, COUNTER, month, UTC_ZONE, LATER) == [(Decimal(events), 1)]
    assert store.faults() == []
    assert use(sender, COUNTER, month, UTC_ZONE, LATER) == [(Decimal(events), 1)]
    store.close()


@pytest.mark.parametrize("zone", [UTC_ZONE, billing_zone("Asia/Seoul")])
def test_an_account_has_a_roll_up_from_its_first_reading_on(tmp_path: Path, zone: BillingZone) -> None:
    store = open_usage(tmp_path)
    sender = Sender(store, 1)
    sender.send([event("a", START)], now=LATER)
    assert store.rolled([1], zone) is None
    begin(sender, zone)
    store.close()
    store = open_usage(tmp_path)
    assert store.rolled([1], zone)
    assert store.rolled([1, 2], zone) is None
    assert use(Sender(store, 1), PRESENCE, [START, END], zone, END) == [(Decimal(1), 1)]
    store.close()
