"""An event counts once: the same account, source and id, however it comes again (DOMAIN 2)."""

from datetime import timedelta

import numpy as np
import pytest

from meterbook.usage.sieve import Sieve
from meterbook.usage.store import UsageStore
from tests.usage.sending import HOUR, NOW, Sender, event


def test_the_same_event_in_one_batch_counts_once(sender: Sender) -> None:
    receipt = sender.send([event("a", NOW), event("b", NOW), event("a", NOW - HOUR, value="9")])
    assert (receipt.accepted, receipt.duplicates, receipt.rejected) == (2, 1, ())
    assert sender.rows("id, toString(value)") == [("a", "1"), ("b", "1")]


@pytest.mark.parametrize("settled", [False, True], ids=["journalled", "stored"])
@pytest.mark.parametrize(
    "again",
    [
        event("a", NOW),
        event("a", NOW - 3 * HOUR),
        event("a", NOW, value="7"),
        event("a", NOW, subject="batch"),
        event("a", NOW, type_="requests"),
        event("a", NOW, resource="host-2"),
    ],
    ids=["as it was", "other time", "other value", "other project", "other type", "other resource"],
)
def test_the_first_one_stays(sender: Sender, again: dict[str, object], settled: bool) -> None:
    sender.send([event("a", NOW)])
    if settled:
        sender.store.settle()
    receipt = sender.send([again, event("new", NOW)])
    assert (receipt.accepted, receipt.duplicates) == (1, 1)
    first = sender.rows("project_id, type, resource, toString(at), toString(value)")[0]
    assert first == (sender.web, "host.seen", "host-1", "2026-11-20 12:00:00.000000", "1")
    assert sender.rows() == ["a", "new"]


def test_another_source_is_another_event(sender: Sender) -> None:
    sender.send([event("a", NOW)])
    assert sender.send([event("a", NOW, source="other agent")]).accepted == 1


def test_accounts_do_not_touch_one_another(sender: Sender, store: UsageStore) -> None:
    other = Sender(store, sender.account_id + 1_000_000)
    assert sender.send([event("a", NOW)]).accepted == 1
    assert other.send([event("a", NOW)]).accepted == 1
    assert (sender.rows(), other.rows()) == (["a"], ["a"])


def test_where_source_ends_and_id_begins_matters(sender: Sender) -> None:
    assert sender.send([event("bc", NOW, source="a"), event("c", NOW, source="ab")]).accepted == 2


def test_a_large_batch_sent_again_is_known_whole(sender: Sender) -> None:
    events = [event(f"e{number}", NOW - timedelta(seconds=number)) for number in range(10_000)]
    assert sender.send(events).accepted == 10_000
    assert sender.send(events).duplicates == 10_000
    sender.store.settle()
    receipt = sender.send([*events[:9_999], event("new", NOW)])
    assert (receipt.accepted, receipt.duplicates) == (1, 9_999)
    assert len(sender.rows()) == 10_001


def test_the_sieve_misses_no_member_and_few_strangers_pass() -> None:
    random = np.random.default_rng(7)
    keys = random.integers(0, 2**64, 6_000_000, dtype=np.uint64)
    strangers = random.integers(0, 2**64, 1_000_000, dtype=np.uint64)
    sieve = Sieve()
    sieve.add(np.sort(keys[:1_000_000]), ascending=True)
    for start in range(1_000_000, len(keys), 70_000):
        sieve.add(keys[start : start + 70_000])
    assert sieve.might_hold(keys).all()
    assert sieve.might_hold(strangers).mean() < 0.0001
