"""The money store: one PostgreSQL, embedded or the operator's, its connections, transactions and migrations."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import ClassVar, Concatenate, Final, ParamSpec, TypeVar

import msgspec
from sqlalchemy import (
    ARRAY,
    URL,
    BigInteger,
    ColumnElement,
    DateTime,
    Engine,
    MetaData,
    any_,
    create_engine,
    literal,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session, sessionmaker

from meterbook.errors import Busy, Invalid, Refused
from meterbook.postgres.server import EmbeddedPostgres
from meterbook.settings import Settings

# Limits of one process; PostgreSQL's own default allows 100 connections in all.
POOL_SIZE: Final = 10
POOL_OVERFLOW: Final = 20
POOL_WAIT_SECONDS: Final = 10
CONNECT_SECONDS: Final = 10
STATEMENT_SECONDS: Final = 60
LOCK_SECONDS: Final = 15
IDLE_TRANSACTION_SECONDS: Final = 300
# `unique nulls not distinct` came with 15.
OLDEST_POSTGRESQL: Final = 15
# Any constant: the key of the lock that two migrating processes queue on.
_MIGRATION_LOCK: Final = 0x6D6574657262
_REVISIONS: Final = Path(__file__).parent / "migrations" / "versions"
# Of more numbers than this a statement has one parameter, an array, which takes longer to write, in place of one each.
_PARAMETERS: Final = 10_000
# What a session that reads one moment keeps of what was asked.
_ASKED: Final = "asked"
# Whether what happens is announced to anybody (`announce.py`): part of every session.
ANNOUNCES: Final = "announces"
# Who acts in a session.
_ACTOR: Final = "actor"
Transactions = Callable[[], AbstractContextManager[Session]]
P = ParamSpec("P")
T = TypeVar("T")


class Base(DeclarativeBase):
    """The rows of every room; constraints are named by rule, so that migrations can name them too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True)}


def among(
    column: InstrumentedAttribute[int] | InstrumentedAttribute[int | None], ids: Collection[int]
) -> ColumnElement[bool]:
    """Return whether a column's number is among some, however many: a statement takes 65,535 parameters."""
    if len(ids) <= _PARAMETERS:
        return column.in_(ids)
    return column == any_(literal(list(ids), ARRAY(BigInteger)))


def insert_rows(session: Session, table: type[Base], rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows of the same columns, in their order: one parameter of one statement, taken apart by the server."""
    if not rows:
        return
    name, columns = table.__tablename__, ", ".join(f'"{column}"' for column in rows[0])
    session.execute(
        text(
            f"insert into {name} ({columns})"  # noqa: S608 - names are those of our own tables
            f" select {columns} from jsonb_populate_recordset(cast(null as {name}), cast(:rows as jsonb))"
        ),
        {"rows": json.dumps(rows, default=str)},
    )


def asked_once(read: Callable[Concatenate[Session, P], T]) -> Callable[Concatenate[Session, P], T]:
    """Let a question by ids be asked once in a session that reads one moment (`Database.reading`).

    What it returns may be shared: nobody changes it.
    """

    @wraps(read)
    def ask(session: Session, /, *args: P.args, **kwargs: P.kwargs) -> T:
        asked: dict[Hashable, T] | None = session.info.get(_ASKED)
        if asked is None:
            return read(session, *args, **kwargs)
        key = (read, *map(_hashable, args), *((name, _hashable(value)) for name, value in kwargs.items()))
        if key not in asked:
            asked[key] = read(session, *args, **kwargs)
        return asked[key]

    return ask


def _hashable(value: object) -> Hashable:
    return tuple(value) if isinstance(value, Collection) and not isinstance(value, str) else value


def acts_as(session: Session, who: str) -> None:
    """Note who acts in a session, as the books and the audit log name it beside what is done in it."""
    session.info[_ACTOR] = who
    if _ASKED not in session.info:
        session.execute(text("select set_config('meterbook.actor', :who, true)"), {"who": who})


def actor_of(session: Session) -> str | None:
    """Return who acts in a session; None for nobody in person."""
    who: str | None = session.info.get(_ACTOR)
    return who


def acting(transactions: Transactions, who: str) -> Transactions:
    """Return what opens transactions in which somebody acts."""

    @contextmanager
    def begin() -> Iterator[Session]:
        with transactions() as session:
            acts_as(session, who)
            yield session

    return begin


class Database:
    """Connections to the money store; `transaction()` and `reading()` are the ways in.

    `embedded` is the server this process started or joined, None for the operator's own; with `announces` what its
    transactions cause is announced.
    """

    def __init__(self, url: URL, embedded: EmbeddedPostgres | None = None, *, announces: bool = False) -> None:
        self.engine: Engine = create_engine(
            url,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=POOL_WAIT_SECONDS,
            pool_pre_ping=True,
            json_deserializer=msgspec.json.decode,
            connect_args={
                "application_name": "meterbook",
                "connect_timeout": CONNECT_SECONDS,
                "options": f"-c timezone=UTC -c statement_timeout={STATEMENT_SECONDS}s"
                f" -c lock_timeout={LOCK_SECONDS}s"
                f" -c idle_in_transaction_session_timeout={IDLE_TRANSACTION_SECONDS}s",
            },
        )
        self.sessions = sessionmaker(self.engine, expire_on_commit=False, info={ANNOUNCES: announces})
        self.embedded = embedded

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction: committed when the block ends, rolled back when it raises.

        Raises `Busy` when the database cannot answer now: no free connection, a lock or a statement
        over its time, a deadlock, a server that is away. Nothing was done then.
        """
        try:
            with self.sessions.begin() as session:
                yield session
        except NoConnectionFree as error:
            raise Busy("All database connections are in use: try again shortly.") from error
        except OperationalError as error:
            raise Busy("The database cannot answer now: try again shortly.", "database-unavailable") from error

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that reads one moment of the store and can write nothing.

        What others commit meanwhile is not seen: figures that several statements tell agree. Raises `Busy` as
        `transaction` does.
        """
        with self.transaction() as session:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})
            session.info[_ASKED] = {}
            yield session

    def dispose(self) -> None:
        """Close every connection, and stop the embedded server if no other process uses it."""
        self.engine.dispose()
        if self.embedded is not None:
            self.embedded.release()


def open_database(settings: Settings) -> Database:
    """Open the database of the settings: the operator's by its URL, else the embedded one, started if need be.

    Raises `Refused` when it cannot be reached or started, `Invalid` for a URL that is none.
    """
    announces = settings.webhook_url is not None
    if settings.database_url is not None:
        return _checked(Database(_url(settings.database_url.get_secret_value()), announces=announces))
    embedded = EmbeddedPostgres(settings.data_dir)
    try:
        return _checked(Database(embedded.url, embedded, announces=announces))
    except BaseException:
        embedded.release()
        raise


def migrate(database: Database) -> None:
    """Bring the tables to this version's form; safe to repeat, and to run twice at once.

    Raises `Refused` when a newer Meterbook has already changed the database.
    """
    if _is_current(database):
        return
    # Alembic is slow to import and needed by few starts.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "meterbook:migrations")
    config.set_main_option("path_separator", "os")
    with database.engine.begin() as connection:
        connection.execute(text("set local statement_timeout = 0"))
        connection.execute(text("set local lock_timeout = 0"))
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Refused(
                f"The database does not fit this version of Meterbook ({error}). If a newer version "
                "has migrated it, install that version again.",
                "database-newer",
            ) from error


def _is_current(database: Database) -> bool:
    """Return whether the tables are those of the newest revision; revisions are numbered by their files' names."""
    newest = max(path.name.partition("_")[0] for path in _REVISIONS.glob("[0-9]*.py"))
    with database.engine.connect() as connection:
        if connection.scalar(text("select to_regclass('schema_version')")) is None:
            return False
        return list(connection.scalars(text("select version_num from schema_version"))) == [newest]


def _url(given: str) -> URL:
    try:
        return make_url(given).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise Invalid(
            "METERBOOK_DATABASE_URL is not a database address: it looks like "
            "postgresql://user:password@host:5432/database.",
            "wrong-settings",
        ) from None


def _checked(database: Database) -> Database:
    """Return the database if it answers, is new enough and speaks UTF-8."""
    try:
        with database.engine.connect() as connection:
            number = connection.execute(text("select current_setting('server_version_num')")).scalar_one()
            encoding = connection.execute(text("show server_encoding")).scalar_one()
    except OperationalError as error:
        database.engine.dispose()
        raise Refused(
            f"The database {database.engine.url.render_as_string(hide_password=True)} cannot be reached: "
            f"{str(error.orig).strip()}. Check METERBOOK_DATABASE_URL and that PostgreSQL runs and lets this "
            "machine in, or unset the variable to use the embedded one.",
            "database-unreachable",
        ) from error
    if int(number) // 10_000 < OLDEST_POSTGRESQL or encoding != "UTF8":
        database.engine.dispose()
        raise Refused(
            f"The database is PostgreSQL {int(number) // 10_000} with encoding {encoding}; Meterbook needs "
            f"PostgreSQL {OLDEST_POSTGRESQL} or newer and a database with encoding UTF8.",
            "database-unsuitable",
        )
    return database
