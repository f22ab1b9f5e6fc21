"""The webhook: what is posted, how it is signed, and what becomes of it when nobody takes it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meterbook import webhook
from meterbook.announce import Announcement, Happening, announce, event_of
from meterbook.database import Database, open_database
from meterbook.errors import Busy, Invalid, Refused
from meterbook.house import House
from meterbook.jobs.worker import drain
from meterbook.jobs.workplace import Workplace
from meterbook.outbox import try_again
from meterbook.settings import Settings, load_settings
from meterbook.usage.store import UsageStore
from tests.console.browser import browsing
from tests.jobs.conftest import jobs
from tests.webhook_receiver import SECRET, Receiver, receiving

NOW = datetime(2026, 7, 3, 12, tzinfo=UTC)
ISSUED = Announcement(Happening.invoice_issued, "acme", "INV-2026-000001", {"invoice": "INV-2026-000001"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def settings_of(receiver: Receiver, folder: Path, **more: object) -> Settings:
    return load_settings(data_dir=folder, webhook_url=receiver.address, webhook_secret=SECRET, **more)


def announcing(database: Database) -> Database:
    return Database(database.engine.url, announces=True)


def test_a_signature_is_that_of_the_specification() -> None:
    """The example of the reference libraries of Standard Webhooks."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    moment = datetime.fromtimestamp(1_614_265_330, UTC)
    assert webhook.signed(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", moment, b'{"test": 2432232314}') == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_what_is_announced_comes_as_a_cloudevent(place: Workplace, receiver: Receiver, tmp_path: Path) -> None:
    settings = settings_of(receiver, tmp_path, public_url="https://billing.example.com")
    database = announcing(place.database)
    with database.transaction() as session:
        announce(session, NOW, ISSUED)
    assert drain(Workplace(settings, database, place.usage, place.mailer, lambda: NOW), alone=True) == 1
    ((headers, body),) = receiver.posts
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    event = json.loads(body)
    assert headers["webhook-id"] == event.pop("id")
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert event == {
        "specversion": "1.0",
        "source": "https://billing.example.com",
        "type": "meterbook.invoice.issued",
        "subject": "INV-2026-000001",
        "time": "2026-07-03T12:00:00Z",
        "datacontenttype": "application/json",
        "data": {"account": "acme", "invoice": "INV-2026-000001"},
    }
    assert len(receiver.events()) == 1
    database.dispose()


def test_what_was_not_done_is_not_announced(database: Database) -> None:
    listening = announcing(database)
    with listening.sessions() as session:
        announce(session, NOW, ISSUED)
        session.rollback()
    assert jobs(database) == []
    listening.dispose()


def test_where_no_webhook_is_set_nothing_is_queued(database: Database) -> None:
    with database.transaction() as session:
        announce(session, NOW, ISSUED)
    assert jobs(database) == []


def test_by_its_settings_a_database_announces(migrated: Database, receiver: Receiver, tmp_path: Path) -> None:
    url = migrated.engine.url.render_as_string(hide_password=False)
    for settings, queued in (
        (settings_of(receiver, tmp_path, database_url=url), 1),
        (load_settings(data_dir=tmp_path, database_url=url), 0),
    ):
        opened = open_database(settings)
        with opened.sessions() as session:
            announce(session, NOW, ISSUED)
            made = session.connection().exec_driver_sql("select count(*) from procrastinate_jobs where id > 0")
            assert made.scalar_one() == queued
            session.rollback()
        opened.dispose()


@pytest.mark.parametrize("status", [301, 307, 400, 404, 500])
def test_what_is_not_taken_is_sent_again_as_the_same_event(receiver: Receiver, tmp_path: Path, status: int) -> None:
    receiver.answers.append(status)
    settings, event = settings_of(receiver, tmp_path), event_of(Happening.ping, "ping", NOW, {})
    with pytest.raises(Busy, match=f"answered with {status}") as failed:
        webhook.send(settings, event, NOW)
    assert failed.value.slug == "webhook-unavailable"
    assert webhook.send(settings, event, NOW) == 200
    first, second = receiver.events()
    assert first == second


def test_without_an_answer_it_may_come_later(tmp_path: Path) -> None:
    with receiving() as receiver:
        settings = settings_of(receiver, tmp_path)
    with pytest.raises(Busy, match="did not answer") as failed:
        webhook.send(settings, event_of(Happening.ping, "ping", NOW, {}), NOW)
    assert "127.0.0.1" not in failed.value.message


def test_no_webhook_cannot_be_tried(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="METERBOOK_WEBHOOK_URL") as refused:
        webhook.send(Settings(data_dir=tmp_path), event_of(Happening.ping, "ping", NOW, {}), NOW)
    assert refused.value.slug == "no-webhook"


def test_a_worker_without_the_webhook_loses_nothing(place: Workplace) -> None:
    database = announcing(place.database)
    with database.transaction() as session:
        announce(session, NOW, ISSUED)
    assert drain(place, alone=True) == 1
    assert jobs(place.database) == [("announce", "failed", 1)]
    with database.transaction() as session:
        assert try_again(session, "announce") == 1
    assert jobs(place.database) == [("announce", "todo", 0)]
    database.dispose()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"webhook_url": "ftp://example.com", "webhook_secret": SECRET}, "WEBHOOK_URL: .*https://example.com/billing"),
        ({"webhook_url": "https://", "webhook_secret": SECRET}, "WEBHOOK_URL: .*https://example.com/billing"),
        ({"webhook_url": "https://a.example:0/", "webhook_secret": SECRET}, "WEBHOOK_URL"),
        (
            {"webhook_url": "https://a.example/", "webhook_secret": "hunter22"},
            "WEBHOOK_SECRET: .*whsec_ and the base64",
        ),
        ({"webhook_url": "https://a.example/", "webhook_secret": "whsec_hunter22"}, "WEBHOOK_SECRET"),
        ({"webhook_url": "https://a.example/", "webhook_secret": "whsec_hunter2!"}, "WEBHOOK_SECRET"),
        ({"webhook_url": "https://a.example/"}, "need each other"),
        ({"webhook_secret": SECRET}, "need each other"),
    ],
)
def test_wrong_settings_are_told_without_their_values(given: dict[str, str], told: str) -> None:
    with pytest.raises(Invalid, match=told) as wrong:
        load_settings(**given)
    assert not any(value in wrong.value.message for value in (SECRET, "hunter2", "a.example", "ftp:"))


def test_the_operator_tries_the_webhook(
    database: Database, usage: UsageStore, receiver: Receiver, tmp_path: Path
) -> None:
    for settings in (settings_of(receiver, tmp_path), Settings(data_dir=tmp_path)):
        with browsing(House(settings, database, usage), NOW) as browser:
            answer = browser.post("/api/v1/webhook/ping", headers=browser.key)
            if settings.webhook_url is None:
                assert (answer.status_code, answer.json()["type"]) == (409, "urn:meterbook:problem:no-webhook")
                continue
            (event,) = receiver.events()
            assert event["type"] == "meterbook.ping"
            assert answer.json() == {"id": event["id"], "status": 200}
            receiver.answers.append(500)
            assert browser.post("/api/v1/webhook/ping", headers=browser.key).status_code == 429
