"""The operator's side of the webhook: a server that keeps what is posted to it, and answers as it is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

KEY = b"a key of the webhook, thirty-two"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


@dataclass
class Receiver:
    """What came in, as headers and body; `answers` are the statuses of the next answers, 200 when there are none."""

    address: str = ""
    posts: list[tuple[Message, bytes]] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)

    def events(self) -> list[dict[str, Any]]:
        """Return the events that came since the last look, each signed rightly."""
        found = [json.loads(body) for headers, body in self.posts if is_signed(headers, body)]
        assert len(found) == len(self.posts)
        self.posts.clear()
        return found


def is_signed(headers: Message, body: bytes) -> bool:
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return headers["webhook-signature"] == f"v1,{base64.b64encode(hmac.digest(KEY, text, hashlib.sha256)).decode()}"


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.posts.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
            status = receiver.answers.popleft() if receiver.answers else 200
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", receiver.address)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.address = f"http://127.0.0.1:{server.server_port}/billing?of=meterbook"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()
