"""Serving: the socket, the run file by which the command line finds the server, and a clean stop."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Any, Final

import uvicorn

from meterbook.cli.client import RUN_FILE
from meterbook.errors import Refused
from meterbook.settings import Settings

BACKLOG: Final = 512
KEEP_ALIVE_SECONDS: Final = 30
STOP_SECONDS: Final = 15
COLLECT_AFTER: Final = 200_000
SWITCH_SECONDS: Final = 0.001


@contextmanager
def listen(host: str, port: int, else_free: bool = False) -> Iterator[socket.socket]:
    """Bind the address before anything is opened, or with `else_free` a free port where that one is taken.

    Raises `Refused` when it is taken or none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            _bind(bound, host, port, else_free)
        except OSError as error:
            raise Refused(
                f"Cannot listen on {host}:{port} ({error.strerror}): choose another --host or --port, 0 for a free one."
            ) from error
        yield bound
    finally:
        bound.close()


def _bind(bound: socket.socket, host: str, port: int, else_free: bool) -> None:
    try:
        bound.bind((host, port))
    except OSError:
        if not else_free:
            raise
        bound.bind((host, 0))


def collect_seldom() -> None:
    """Look for garbage in circles less often.

    Modules that are loaded, and a batch of events, are thousands of objects without any.
    """
    gc.set_threshold(COLLECT_AFTER)


def run(app: Any, bound: socket.socket, settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called with the address once requests are answered."""
    url, path = url_of(bound), settings.data_dir / RUN_FILE
    config = uvicorn.Config(
        app,
        http="httptools",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )

    def started() -> None:
        _write_run_file(path, {"url": url, "token": app.state.local_token, "pid": os.getpid()})
        ready(url)

    # a request passes through four threads: none should wait long for the lock that one of them holds
    sys.setswitchinterval(SWITCH_SECONDS)
    collect_seldom()
    gc.freeze()
    # after its own shutdown the server raises the signal again: it has to end in closing the stores
    previous = signal.signal(signal.SIGTERM, _leave)
    try:
        _Server(config, started).run([bound])
    except KeyboardInterrupt:
        pass
    finally:
        path.unlink(missing_ok=True)
        signal.signal(signal.SIGTERM, previous)


def url_of(bound: socket.socket) -> str:
    """Return the address by which this machine reaches the socket."""
    host, port = bound.getsockname()[:2]
    address = ip_address(host)
    if address.is_unspecified:
        address = ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://{address}:{port}" if address.version == 4 else f"http://[{address}]:{port}"


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_started()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _write_run_file(path: Path, content: dict[str, object]) -> None:
    """Write the file whole or not at all, readable by its owner alone: it holds the operator's local token."""
    half = path.with_suffix(".half")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file)
    half.replace(path)
