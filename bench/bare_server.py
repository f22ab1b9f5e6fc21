"""The least servers: one that only reads bodies, and one that decodes, appends, syncs and then answers.

Beside them Meterbook's ingest shows what checking, deduplication and ClickHouse cost. Run as
`python -m bench.bare_server read|keep FOLDER`; the port is written to FOLDER/port.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Data(msgspec.Struct, gc=False):
    """What an event of the load carries."""

    value: str
    resource: str


class Event(msgspec.Struct, gc=False):
    """An event of the load, with typed time."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Data


decoder = msgspec.json.Decoder(list[Event])


async def read(_: dict[str, Any], receive: Receive, send: Send) -> None:
    """Read a body and answer."""
    await _body(receive)
    await _answer(send)


def keeping(path: Path) -> Callable[[dict[str, Any], Receive, Send], Awaitable[None]]:
    """Return a server that answers once a body is decoded and on disk; what comes during a sync shares the next one."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    disk = ThreadPoolExecutor(1)
    waiting: list[bytes] = []
    lock = asyncio.Lock()

    def append(bodies: list[bytes]) -> None:
        os.writev(file, bodies)
        os.fdatasync(file)

    async def commit() -> None:
        nonlocal waiting
        async with lock:
            if waiting:
                bodies, waiting = waiting, []
                await asyncio.get_running_loop().run_in_executor(disk, append, bodies)

    async def keep(_: dict[str, Any], receive: Receive, send: Send) -> None:
        body = await _body(receive)
        decoder.decode(body)
        waiting.append(body)
        await commit()
        await _answer(send)

    return keep


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message["body"])
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


def main() -> None:
    kind, folder = sys.argv[1], Path(sys.argv[2])
    app = read if kind == "read" else keeping(folder / "kept")
    config = uvicorn.Config(app, port=0, http="httptools", loop="uvloop", log_level="critical", lifespan="off")
    listening = config.bind_socket()
    (folder / "port").write_text(str(listening.getsockname()[1]))
    uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    main()
