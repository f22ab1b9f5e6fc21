"""The HTTP API: what is refused, as problem documents; the OpenAPI document; health and metrics (INTERFACES)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.doors.asking import check_problem, event, post
from tests.doors.callers import SAMPLES
from tests.doors.conftest import Served


@pytest.fixture(scope="module", autouse=True)
def known(served: Served) -> None:
    """What the wrong requests name rightly: an account with a project that has sent an event."""
    post(served, "/accounts", {"code": "api-cursor", "currency": "USD"})
    post(served, "/projects", {"account": "api-cursor", "code": "api-windows"})
    served.send([event("api-windows", "2026-06-02T12:00:00Z")])


def test_an_address_or_a_method_that_is_not_there(served: Served) -> None:
    for path in ("", "/", "/nothing", "/accounts/a/b", "/invoices/a/b", "/%00", "/%ED%A0%80", f"/{'x' * 5_000}"):
        check_problem(served.api("GET", path), 404, "not-found")
    for method, path, allowed in (
        ("PUT", "/accounts", {"GET", "POST"}),
        ("GET", "/events", {"POST"}),
        ("DELETE", "/catalog", {"GET", "PUT"}),
    ):
        answer = served.api(method, path)
        check_problem(answer, 405, "method-not-allowed")
        assert set(answer.headers["allow"].split(", ")) <= allowed
    check_problem(served.request("POST", "/healthz"), 405, "method-not-allowed")


@pytest.mark.parametrize(
    ("method", "path", "body", "fields"),
    [
        ("POST", "/accounts", {}, {"code", "currency"}),
        ("POST", "/accounts", {"code": "a", "currency": "USD", "colour": "red"}, {"colour"}),
        ("POST", "/accounts", {"code": 7, "currency": "USD", "language": "xx"}, {"code", "language"}),
        ("POST", "/accounts", {"code": "a", "currency": "USD", "tax_percent": "ten"}, {"tax_percent"}),
        ("POST", "/projects", {"account": "a", "code": "b", "labels": {"c": 1}}, {"labels.c"}),
        ("POST", "/projects", {"account": "a", "code": "b", "trial_until": "2026-06-01T10:00:00"}, {"trial_until"}),
        ("PATCH", "/projects/a", {"trial_until": "9999-12-31T23:00:00-14:00"}, {"trial_until"}),
        ("POST", "/projects", {"account": "a", "code": "b", "plan": "gold"}, {"plan"}),
        ("POST", "/members", {"email": "a@b.example", "role": "owner"}, {"role"}),
        ("POST", "/keys", {"scope": "all", "expires_at": "0001-01-01T00:00:00+14:00"}, {"scope", "expires_at"}),
        ("GET", "/usage", None, {"query.project", "query.from", "query.until"}),
        ("GET", "/usage?project=a&from=b&until=c&window=year&group_by=x", None, {"query.window", "query.group_by"}),
        ("GET", "/invoices/preview?group_by=colour", None, {"query.group_by"}),
        ("GET", "/accounts?limit=0", None, {"query.limit"}),
        ("GET", "/accounts?limit=501", None, {"query.limit"}),
        ("GET", "/accounts?limit=many", None, {"query.limit"}),
        ("GET", "/members", None, {"query.account"}),
    ],
)
def test_what_does_not_fit_is_named(served: Served, method: str, path: str, body: Any, fields: set[str]) -> None:
    answer = served.api(method, path, **({} if body is None else {"json": body}))
    problem = check_problem(answer, 422, "invalid")
    found = {re.sub(r"\.(function|literal|datetime).*", "", error["field"]) for error in problem["errors"]}
    assert found == fields
    assert all(error["message"] for error in problem["errors"])


@pytest.mark.parametrize("given", ["yes", "true", "off", 1, 0, "1", 1.0, [], {}])
@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("PATCH", "/accounts/api-cursor", "closed"),
        ("PATCH", "/projects/api-windows", "limited"),
        ("PATCH", "/projects/api-windows", "deleted"),
        ("PATCH", "/users/nobody@api.example", "operator"),
        ("PATCH", "/users/nobody@api.example", "two_factor"),
        ("PUT", "/members/nobody@api.example?project=api-windows", "billing"),
        ("POST", "/closes", "confirm"),
        ("POST", "/users", "operator"),
        ("POST", "/members", "billing"),
        ("POST", "/invitations", "billing"),
        ("POST", "/invitations", "operator"),
        ("POST", "/promotion-codes", "stackable"),
        ("POST", "/promotion-codes", "carry_over"),
    ],
)
def test_what_is_true_or_false_is_nothing_else(
    served: Served, method: str, path: str, field: str, given: object
) -> None:
    needed = {
        "/closes": {"month": "2026-06"},
        "/users": {"email": "nobody@api.example"},
        "/members": {"email": "nobody@api.example", "role": "viewer"},
        "/invitations": {"email": "nobody@api.example"},
        "/promotion-codes": {"code": "FLAGS", "kind": "percent", "value": "1"},
    }
    answer = served.api(method, path, json={**needed.get(path, {}), field: given})
    assert [error["field"] for error in check_problem(answer, 422, "invalid")["errors"]] == [field]


@pytest.mark.parametrize("value", ["1e1", "\uff15", "1_0", " 5", "+5", "NaN", "Infinity", "5."])
def test_the_value_of_a_promotion_is_written_plainly(served: Served, value: str) -> None:
    answer = served.api("POST", "/promotion-codes", json={"code": "PLAIN", "kind": "percent", "value": value})
    assert check_problem(answer, 422, "invalid")["errors"][0]["field"] == "value"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/accounts", {"code": "Capital", "currency": "USD"}, "code"),
        ("/accounts", {"code": "a\0", "currency": "USD"}, "code"),
        ("/accounts", {"code": "\ud800", "currency": "USD"}, "code"),
        ("/accounts", {"code": "a", "currency": "usd"}, "currency"),
        ("/accounts", {"code": "a", "currency": "USD", "name": "a\nb"}, "name"),
        ("/accounts", {"code": "a", "currency": "USD", "name": " "}, "name"),
        ("/accounts", {"code": "a", "currency": "USD", "tax_percent": "100.01"}, "tax_percent"),
        ("/accounts", {"code": "a", "currency": "USD", "tax_percent": "1e-9"}, "tax_percent"),
        ("/accounts", {"code": "a", "currency": "USD", "time_zone": "../../etc/passwd"}, "time_zone"),
        ("/accounts", {"code": "a", "currency": "USD", "time_zone": "+14:30"}, "time_zone"),
        ("/accounts", {"code": "a", "currency": "USD", "time_zone": "+\u0660\u0665:30"}, "time_zone"),
        ("/accounts", {"code": "a", "currency": "USD", "billing_email": "nobody"}, "billing_email"),
        ("/projects", {"account": "api-cursor", "code": "a", "labels": {"": "x"}}, "label"),
        ("/projects", {"account": "api-cursor", "code": "a", "trial_until": "2026-06-01T10:30:00Z"}, "trial_until"),
        ("/users", {"email": "a b@example.com"}, "email"),
        ("/users", {"email": "a@example.com", "password": "short"}, "password"),
        ("/users", {"email": "a@example.com", "language": "xx"}, "language"),
        ("/keys", {"scope": "events"}, "account"),
    ],
)
def test_what_is_not_allowed_names_its_field(served: Served, path: str, body: dict[str, object], field: str) -> None:
    # written with escapes, as half a character cannot be sent otherwise
    answer = served.api("POST", path, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field


@pytest.mark.parametrize("body", [b"{", b'{"code": }', b"[" * 100_000, b"\xff", b"9" * 5_000], ids=range(5))
def test_a_body_that_is_not_json(served: Served, body: bytes) -> None:
    answer = served.api("POST", "/accounts", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["type"] in ("urn:meterbook:problem:broken-json", "urn:meterbook:problem:broken-body")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"text"', b'{"code": "a", "\\ud800": 1}'], ids=range(5))
def test_a_body_that_is_no_object(served: Served, body: bytes) -> None:
    answer = served.api("POST", "/accounts", content=body, headers={"Content-Type": "application/json"})
    check_problem(answer, 422, "invalid")


def test_a_body_over_the_limit(served: Served) -> None:
    def in_parts() -> Iterator[bytes]:
        yield from (b'"' * 100_000 for _ in range(50))

    for method, path in (("POST", "/accounts"), ("PUT", "/catalog"), ("PATCH", "/projects/a")):
        for body in (b'"' * 5_000_000, in_parts()):
            answer = served.api(method, path, content=body, headers={"Content-Type": "application/json"})
            check_problem(answer, 413, "too-large", "4 MiB")


ODD = ["%00", "a%00b", "%ED%A0%80", "%FF", "%F0%9F%98%80", "x" * 64, "x" * 3_000, "%20", "'", '"', "%5C", "{{7*7}}"]


@pytest.mark.parametrize("code", ODD, ids=range(len(ODD)))
def test_odd_texts_are_no_mistakes_of_ours(served: Served, code: str) -> None:
    requests = [
        ("GET", f"/accounts/{code}"),
        ("GET", f"/invoices/preview?account={code}"),
        ("GET", f"/project-usage?account={code}"),
        ("GET", f"/projects?account={code}"),
        ("GET", f"/members?account={code}"),
        ("GET", f"/keys?account={code}"),
        ("DELETE", f"/keys/{code}"),
        ("DELETE", f"/members/{code}?project=api-p"),
        ("DELETE", f"/members/a@b.example?project={code}"),
        ("GET", f"/usage?project={code}&from=2026-06-01&until=2026-07-01"),
        ("GET", f"/usage?project=api-p&from={code}&until=2026-07-01"),
        ("GET", f"/usage?project=api-p&from=2026-06-01&until={code}"),
        ("GET", f"/invoices/preview?account=api-full&month={code}"),
        ("GET", f"/invoices/preview?account=api-full&at={code}"),
        ("GET", f"/usage?project=api-p&from=2026-06-01&until=2026-07-01&cursor={code}"),
    ]
    for method, path in requests:
        answer = served.api(method, path)
        assert answer.status_code in (404, 422), f"{method} {path}: {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("code", ODD, ids=range(len(ODD)))
def test_no_route_fails_for_what_stands_in_its_address(served: Served, code: str) -> None:
    named = [(method, path, sample) for (method, path), sample in SAMPLES.items() if "{" in path]
    assert len(named) > 20
    for method, path, sample in named:
        answer = served.api(method, re.sub(r"{\w+}", code, path), **sample.how())
        assert answer.status_code < 500, f"{method} {path}: {answer.text}"


@pytest.mark.parametrize("zone", ["+05:30", "-09:30"])
def test_the_ends_of_the_calendar(served: Served, zone: str) -> None:
    code = f"api-ends{re.sub('[^a-z0-9]', '', zone.lower())}"
    post(served, "/accounts", {"code": code, "currency": "USD", "time_zone": zone})
    post(served, "/projects", {"account": code, "code": code})
    near = ["1970-01-01", "1970-01-01T00:00:00+14:00", "2199-12-31", "2199-12-31T23:59:59.999999-14:00"]
    far = ["0001-01-01", "0001-01-01T00:00:00+14:00", "1969-12-31", "2200-01-01", "9999-12-31T23:59:59-14:00"]
    for window in ("hour", "day", "month"):
        for text in near + far:
            for since, until in ((text, "2026-07-01"), ("2026-06-01", text)):
                query = {"project": code, "from": since, "until": until, "window": window}
                status = served.api("GET", "/usage", params=query).status_code
                assert status == (200 if text in near and since[:4] < until[:4] else 422), query
    for text in near + far:
        for month in ("1970-01", "2026-06", "2199-12"):
            answer = served.api("GET", "/invoices/preview", params={"account": code, "month": month, "at": text})
            assert answer.status_code in (200, 422), answer.text
    for month in ("1969-12", "9999-12", "0000-00", "2026-13", "2026-6", "2190-01"):
        answer = served.api("GET", "/invoices/preview", params={"account": code, "month": month})
        assert answer.status_code == 422, answer.text


def test_the_openapi_document_names_every_route(served: Served) -> None:
    answer = httpx.get(f"{served.url}/api/v1/openapi.json", verify=False)
    assert answer.status_code == 200
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    operations = {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert {path.removeprefix("/api/v1") for _, path in operations} == {
        *(
            "/accounts",
            "/accounts/{code}",
            "/projects",
            "/projects/{code}",
            "/users",
            "/users/{email}",
            "/members",
            "/members/{email}",
        ),
        *("/keys", "/keys/{prefix}", "/catalog", "/catalog/check", "/catalog/diff", "/events", "/usage"),
        *("/invoices/preview", "/project-usage", "/healthz", "/readyz", "/metrics"),
        *("/invoices", "/invoices/{number}", "/invoices/{number}/pdf", "/invoices/{number}/lines/{line}/usage"),
        *("/invoices/{number}/credit-notes", "/invoices/{number}/write-off", "/invoices/{number}/reinstatement"),
        *("/invoices/{number}/payments",),
        *("/credit-notes/{number}", "/credit-notes/{number}/pdf", "/closes", "/closes/unbilled"),
        *("/verifications", "/promotion-codes"),
        *(
            "/promotion-codes/{code}",
            "/promotions",
            "/promotions/redeem",
            "/promotions/withdraw",
            "/payment-information",
            "/payments",
            "/payments/record",
        ),
        *("/payments/{payment}/refunds", "/payments/{payment}/return", "/balance", "/balance/top-ups"),
        *("/billing-history", "/gateways/{gateway}/events", "/invitations", "/archives", "/budget"),
        *(
            "/exports/focus",
            "/exports/journal",
            "/balance/credits",
            "/balance/credits/{credit}/withdrawal",
            "/reports/month",
            "/audit-log",
            "/jobs",
            "/jobs/{task}/retry",
            "/jobs/{task}/dismissal",
            "/webhook/ping",
        ),
    }
    names = [operation["operationId"] for operation in operations.values()]
    assert len(names) == len(set(names))
    for (method, path), operation in operations.items():
        assert operation["summary"], path
        assert operation["description"], path
        assert {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"} == set(
            re.findall(r"{(\w+)}", path)
        )
        if path.startswith("/api/v1"):
            # a gateway proves itself by its signature
            assert bool(operation["security"]) != path.endswith("/gateways/{gateway}/events"), f"{method} {path}"
            assert "application/problem+json" in operation["responses"]["default"]["content"]
    for reference in re.findall(r'"\$ref": ?"#/([^"]+)"', json.dumps(document)):
        place = document
        for step in reference.split("/"):
            place = place[step]
    media = operations["POST", "/api/v1/events"]["requestBody"]["content"]
    assert {"application/cloudevents+json", "application/cloudevents-batch+json", "application/x-ndjson"} <= set(media)


def test_health_and_metrics_need_no_key_and_name_no_account(served: Served) -> None:
    post(served, "/accounts", {"code": "api-unmeasured", "currency": "USD"})
    served.api("GET", "/accounts/api-unmeasured")
    answers = {path: httpx.get(served.url + path, verify=False) for path in ("/healthz", "/readyz", "/metrics")}
    assert {answer.status_code for answer in answers.values()} == {200}
    assert answers["/readyz"].json() == {"status": "ready"}
    for path in ("/healthz", "/readyz"):
        asked = httpx.head(served.url + path, verify=False)
        assert (asked.status_code, asked.content) == (200, b"")
    assert 'meterbook_events_total{outcome="accepted"}' in answers["/metrics"].text
    assert 'route="/api/v1/accounts/{code}"' in answers["/metrics"].text
    assert not any("api-unmeasured" in answer.text for answer in answers.values())
