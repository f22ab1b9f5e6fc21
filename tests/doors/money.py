"""What the tests of money share: accounts with usage, promotions, closes and payments over the API."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from tests.doors.conftest import Served

HOUR = timedelta(hours=1)
_numbers = count(1)
# (event type, resource, at, value)
Reading = tuple[str, str, datetime, str]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def hourly(kind: str, resources: list[str], begins: str, ends: str, value: str = "1") -> list[Reading]:
    """One reading of each resource in the middle of every hour."""
    start, end = utc(begins), utc(ends)
    hours = [start + HOUR * number for number in range((end - start) // HOUR)]
    return [(kind, resource, at + HOUR / 2, value) for resource in resources for at in hours]


def code_of(prefix: str) -> str:
    return f"{prefix}-{next(_numbers)}"


def payer(served: Served, currency: str, readings: list[Reading], *options: str, prefix: str = "payer") -> str:
    """Add an account with one project of the same code and its usage; return the code."""
    code = code_of(prefix)
    served.account(code, currency, *options, projects=[code])
    use(served, code, readings)
    return code


def use(served: Served, project: str, readings: list[Reading], source: str = "test") -> None:
    events = [
        {
            "specversion": "1.0",
            "id": f"{kind}/{resource}/{at.isoformat()}",
            "source": f"{source}/{project}",
            "type": kind,
            "subject": project,
            "time": at.isoformat(),
            "data": {"value": value, "resource": resource},
        }
        for kind, resource, at, value in readings
    ]
    for start in range(0, len(events), 5_000):
        receipt = served.send(events[start : start + 5_000])
        assert receipt["rejected"] == []


def post(
    served: Served, path: str, body: Any, key: str | None = None, status: int | None = None, **headers: str
) -> Any:
    answer = served.api("POST", path, key, json=body, headers=headers)
    assert answer.status_code == status if status else answer.is_success, answer.text
    return answer.json()


def register(served: Served, account: str, **more: Any) -> Any:
    body = {"account": account, "method": "send_invoice", "email": f"{account}@money.example", **more}
    answer = served.api("PUT", "/payment-information", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def promote(served: Served, account: str, kind: str, value: str, **more: Any) -> str:
    """Make a code and register it for an account that has payment information."""
    code = code_of("CODE")
    post(
        served, "/promotion-codes", {"code": code, "kind": kind, "value": value, "from": "2026-01-01T00:00:00Z", **more}
    )
    post(served, "/promotions/redeem", {"account": account, "code": f"  {code.lower()} "})
    return code


def preview(served: Served, account: str, month: str, **more: str) -> Any:
    return served.get("/invoices/preview", account=account, month=month, **more)


def close(served: Served, account: str, month: str, at: str | None = None, confirm: bool = True) -> Any:
    return post(
        served, "/closes", {"month": month, "account": account, "confirm": confirm, **({"at": at} if at else {})}
    )


def issued(served: Served, account: str, month: str, at: str | None = None) -> Any:
    """Close a month and return the invoice."""
    ((row),) = close(served, account, month, at)["issued"]
    return served.get(f"/invoices/{row['number']}")


def record(served: Served, account: str, amount: str, reference: str = "wire") -> Any:
    body = {"account": account, "amount": amount, "received_on": "2026-07-28", "reference": reference}
    return post(served, "/payments/record", body, **{"Idempotency-Key": str(uuid4())})


def top_up(served: Served, account: str, amount: str) -> Any:
    body = {"account": account, "amount": amount, "reference": "ahead"}
    return post(served, "/balance/top-ups", body, **{"Idempotency-Key": str(uuid4())})


def verified(served: Served) -> Any:
    answer = post(served, "/verifications", {})
    assert answer["faults"] == [], json.dumps(answer["faults"], indent=1)
    return answer


def books(served: Served, account: str) -> list[Any]:
    """Everything an account can read about its money."""
    pages = ("/billing-history", "/balance", "/payments", "/promotions", "/invoices")
    return [served.get(page, account=account) for page in pages]


def lines_of(shown: Any) -> list[Any]:
    found = [line for group in shown["groups"] for line in group["lines"]]
    return sorted(found, key=lambda line: line["line"])
