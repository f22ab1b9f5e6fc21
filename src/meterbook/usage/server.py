"""The connection to a ClickHouse server or cluster over the network: Arrow out of queries and into inserts."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from time import sleep
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pyarrow as pa
import structlog

from meterbook.errors import Busy, Refused
from meterbook.settings import Settings
from meterbook.usage.connection import Parameter, instant_text
from meterbook.usage.layout import Layout

CONNECT_SECONDS: Final = 10
# How much longer than the server may work on a statement its answer may take on its way.
ON_ITS_WAY_SECONDS: Final = 30
CONNECTIONS_MAX: Final = 32
# A parameter longer than this goes into the text of the statement: the server reads no longer ones.
PARAMETER_BYTES_MAX: Final = 100_000
_STATEMENT_BYTES_MAX: Final = 16 * 1024 * 1024
_COME_BACK_SECONDS: Final = 5
# An insert is sent again after so many seconds: its token keeps it from being made twice.
_RETRY_AFTER: Final = (0.1, 1.0)
_ARROW: Final = {"X-ClickHouse-Format": "ArrowStream"}
_SETTINGS: Final[dict[str, Any]] = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    # An insert is one part (of a shard): there whole, or not at all.
    "max_insert_block_size": 10_000_000,
    "min_insert_block_size_rows": 10_000_000,
    "min_insert_block_size_bytes": 4_000_000_000,
    "max_query_size": _STATEMENT_BYTES_MAX,
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
    "output_format_arrow_fixed_string_as_fixed_byte_array": 1,
}
_CLUSTER_SETTINGS: Final[dict[str, Any]] = {
    # An insert is answered when the shards have it, each on most of its replicas, and a read sees all of these.
    "distributed_foreground_insert": 1,
    "insert_quorum": "auto",
    "insert_quorum_parallel": 0,
    "select_sequential_consistency": 1,
    # Whoever is asked goes to the same replica of a shard, the first that lives.
    "load_balancing": "in_order",
    "prefer_localhost_replica": 0,
    # An account's rows are all on one shard: tables are joined there, and the other shards are left alone.
    "distributed_product_mode": "local",
    "optimize_skip_unused_shards": 1,
    "parallel_distributed_insert_select": 0,
    "skip_unavailable_shards": 0,
}
# Too many statements or parts, memory, time, the network between servers, a table that is read-only, a quorum that is
# not reached, a replica that is behind, Keeper: it may be over in a moment.
_PASSING: Final = frozenset({159, 201, 202, 209, 210, 225, 241, 242, 252, 279, 285, 286, 289, 319, 394, 415, 999})
_log = structlog.get_logger(__name__)


class Server:
    """A ClickHouse server, or a cluster by way of one of its servers; every method may be called from any thread.

    What a lost connection broke off is tried again: reads, and inserts by their tokens, each of which works once.
    """

    def __init__(self, client: Any, layout: Layout) -> None:
        self.layout = layout
        self._client = client

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        """Run a statement and return its rows."""
        sql, values = _bound(sql, parameters or {})
        with _answering():
            answer = self._client.raw_query(sql, values, transport_settings=_ARROW)
            return pa.ipc.open_stream(answer).read_all()

    def stream(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> Generator[pa.RecordBatch]:
        """Run a statement and yield its rows in batches, so that memory does not grow with the answer."""
        sql, values = _bound(sql, parameters or {})
        with _answering():
            answer = self._client.raw_stream(sql, values, settings={"max_execution_time": 0}, transport_settings=_ARROW)
            try:
                yield from pa.ipc.open_stream(answer)
            finally:
                answer.close()

    def run(self, sql: str, parameters: Mapping[str, Parameter] | None = None, token: str | None = None) -> None:
        """Run a statement that has no rows to return; one that inserts does nothing if its token was used.

        After a `Busy` nobody knows whether it was done.
        """
        sql, values = _bound(sql, parameters or {})
        with _answering():
            self._client.raw_query(sql, values, settings=_once(token))

    def insert(self, table: str, rows: pa.Table, token: str | None = None) -> None:
        """Insert rows, whose columns are named as the table's, unless the token was used; on return they are on disk.

        After a `Busy` nobody knows whether they are there.
        """
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            writer.write_table(rows.combine_chunks())
        settings = _once(token)
        for wait in _RETRY_AFTER:
            try:
                with _answering():
                    self._send(table, rows.schema.names, sink.getvalue(), settings)
                return
            except Busy:
                sleep(wait)
        with _answering():
            self._send(table, rows.schema.names, sink.getvalue(), settings)

    @property
    def shards(self) -> int:
        """How many account ids in a row are sure to lie on every shard: the sum of the shards' weights."""
        if self.layout.cluster is None:
            return 1
        sql = "select toUInt64(sum(shard_weight)) as weight from system.clusters where cluster = {name:String}"
        sql += " and replica_num = 1"
        weight: int = self.query(sql, {"name": self.layout.cluster}).column("weight")[0].as_py()
        return weight

    def close(self) -> None:
        """Close the connections that are idle."""
        self._client.close()

    def _send(self, table: str, columns: list[str], rows: pa.Buffer, settings: dict[str, object]) -> None:
        self._client.raw_insert(table, columns, rows.to_pybytes(), settings=settings, fmt="ArrowStream")


def connect(settings: Settings) -> Server:
    """Connect to the server of the settings.

    Raises `Refused` ("usage-unreachable") when it cannot be reached, does not let this process in or has no such
    database.
    """
    # slow to import, and needed by few commands
    from clickhouse_connect.driver.exceptions import Error
    from clickhouse_connect.driver.httpclient import HttpClient
    from clickhouse_connect.driver.httputil import get_pool_manager

    assert settings.clickhouse_url is not None
    # what it has to say is said below, without the trace of the network's layers
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
    url = urlsplit(settings.clickhouse_url.get_secret_value())
    password = settings.clickhouse_password
    database = unquote(url.path.strip("/")) or "default"
    where = f"{url.scheme}://{url.hostname}:{url.port or _PORTS[url.scheme]}/{database}"
    seconds = settings.clickhouse_query_seconds
    trusted = str(settings.clickhouse_ca_file) if settings.clickhouse_ca_file else None
    try:
        client = HttpClient(
            interface=url.scheme,
            host=url.hostname or "",
            port=url.port or _PORTS[url.scheme],
            username=unquote(url.username or "default"),
            password=password.get_secret_value() if password else unquote(url.password or ""),
            database=database,
            connect_timeout=CONNECT_SECONDS,
            send_receive_timeout=seconds + ON_ITS_WAY_SECONDS,
            settings=_SETTINGS
            | {"max_execution_time": seconds}
            | (_CLUSTER_SETTINGS if settings.clickhouse_cluster else {}),
            pool_mgr=get_pool_manager(maxsize=CONNECTIONS_MAX, ca_cert=trusted),
            client_name="meterbook",
            autogenerate_session_id=False,
        )
    except Error as error:
        raise Refused(
            f"The ClickHouse server {where} cannot be reached or does not let this machine in: {error}. Check "
            "METERBOOK_CLICKHOUSE_URL, the user's password and that the database is there, or unset the variable to "
            "use the embedded store.",
            "usage-unreachable",
        ) from error
    return Server(client, Layout(settings.clickhouse_cluster, is_server=True))


_PORTS: Final = {"http": 8123, "https": 8443}


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what a server that is away or overloaded raises into `Busy`."""
    from clickhouse_connect.driver.exceptions import Error, OperationalError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (Error, HTTPError, pa.ArrowInvalid, OSError) as error:
        code = getattr(error, "code", None)
        if isinstance(error, Error) and not isinstance(error, OperationalError) and code not in _PASSING:
            raise
        _log.warning("usage.server_away", code=code, error=str(error)[:500])
        raise Busy(
            "The usage store cannot answer now: try again shortly.",
            "usage-unavailable",
            retry_after=_COME_BACK_SECONDS,
        ) from error


def _once(token: str | None) -> dict[str, object]:
    """Return the settings of an insert. One without a token has one of its own, for an equal one is another."""
    return {"insert_deduplication_token": token or uuid4().hex}


def _bound(sql: str, parameters: Mapping[str, Parameter]) -> tuple[str, dict[str, Any]]:
    """Return a statement and its parameters as the client takes them, very long ones written into the statement."""
    values: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, datetime):
            values[name] = instant_text(value)
        elif isinstance(value, str) and len(value) > PARAMETER_BYTES_MAX:
            quoted = value.replace("\\", "\\\\").replace("'", "\\'")
            sql = sql.replace(f"{{{name}:String}}", f"'{quoted}'")
        else:
            values[name] = value if isinstance(value, (str, int)) else list(value)
    return sql, values
