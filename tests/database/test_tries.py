from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from meterbook.console.person.attempts import Attempts, LettersAsked
from meterbook.database import Database
from meterbook.errors import Busy
from meterbook.promotions.guesses import Guesses
from meterbook.tries import Limit, Tries

NOW = datetime(2026, 6, 10, 9, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
THREE = Limit("test", 3, 5 * MINUTE)


def stored(database: Database) -> int:
    with database.transaction() as session:
        return session.scalar(text("select count(*) from recent_try")) or 0


def test_so_many_count_within_a_time(database: Database) -> None:
    tries = Tries(database)
    assert [tries.take(NOW + n * MINUTE, THREE, "ann") for n in range(4)] == [True, True, True, False]
    assert not tries.may(NOW + 4 * MINUTE, THREE, "ann")
    # the first is over, the others count on
    assert tries.may(NOW + 5 * MINUTE, THREE, "ann")
    assert [tries.take(NOW + 5 * MINUTE, THREE, "ann") for _ in range(2)] == [True, False]


def test_whoever_else_tries_and_whatever_else_is_tried_counts_apart(database: Database) -> None:
    tries = Tries(database)
    for _ in range(3):
        assert tries.take(NOW, THREE, "ann", "home")
    assert tries.may(NOW, THREE, "ann")
    assert tries.may(NOW, THREE, "annhome")
    assert tries.may(NOW, Limit("other", 3, MINUTE), "ann", "home")
    assert not tries.may(NOW, THREE, "ann", "home")


def test_what_is_forgotten_counts_no_longer(database: Database) -> None:
    tries = Tries(database)
    for who in ("ann", "bob"):
        for _ in range(3):
            tries.take(NOW, THREE, who)
    tries.forget(THREE, "ann")
    assert tries.may(NOW, THREE, "ann")
    assert not tries.may(NOW, THREE, "bob")


def test_of_many_at_once_no_more_count_than_may(database: Database) -> None:
    tries = Tries(database)
    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(lambda _: tries.take(NOW, THREE, "ann"), range(48)))
    assert sum(taken) == stored(database) == 3


def test_what_is_over_is_taken_away_and_names_nobody(database: Database) -> None:
    tries = Tries(database)
    for who in range(20):
        tries.take(NOW, THREE, f"person-{who}@example.com")
    with database.transaction() as session:
        assert "person" not in str(session.execute(text("select * from recent_try")).all())
    tries.take(NOW + 5 * MINUTE, THREE, "ann")
    assert stored(database) == 1


def test_processes_count_together(database: Database) -> None:
    other = Database(database.engine.url)
    try:
        one, two = Attempts(Tries(database)), Attempts(Tries(other))
        for _ in range(5):
            assert one.begin(NOW, "192.0.2.1", "ann@example.com")
            assert two.begin(NOW, "192.0.2.1", "Ann@example.com ")
        assert not one.begin(NOW, "192.0.2.1", "ann@example.com")
        assert not two.begin(NOW, "192.0.2.1", "ann@example.com")
        assert two.begin(NOW, "192.0.2.2", "ann@example.com")
        guesses, others = Guesses(Tries(database)), Guesses(Tries(other))
        for _ in range(10):
            guesses.check(NOW, "acme")
            guesses.note(NOW, "acme")
        with pytest.raises(Busy) as busy:
            others.check(NOW, "acme")
        assert (busy.value.slug, busy.value.retry_after) == ("too-many-guesses", 600)
        asked, elsewhere = LettersAsked(Tries(database)), LettersAsked(Tries(other))
        assert [asked.may_ask(NOW, "192.0.2.1", "ann@example.com") for _ in range(3)] == [True] * 3
        assert not elsewhere.may_ask(NOW, "192.0.2.1", "ann@example.com")
    finally:
        other.dispose()


def test_a_subscriber_of_ipv6_is_one_visitor(database: Database) -> None:
    attempts = Attempts(Tries(database))
    for host in range(60):
        assert attempts.begin(NOW, f"2001:db8:1:2::{host:x}", f"person-{host}@example.com")
        attempts.failed(NOW, f"2001:db8:1:2::{host:x}")
    assert not attempts.begin(NOW, "2001:db8:1:2:ffff::1", "ann@example.com")
    assert attempts.begin(NOW, "2001:db8:1:3::1", "ann@example.com")
