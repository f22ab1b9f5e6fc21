"""Usage over HTTP as its tests send it: events to be changed, forms, and what was counted of them."""

from __future__ import annotations

from itertools import count
from typing import Any

import httpx

from tests.doors.conftest import Served

JSON = "application/json"
SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LINES = "application/x-ndjson"
_numbers = count(1)
Event = dict[str, Any]


def event(**changes: Any) -> Event:
    """An event of ten requests, changed; an attribute of `...` is left out."""
    attributes = {
        "specversion": "1.0",
        "id": f"e{next(_numbers)}",
        "source": "test",
        "type": "request.count",
        "subject": "bad",
        "time": "2026-06-01T10:30:00Z",
        "data": {"value": "10", "resource": "lb"},
    }
    return {name: value for name, value in (attributes | changes).items() if value is not ...}


def sender(served: Served) -> str:
    """Return a key that sends for `bad`; beside it is an account with a project that is foreign to it."""
    served.account("bad", projects=["bad", "bad-lines", "bad-fuzz"])
    served.account("bad-rival", projects=["bad-foreign"])
    return served.key("events", "bad")


def post(served: Served, key: str, body: Any, media: str | None = JSON, encoding: str | None = None) -> httpx.Response:
    headers = {"Content-Type": media, "Content-Encoding": encoding}
    return served.api("POST", "/events", key, content=body, headers={n: v for n, v in headers.items() if v is not None})


def counted(served: Served, project: str = "bad") -> int:
    """The sum of a project's requests in the months around those of the events here."""
    usage = served.get("/usage", project=project, from_="2026-05-01", until="2026-08-01", window="month")
    return sum(int(item["quantity"]) for item in usage["items"] if item["product"] == "requests")
