"""The bound on every request's body, kept before anything reads it; the ingest route has a bound of its own."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterbook.api.problems import API

BODY_BYTES_MAX: Final = 4 << 20
_OWN_LIMIT: Final = f"{API}/events"


class BodyLimit:
    """Refuses a body over the limit with 413, whether its length is told or only found out."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request whose body is counted as it is read."""
        if scope["type"] != "http" or scope["path"] == _OWN_LIMIT:
            await self.app(scope, receive, send)
            return
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > BODY_BYTES_MAX:
                raise HTTPException(413, f"The body is over {BODY_BYTES_MAX >> 20} MiB.")
            return message

        await self.app(scope, bounded, send)
