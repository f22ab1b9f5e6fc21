from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import InternalError
from sqlalchemy.orm import Session

from meterbook.database import Database, asked_once, migrate, open_database
from meterbook.errors import Busy, Invalid, Refused
from meterbook.settings import Settings, load_settings


def address_of(database: Database, name: str = "meterbook", scheme: str = "postgresql") -> str:
    return f"{scheme}://meterbook:secret@/{name}?host={database.engine.url.query['host']}"


def opened(url: str) -> Database:
    return open_database(Settings(database_url=SecretStr(url)))


def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    def fail_half_way() -> None:
        with database.transaction() as session:
            session.execute(text("create table gone (value int)"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    with database.transaction() as session:
        assert session.scalar(text("select to_regclass('gone')")) is None


def test_a_reading_is_of_one_moment(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("create table told (value int)"))
        session.execute(text("insert into told values (1)"))
    total = text("select sum(value) from told")
    with database.reading() as session:
        assert session.scalar(total) == 1
        with database.transaction() as other:
            other.execute(text("insert into told values (2)"))
        assert session.scalar(total) == 1
    with database.reading() as session:
        assert session.scalar(total) == 3
    with database.transaction() as session:
        assert session.scalar(text("show transaction_isolation")) == "read committed"
        session.execute(text("drop table told"))


def test_a_reading_writes_nothing(database: Database) -> None:
    with pytest.raises(InternalError, match="read-only"), database.reading() as session:
        session.execute(text("create table gone (value int)"))
    with database.transaction() as session:
        assert session.scalar(text("select to_regclass('gone')")) is None


def test_a_question_is_asked_once_where_one_moment_is_read(database: Database) -> None:
    asked: list[object] = []

    @asked_once
    def told(session: Session, ids: Sequence[int], limit: int = 2) -> int:
        asked.append((ids, limit))
        return session.scalar(text("select :count"), {"count": len(ids) * limit}) or 0

    with database.transaction() as session:
        assert (told(session, [1, 2]), told(session, [1, 2])) == (4, 4)
    assert asked == [([1, 2], 2)] * 2
    asked.clear()
    with database.reading() as session:
        answers = [told(session, [1, 2]), told(session, (1, 2)), told(session, [1]), told(session, [1], limit=3)]
    assert answers == [4, 4, 2, 3]
    assert asked == [([1, 2], 2), ([1], 2), ([1], 3)]
    with database.reading() as session:
        told(session, [1, 2])
    assert len(asked) == 4


def test_a_statement_over_its_time_is_busy(database: Database) -> None:
    def sleep() -> None:
        with database.transaction() as session:
            session.execute(text("set local statement_timeout = '20ms'"))
            session.execute(text("select pg_sleep(5)"))

    with pytest.raises(Busy) as busy:
        sleep()
    assert (busy.value.slug, busy.value.kind) == ("database-unavailable", "refused")
    assert busy.value.retry_after >= 1
    with database.transaction() as session:
        assert session.scalar(text("show statement_timeout")) == "1min"


def test_connections_that_the_server_dropped_are_replaced(database: Database) -> None:
    with database.transaction() as session:
        idle = session.scalar(text("select pg_backend_pid()"))
    other = opened(address_of(database))
    with other.transaction() as session:
        session.execute(text("select pg_terminate_backend(:idle)"), {"idle": idle})
    other.dispose()
    with database.transaction() as session:
        assert session.scalar(text("select pg_backend_pid()")) != idle


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_database_of_the_operators_is_used_and_left_running(migrated: Database, scheme: str) -> None:
    database = opened(address_of(migrated, scheme=scheme))
    migrate(database)
    with database.transaction() as session:
        assert session.scalar(text("show timezone")) == "UTC"
    assert database.embedded is None
    database.dispose()
    with migrated.transaction() as session:
        assert session.scalar(text("select 1")) == 1


@pytest.mark.parametrize(
    "url", ["postgresql://ann:hidden@127.0.0.1:1/meterbook", "postgresql://ann:hidden@/m?host=/nowhere"]
)
def test_one_that_cannot_be_reached_is_refused_in_words(url: str) -> None:
    with pytest.raises(Refused, match="Check METERBOOK_DATABASE_URL") as refused:
        opened(url)
    assert refused.value.slug == "database-unreachable"
    assert "hidden" not in refused.value.message


def test_one_with_another_encoding_is_refused(migrated: Database) -> None:
    with migrated.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            text("create database latin encoding 'LATIN1' locale 'C' locale_provider libc template template0")
        )
    with pytest.raises(Refused, match="LATIN1") as refused:
        opened(address_of(migrated, "latin"))
    assert refused.value.slug == "database-unsuitable"


@pytest.mark.parametrize("url", ["postgresql://host:port:more/x", "postgresql://h:p/x"])
def test_an_address_that_is_none_is_invalid(url: str) -> None:
    with pytest.raises(Invalid, match="not a database address"):
        opened(url)


def test_settings_come_from_the_environment_and_options_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METERBOOK_DATA_DIR", str(tmp_path / "environment"))
    monkeypatch.setenv("METERBOOK_DST_ZONES", "true")
    assert load_settings().data_dir == tmp_path / "environment"
    given = load_settings(data_dir=tmp_path / "option", database_url=None)
    assert (given.data_dir, given.dst_zones) == (tmp_path / "option", True)
    monkeypatch.chdir(tmp_path)
    assert load_settings(data_dir="here").data_dir == tmp_path / "here"


def test_a_wrong_setting_is_named_and_its_value_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METERBOOK_DATABASE_URL", "mysql://root:hidden@host/db")
    monkeypatch.setenv("METERBOOK_SESSION_HOURS", "0")
    with pytest.raises(Invalid, match=r"METERBOOK_DATABASE_URL.*postgresql://.*METERBOOK_SESSION_HOURS") as invalid:
        load_settings()
    assert "hidden" not in invalid.value.message
    assert invalid.value.slug == "wrong-settings"


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        (
            "METERBOOK_CLOSE_GRACE_HOUR",
            "METERBOOK_CLOSE_GRACE_HOUR is not known: did you mean METERBOOK_CLOSE_GRACE_HOURS?",
        ),
        ("meterbook_data_dirs", "meterbook_data_dirs is not known: did you mean METERBOOK_DATA_DIR?"),
        ("METERBOOK_", "METERBOOK_ is not known"),
        ("METERBOOK_PORT", "METERBOOK_PORT is not known"),
        ("METERBOOK_COLOUR_OF_THE_SKY", "METERBOOK_COLOUR_OF_THE_SKY is not known"),
    ],
)
def test_a_setting_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, said: str) -> None:
    monkeypatch.setenv(variable, "72")
    with pytest.raises(Invalid) as invalid:
        load_settings()
    assert invalid.value.message.startswith(f"Settings are wrong: {said}")
    assert "72" not in invalid.value.message
    assert invalid.value.slug == "wrong-settings"


def test_what_others_set_under_our_name_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("METERBOOK_CHROMIUM", "/usr/bin/chromium"),
        ("METERBOOK_PORT", "tcp://10.0.0.1:8000"),
        ("METERBOOK_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("METERBOOK_SERVICE_HOST", "10.0.0.1"),
        ("METERBOOK_SERVICE_PORT_HTTP", "8000"),
        ("METERBOOK_GONE", ""),
        ("MY_METERBOOK_THING", "x"),
    ):
        monkeypatch.setenv(name, value)
    assert load_settings().due_day == 25


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"webhook_url": "https://example.com/b"},
            "METERBOOK_WEBHOOK_URL and METERBOOK_WEBHOOK_SECRET need each other",
        ),
        (
            {"clickhouse_cluster": "one"},
            "METERBOOK_CLICKHOUSE_PASSWORD, _CA_FILE and _CLUSTER need METERBOOK_CLICKHOUSE_URL",
        ),
        ({"retry_days": "3,1"}, "METERBOOK_RETRY_DAYS: has to be rising days between 1 and 60, parted by commas"),
    ],
)
def test_settings_that_need_each_other_are_told_in_a_sentence(given: dict[str, object], said: str) -> None:
    with pytest.raises(Invalid) as invalid:
        load_settings(**given)
    assert invalid.value.message == f"Settings are wrong: {said}"


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
