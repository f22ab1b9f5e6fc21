"""Who calls which route: a request to each route of the API, and a key of every kind, for the account `access`."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from tests.doors.conftest import CATALOG, Served

API = "/api/v1"
PASSWORD = "correct horse battery staple"
PROJECTS = ("alpha", "beta", "gamma", "delta", "epsilon")
SEEN = ("alpha", "beta")
JUNE = {"account": "access", "month": "2026-06"}
_numbers = count(1)


def event(project: str, resource: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(next(_numbers)),
        "source": "access",
        "type": "host.seen",
        "subject": project,
        "time": "2026-06-10T10:30:00Z",
        "data": {"resource": resource},
    }


@dataclass(frozen=True)
class Sample:
    """A request to a route that the operator, and whoever holds its permission for `access`, may make."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    # what was done once may be refused for its state (409), never for its caller
    only_once: bool = False

    @property
    def where(self) -> str:
        return re.sub("|".join(MADE) or "^$", lambda match: MADE[match[0]], self.path)

    def how(self) -> dict[str, Any]:
        if isinstance(self.body, bytes):
            return {"params": self.query, "content": self.body, "headers": {"Content-Type": "application/toml"}}
        return {"params": self.query} if self.body is None else {"params": self.query, "json": self.body}


ACCOUNT = {"account": "access"}
# Pages for visitors who cannot sign in: they show a form, or that a link is over.
OPEN_PAGES = {"/forgotten-password", "/password/{token}", "/email/{token}", "/invitation/{token}"}
# What `every_kind_of_key` made for the samples: INVOICE, NOTE and PAYMENT stand for their numbers in paths.
MADE: dict[str, str] = {}
SAMPLES = {
    ("POST", "/accounts"): Sample("/accounts", body={"code": "access", "currency": "USD"}),
    ("GET", "/accounts"): Sample("/accounts"),
    ("GET", "/accounts/{code}"): Sample("/accounts/access"),
    ("PATCH", "/accounts/{code}"): Sample("/accounts/access", body={"language": "en"}),
    ("POST", "/projects"): Sample("/projects", body={"account": "access", "code": "alpha"}),
    ("GET", "/projects"): Sample("/projects", {"account": "access"}),
    ("PATCH", "/projects/{code}"): Sample("/projects/alpha", body={"name": "alpha"}),
    ("POST", "/users"): Sample("/users", body={"email": "temp@access.example"}),
    ("GET", "/users"): Sample("/users"),
    ("PATCH", "/users/{email}"): Sample("/users/none@access.example", body={"operator": False}),
    ("DELETE", "/users/{email}"): Sample("/users/temp@access.example"),
    ("POST", "/members"): Sample(
        "/members", body={"email": "two@access.example", "project": "alpha", "role": "viewer", "billing": True}
    ),
    ("GET", "/members"): Sample("/members", {"account": "access"}),
    ("POST", "/invitations"): Sample(
        "/invitations", body={"email": "invited@access.example", "project": "alpha", "role": "viewer"}
    ),
    ("PUT", "/members/{email}"): Sample("/members/two@access.example", {"project": "alpha"}, {"billing": True}),
    ("DELETE", "/members/{email}"): Sample("/members/temporary@access.example", {"project": "alpha"}),
    ("POST", "/keys"): Sample("/keys", body={"scope": "events", "account": "access"}),
    ("GET", "/keys"): Sample("/keys", {"account": "access"}),
    ("DELETE", "/keys/{prefix}"): Sample("/keys/mbk_e_aaaaaaaaaa"),
    ("GET", "/catalog"): Sample("/catalog"),
    ("POST", "/catalog/check"): Sample("/catalog/check", body=CATALOG.read_bytes()),
    ("POST", "/catalog/diff"): Sample("/catalog/diff", body=CATALOG.read_bytes()),
    ("PUT", "/catalog"): Sample("/catalog", body=CATALOG.read_bytes()),
    ("POST", "/events"): Sample("/events", body=[event("alpha", "alpha-0")]),
    ("GET", "/usage"): Sample("/usage", {"project": "alpha", "from": "2026-06-01", "until": "2026-07-01"}),
    ("GET", "/invoices/preview"): Sample("/invoices/preview", JUNE),
    ("GET", "/project-usage"): Sample("/project-usage", JUNE),
    ("GET", "/invoices"): Sample("/invoices", ACCOUNT),
    ("GET", "/invoices/{number}"): Sample("/invoices/INVOICE"),
    ("GET", "/invoices/{number}/pdf"): Sample("/invoices/INVOICE/pdf"),
    ("GET", "/invoices/{number}/lines/{line}/usage"): Sample("/invoices/INVOICE/lines/1/usage"),
    ("POST", "/invoices/{number}/credit-notes"): Sample(
        "/invoices/INVOICE/credit-notes",
        body={"reason": "walked", "lines": [{"line": 1, "net": "0.01"}]},
        only_once=True,
    ),
    ("POST", "/invoices/{number}/write-off"): Sample("/invoices/INVOICE/write-off", body={}, only_once=True),
    ("POST", "/balance/credits"): Sample("/balance/credits", body={**ACCOUNT, "amount": "1", "name": "walked"}),
    ("POST", "/balance/credits/{credit}/withdrawal"): Sample("/balance/credits/CREDIT/withdrawal", body=ACCOUNT),
    ("GET", "/reports/month"): Sample("/reports/month", {"month": "2026-05"}),
    ("GET", "/audit-log"): Sample("/audit-log", {"account": "access"}),
    ("GET", "/jobs"): Sample("/jobs"),
    ("POST", "/jobs/{task}/retry"): Sample("/jobs/deliver/retry", body={}),
    ("POST", "/jobs/{task}/dismissal"): Sample("/jobs/deliver/dismissal", body={}),
    ("POST", "/webhook/ping"): Sample("/webhook/ping", body={}, only_once=True),
    ("POST", "/invoices/{number}/reinstatement"): Sample("/invoices/INVOICE/reinstatement", body={}, only_once=True),
    ("POST", "/invoices/{number}/payments"): Sample("/invoices/INVOICE/payments", body={}, only_once=True),
    ("GET", "/credit-notes/{number}"): Sample("/credit-notes/NOTE"),
    ("GET", "/credit-notes/{number}/pdf"): Sample("/credit-notes/NOTE/pdf"),
    ("GET", "/exports/focus"): Sample("/exports/focus", JUNE),
    ("GET", "/exports/journal"): Sample("/exports/journal", {"from": "2026-06-01", "until": "2026-07-01"}),
    ("POST", "/closes"): Sample("/closes", body={"month": "2026-05", "account": "access"}),
    ("POST", "/closes/unbilled"): Sample(
        "/closes/unbilled", body={"month": "2026-06", **ACCOUNT, "reason": "walked"}, only_once=True
    ),
    ("POST", "/verifications"): Sample("/verifications", body={}),
    ("POST", "/archives"): Sample("/archives", body={"name": "walked"}, only_once=True),
    ("POST", "/promotion-codes"): Sample("/promotion-codes", body={"code": "ACCESS", "kind": "percent", "value": "1"}),
    ("GET", "/promotion-codes"): Sample("/promotion-codes"),
    ("PATCH", "/promotion-codes/{code}"): Sample("/promotion-codes/access", body={"name": "walked"}),
    ("POST", "/promotions/redeem"): Sample("/promotions/redeem", body={**ACCOUNT, "code": "ACCESS"}, only_once=True),
    ("POST", "/promotions/withdraw"): Sample(
        "/promotions/withdraw", body={**ACCOUNT, "code": "ACCESS", "reason": "walked"}, only_once=True
    ),
    ("GET", "/promotions"): Sample("/promotions", ACCOUNT),
    ("PUT", "/payment-information"): Sample(
        "/payment-information", body={**ACCOUNT, "method": "send_invoice", "email": "pay@access.example"}
    ),
    ("GET", "/payment-information"): Sample("/payment-information", ACCOUNT),
    ("GET", "/payments"): Sample("/payments", ACCOUNT),
    ("POST", "/payments/record"): Sample("/payments/record", body={**ACCOUNT, "amount": "0.01"}),
    ("POST", "/payments/{payment}/refunds"): Sample("/payments/PAYMENT/refunds", body={"amount": "0.01"}),
    ("POST", "/payments/{payment}/return"): Sample(
        "/payments/PAYMENT/return", body={"reason": "walked"}, only_once=True
    ),
    ("POST", "/balance/top-ups"): Sample("/balance/top-ups", body={**ACCOUNT, "amount": "0.01"}),
    ("GET", "/balance"): Sample("/balance", ACCOUNT),
    ("GET", "/billing-history"): Sample("/billing-history", ACCOUNT),
    ("PUT", "/budget"): Sample("/budget", body={**ACCOUNT, "amount": "100.00"}),
    ("GET", "/budget"): Sample("/budget", ACCOUNT),
    ("DELETE", "/budget"): Sample("/budget", ACCOUNT),
}
# A gateway proves itself by its signature (tests/payments).
SIGNED = "/gateways/{gateway}/events"


@dataclass(frozen=True)
class Keys:
    operator: str
    account: str
    narrowed: str
    events: str
    narrowed_events: str
    foreign_account: str
    foreign_events: str
    revoked: str
    expired: str


def every_kind_of_key(served: Served) -> Keys:
    """An account with five projects of one host each, a rival with one, and a key of every kind."""
    served.account("access", projects=PROJECTS)
    served.account("access-rival", projects=["zeta"])
    # a different use each, so that any sum of some of them is told from the sum of others
    for number, project in enumerate((*PROJECTS, "zeta")):
        assert served.send([event(project, f"{project}-{host}") for host in range(2**number)])["rejected"] == []
    for email in ("two", "temporary", "none"):
        served.run("user", "add", f"{email}@access.example", "--password-stdin", stdin=f"{PASSWORD}\n")
    for project in PROJECTS:
        billing = ["--billing"] if project in SEEN else []
        served.run("member", "add", "two@access.example", project, *billing)
    served.run("member", "add", "none@access.example", "alpha")
    revoked = served.key("operator")
    soon = datetime.now(UTC) + timedelta(seconds=3)
    expired = served.key("account", "access", expires_at=soon.isoformat())
    made = Keys(
        operator=served.key("operator"),
        account=served.key("account", "access"),
        narrowed=served.key("account", "access", "beta"),
        events=served.key("events", "access"),
        narrowed_events=served.key("events", "access", "beta"),
        foreign_account=served.key("account", "access-rival"),
        foreign_events=served.key("events", "access-rival"),
        revoked=revoked,
        expired=expired,
    )
    _bill(served)
    # the one revoked proved something a moment ago, which must not be remembered
    assert served.api("POST", "/events", revoked, json=[]).status_code == 200
    assert served.api("DELETE", f"/keys/{revoked[:16]}").status_code == 204
    time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()))
    return made


def _bill(served: Served) -> None:
    """Issue an invoice of the month before, with a credit note and a payment."""
    may = {**event("alpha", "alpha-0"), "time": "2026-05-10T10:30:00Z"}
    assert served.send([may, {**may, "id": "may", "data": {"resource": "alpha-1"}}])["rejected"] == []

    def post(path: str, body: object) -> Any:
        answer = served.api("POST", path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    (row,) = post("/closes", {"month": "2026-05", "account": "access", "confirm": True})["issued"]
    lines = [{"line": 1, "net": "0.01"}]
    note = post(f"/invoices/{row['number']}/credit-notes", {"reason": "agreed", "lines": lines})
    paid = post("/payments/record", {"account": "access", "amount": "1.00"})
    given = post("/balance/credits", {"account": "access", "amount": "1.00", "name": "given"})
    MADE.update(CREDIT=str(given["id"]), INVOICE=row["number"], NOTE=note["number"], PAYMENT=paid["id"])
