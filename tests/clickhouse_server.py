"""ClickHouse behind its HTTP interface: the engine (chDB) in a process of its own, which tests may kill and start.

    python clickhouse_server.py FOLDER PORT

Speaks what `clickhouse-connect` needs: a statement in the body or the address, settings and `param_` values as
parameters, formats, insert data behind the statement, Basic authorization, errors with their code. One user,
`meterbook` with the password `secret`; databases whose names begin with `sharded` are on the two shards of the cluster
`usage`. Both shards are this one engine over the same local tables, of whose rows each sees its own half: statements
over `Distributed` tables are planned, split and merged as over two servers. What one engine without Keeper cannot do
is taken out of the statements: `on cluster`, and `Replicated`.
"""

from __future__ import annotations

import os
import re
import sys
from base64 import b64encode
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from chdb import ChdbError, connect

CLUSTER = "usage"
AUTHORIZATION = "Basic " + b64encode(b"meterbook:secret").decode()
_CONFIG = f"""
<clickhouse>
    <tcp_port>9000</tcp_port>
    <remote_servers>
        <{CLUSTER}>
            <shard><weight>1</weight><replica><host>localhost</host><port>9000</port></replica></shard>
            <shard><weight>0</weight><replica><host>localhost</host><port>9000</port></replica></shard>
        </{CLUSTER}>
    </remote_servers>
</clickhouse>
"""
_HALVES = {
    "events_local": "account_id",
    "event_identities_local": "tail",
    "metered_days_local": "account_id",
    "rolled_local": "account_id",
    "schema_versions_local": "length(name)",
}
# Of HTTP alone, or of several servers: no settings of the engine here.
_NO_SETTINGS = {
    "query",
    "database",
    "query_id",
    "default_format",
    "client_protocol_version",
    "wait_end_of_query",
    "send_progress_in_http_headers",
    "http_headers_progress_interval_ms",
    "enable_http_compression",
    "cancel_http_readonly_queries_on_client_close",
    "prefer_localhost_replica",
    "optimize_skip_unused_shards",
}
_INSERT = re.compile(rb"\s*(insert\s+into\s[^\n]*?)\s+format\s+(\w+)\s*\n", re.IGNORECASE)
_DROP = re.compile(rb"drop answers (\d+)")
_FORMAT = re.compile(r"\s+format\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_ON_CLUSTER = re.compile(rf"\bon cluster '{CLUSTER}'")
_CODE = re.compile(r"Code: (\d+)\.")
_DENIED = 516
_UNKNOWN_TABLE = 60


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # an answer leaves at once and in one piece
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        if self.path == "/ping":
            self._answer(200, b"Ok.\n")
            return
        self._run(b"")

    def do_POST(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self._run(body)

    def log_message(self, *args: object) -> None:
        pass

    def _run(self, body: bytes) -> None:
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            form = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
            for part in form.get_payload():
                name = part.get_param("name", header="content-disposition")
                given[name] = part.get_payload(decode=True).decode()
            body = b""
        if self.headers.get("Authorization") != AUTHORIZATION:
            self._fail(403, _DENIED, "Authentication failed")
            return
        try:
            insert, answer = self.server.run(given, body, self.headers.get("X-ClickHouse-Format", "TabSeparated"))
        except (ChdbError, RuntimeError) as error:
            code = int(found[1]) if (found := _CODE.search(str(error))) else 1
            self._fail(404 if code == _UNKNOWN_TABLE else 500, code, str(error))
            return
        if insert and self.server.drops:
            # done, and nobody hears of it
            self.server.drops -= 1
            self.close_connection = True
            return
        self._answer(200, answer)

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _fail(self, status: int, code: int, message: str) -> None:
        text = f"Code: {code}. DB::Exception: {message}" if "Code:" not in message else message
        self._answer(status, text.encode(), X_ClickHouse_Exception_Code=str(code))


class Server(ThreadingHTTPServer):
    """The engine and who asks it; `drops` is how many inserts are done without an answer."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self._folder = folder
        self._lock = Lock()
        self._idle: list[Any] = [connect(str(folder))]
        self.drops = 0

    def run(self, given: dict[str, str], body: bytes, form: str) -> tuple[bool, bytes]:
        """Do what a request asks; return whether it inserted something, and the answer."""
        if asked := _DROP.match(given.get("query", "").encode() + body):
            self.drops = int(asked[1])
            return False, b""
        data, found = b"", _INSERT.match(body)
        if found:
            sql, form, data = found[1].decode(), found[2].decode(), body[found.end() :]
        else:
            sql = given.get("query", "") + body.decode()
        sql = _ON_CLUSTER.sub("", sql).replace("engine = Replicated", "engine = ")
        if not found and (named := _FORMAT.search(sql)):
            sql, form = sql[: named.start()], named[1]
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or connect(str(self._folder))
        settings = {name: value for name, value in given.items() if not name.startswith("param_")}
        settings = {name: _quoted(value) for name, value in settings.items() if name not in _NO_SETTINGS}
        if given.get("database", "").startswith("sharded"):
            halves = (f"'{table}': 'shardNum() in (0, {key} % 2 + 1)'" for table, key in _HALVES.items())
            settings["additional_table_filters"] = f"{{{', '.join(halves)}}}"
        try:
            connection.query(f"use {given.get('database', 'default')}")
            if settings:
                connection.query("set " + ", ".join(f"{name} = {value}" for name, value in settings.items()))
            if found:
                with connection.send_insert(sql, form) as insert:
                    insert.append(data)
                    insert.finish()
                return True, b""
            values = {name[6:]: value for name, value in given.items() if name.startswith("param_")}
            answer = connection.query(sql, form, params=values).bytes() or b""
            return sql.lstrip().lower().startswith("insert"), answer
        finally:
            if settings:
                connection.query("set " + ", ".join(f"{name} = default" for name in settings))
            with self._lock:
                self._idle.append(connection)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def main(folder: Path, port: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # the engine reads this file of the folder it is started in
    os.chdir(folder)
    Path("config.xml").write_text(_CONFIG)
    server = Server(folder / "data", port)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
