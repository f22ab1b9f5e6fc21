"""What the tests of the HTTP API share: events, requests made twice, lists read page by page, problems looked at."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import httpx

from tests.doors.conftest import CATALOG, Served

PRODUCTS = CATALOG.read_text(encoding="utf-8")
TOML = {"Content-Type": "application/toml"}
HOUR = timedelta(hours=1)
_numbers = count(1)


def event(project: str, at: datetime | str, type_: str = "request.count", value: str = "1", **data: str) -> Any:
    return {
        "specversion": "1.0",
        "id": str(next(_numbers)),
        "source": "api",
        "type": type_,
        "subject": project,
        "time": at if isinstance(at, str) else at.isoformat(),
        "data": {"value": value, "resource": "one"} | data,
    }


def post(served: Served, path: str, body: object) -> Any:
    """Add something twice, which changes nothing the second time; return it."""
    answers = [served.api("POST", path, json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201], answers[0].text
    assert answers[0].json() == answers[1].json()
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}
    return answers[0].json()


def check_problem(answer: httpx.Response, status: int, slug: str, said: str = "") -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"urn:meterbook:problem:{slug}"
    assert problem["status"] == status
    assert problem["title"]
    assert said in problem["detail"]
    return problem


def every(served: Served, path: str, **query: object) -> list[Any]:
    """Read a whole list in pages of two."""
    items, cursor = [], None
    while True:
        answer = served.get(path, limit=2, **query, **({} if cursor is None else {"cursor": cursor}))
        assert len(answer["items"]) <= 2
        items += answer["items"]
        cursor = answer["next_cursor"]
        if cursor is None:
            return items
        assert len(answer["items"]) == 2
