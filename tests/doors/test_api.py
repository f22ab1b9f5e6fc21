"""The HTTP API: its routes, lists, problems, windows of usage, and the catalog (INTERFACES)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest

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


# --- accounts, projects, people, keys


def test_accounts(served: Served) -> None:
    made = post(
        served,
        "/accounts",
        {
            "code": "api-full",
            "name": "  Every field  ",
            "currency": "KRW",
            "time_zone": "Asia/Seoul",
            "language": "ko",
            "tax_percent": "10.50",
            "rounding": "half_up",
            "billing_email": "Bills@Example.COM",
        },
    )
    created_at = datetime.fromisoformat(made.pop("created_at"))
    assert abs(datetime.now(UTC) - created_at) < timedelta(minutes=5)
    assert made == {
        "code": "api-full",
        "name": "Every field",
        "currency": "KRW",
        "time_zone": "Asia/Seoul",
        "language": "ko",
        "tax_percent": "10.5",
        "rounding": "half_up",
        "billing_email": "bills@example.com",
    }
    plain = post(served, "/accounts", {"code": "api-plain", "currency": "JPY"})
    assert (plain["name"], plain["time_zone"], plain["rounding"]) == ("api-plain", "UTC", "down")
    assert served.get("/accounts/api-plain") == plain
    answer = served.api("POST", "/accounts", json={"code": "api-plain", "currency": "USD"})
    assert check_problem(answer, 409, "exists", "currency is JPY there")["differs"] == ["currency"]
    assert served.get("/accounts/api-plain") == plain


def test_projects(served: Served) -> None:
    post(served, "/accounts", {"code": "api-projects", "currency": "USD"})
    body = {"account": "api-projects", "code": "api-p", "labels": {"team": "core"}, "plan": "free"}
    made = post(served, "/projects", body)
    assert (made["status"], made["labels"], made["deleted_at"]) == ("free", {"team": "core"}, None)
    changes: list[tuple[dict[str, object], dict[str, object]]] = [
        ({"name": "Renamed"}, {"name": "Renamed", "status": "free"}),
        ({"plan": "subscribed"}, {"status": "subscribed"}),
        ({"trial_until": "2190-01-01T09:00:00+09:00"}, {"status": "trial", "trial_until": "2190-01-01T00:00:00Z"}),
        ({"trial_until": "none"}, {"status": "subscribed", "trial_until": None}),
        ({"limited": True}, {"status": "limited"}),
        ({"limited": False, "labels": {}}, {"status": "subscribed", "labels": {}}),
        ({}, {"name": "Renamed"}),
    ]
    for change, expected in changes:
        answer = served.api("PATCH", "/projects/api-p", json=change)
        assert answer.status_code == 200, answer.text
        assert {name: answer.json()[name] for name in expected} == expected
    sent = event("api-p", "2026-06-01T00:30:00Z")
    assert served.send([sent])["accepted"] == 1
    deleted = served.api("PATCH", "/projects/api-p", json={"deleted": True}).json()
    assert deleted["deleted_at"]
    assert served.api("PATCH", "/projects/api-p", json={"deleted": True}).json() == deleted
    # what it used is still billed under its name
    (group,) = served.get("/invoices/preview", account="api-projects", month="2026-06")["groups"]
    assert (group["project"], group["lines"][0]["quantity"]) == ("api-p", "1")
    check_problem(served.api("PATCH", "/projects/api-none", json={}), 404, "unknown-project")
    taken = served.api("POST", "/projects", json={"account": "api-full", "code": "api-p"})
    assert check_problem(taken, 409, "exists", "is taken")["differs"] == ["account"]
    assert "api-projects" not in taken.text


def test_people(served: Served) -> None:
    post(served, "/accounts", {"code": "api-people", "currency": "USD"})
    post(served, "/projects", {"account": "api-people", "code": "api-people-web"})
    user = post(
        served, "/users", {"email": "Ann@API.example", "name": "Ann", "password": "ten letters", "language": "ja"}
    )
    assert {name: user[name] for name in ("email", "name", "language", "has_password")} == {
        "email": "ann@api.example",
        "name": "Ann",
        "language": "ja",
        "has_password": True,
    }
    assert "ten letters" not in json.dumps(user)
    other = served.api("POST", "/users", json={"email": "ann@api.example", "name": "Ann", "password": "ten lettres"})
    check_problem(other, 409, "exists")
    member = {"email": "ann@api.example", "project": "api-people-web", "role": "member"}
    made = post(served, "/members", member)
    assert (made["account"], made["project"], made["billing"]) == ("api-people", "api-people-web", False)
    whole = post(served, "/members", {"email": "ann@api.example", "account": "api-people", "role": "admin"})
    assert (whole["account"], whole["project"]) == ("api-people", None)
    assert served.get("/members", account="api-people")["items"] == [made, whole]
    place = {"project": "api-people-web"}
    changed = served.api("PUT", "/members/ann@api.example", params=place, json={"billing": True, "role": "viewer"})
    assert changed.json() == made | {"billing": True, "role": "viewer"}
    check_problem(served.api("POST", "/members", json=member), 409, "exists")
    removed = served.api("DELETE", "/members/Ann@API.example", params=place)
    assert (removed.status_code, removed.content) == (204, b"")
    check_problem(served.api("DELETE", "/members/ann@api.example", params=place), 404, "unknown-member")
    check_problem(served.api("PUT", "/members/nobody@api.example", params=place, json={}), 404, "unknown-user")
    for wrong in ({}, place | {"account": "api-people"}):
        check_problem(served.api("DELETE", "/members/ann@api.example", params=wrong), 422, "wrong-place")
    assert served.get("/members", account="api-people")["items"] == [whole]


def test_keys(served: Served) -> None:
    post(served, "/accounts", {"code": "api-keys", "currency": "USD"})
    post(served, "/projects", {"account": "api-keys", "code": "api-keys-web"})
    body = {"scope": "account", "account": "api-keys", "project": "api-keys-web", "name": "CI"}
    expires_at = "2190-01-01T00:00:00Z"
    made = [served.api("POST", "/keys", json=body | {"expires_at": expires_at}).json() for _ in range(2)]
    keys = [each.pop("key") for each in made]
    assert len(set(keys)) == 2, "each call makes another key"
    assert [key.startswith(each["prefix"]) for key, each in zip(keys, made, strict=True)] == [True, True]
    listed = served.get("/keys", account="api-keys")
    assert listed["items"] == made
    assert not any(key in json.dumps(listed) for key in keys)
    assert served.api("DELETE", f"/keys/{made[0]['prefix']}").status_code == 204
    assert served.api("DELETE", f"/keys/{made[0]['prefix']}").status_code == 204, "again keeps the first moment"
    first, second = served.get("/keys", account="api-keys")["items"]
    assert first["revoked_at"]
    assert second == made[1]
    check_problem(served.api("DELETE", "/keys/mbk_e_unheard"), 404, "unknown-key")
    wrong: dict[str, dict[str, object]] = {
        "wrong-scope": {"scope": "operator", "account": "api-keys"},
        "wrong-project": {"scope": "events", "account": "api-full", "project": "api-keys-web"},
        "wrong-expires-at": {"scope": "operator", "expires_at": "2020-01-01T00:00:00Z"},
        "unknown-account": {"scope": "events", "account": "nobody"},
    }
    for slug, body in wrong.items():
        check_problem(served.api("POST", "/keys", json=body), 404 if slug == "unknown-account" else 422, slug)


def test_lists_go_on_where_they_stopped(served: Served) -> None:
    post(served, "/accounts", {"code": "api-pages", "currency": "USD"})
    codes = [f"api-pages-{letter}" for letter in "abcde"]
    for code in reversed(codes):
        post(served, "/projects", {"account": "api-pages", "code": code})
        post(served, "/users", {"email": f"{code}@api.example"})
        post(served, "/members", {"email": f"{code}@api.example", "project": code, "role": "viewer"})
        served.key("events", "api-pages", name=code)
    assert [each["code"] for each in every(served, "/projects", account="api-pages")] == codes
    assert [each["project"] for each in every(served, "/members", account="api-pages")] == codes[::-1]
    assert [each["name"] for each in every(served, "/keys", account="api-pages")] == codes[::-1]
    emails = [each["email"] for each in every(served, "/users")]
    assert emails == sorted(set(emails))
    assert {f"{code}@api.example" for code in codes} <= set(emails)
    accounts = [each["code"] for each in every(served, "/accounts")]
    assert accounts == sorted(set(accounts))
    assert "api-pages" in accounts


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


USAGE = {"project": "api-windows", "from": "2026-06-01", "until": "2026-06-03", "window": "hour"}


def test_a_cursor_that_no_page_gave(served: Served) -> None:
    post(served, "/accounts", {"code": "api-cursor", "currency": "USD"})
    post(served, "/projects", {"account": "api-cursor", "code": "api-windows"})
    wrong = ["", "x", "%", "é", "bWIx", cursor("a"), cursor("mb2:a"), "x" * 511]
    foreign = [cursor(f"mb1:{key}") for key in ("one", "-1", "1e3", "9" * 30, "²")]
    moments = [cursor(f"mb1:{at}") for at in ("2026-05-31T00:00:00Z", "2027-01-01T00:00:00Z", "2026-06-02", "")]
    moments.append(cursor("mb1:0001-01-01T00:00:00+14:00"))
    lists: dict[str, tuple[dict[str, str], list[str]]] = {
        "/accounts": ({}, []),
        "/projects": ({"account": "api-cursor"}, []),
        "/users": ({}, []),
        "/members": ({"account": "api-cursor"}, foreign),
        "/keys": ({}, foreign),
        "/usage": (USAGE, foreign + moments),
    }
    for path, (query, more) in lists.items():
        for text in wrong + more:
            answer = served.api("GET", path, params=query | {"cursor": text})
            check_problem(answer, 422, "wrong-cursor", "start again without it")
        too_long = served.api("GET", path, params=query | {"cursor": "x" * 600})
        assert check_problem(too_long, 422, "invalid")["errors"][0]["field"] == "query.cursor"


# --- problems


def test_an_address_or_a_method_that_is_not_there(served: Served) -> None:
    for path in ("", "/", "/nothing", "/accounts/a/b", "/invoices", "/%00", "/%ED%A0%80", f"/{'x' * 5_000}"):
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


# --- OpenAPI and health


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
        *("/accounts", "/accounts/{code}", "/projects", "/projects/{code}", "/users", "/members", "/members/{email}"),
        *("/keys", "/keys/{prefix}", "/catalog", "/catalog/check", "/catalog/diff", "/events", "/usage"),
        *("/invoices/preview", "/project-usage", "/healthz", "/readyz", "/metrics"),
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
            assert operation["security"], f"{method} {path}"
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
    assert 'meterbook_events_total{outcome="accepted"}' in answers["/metrics"].text
    assert 'route="/api/v1/accounts/{code}"' in answers["/metrics"].text
    assert not any("api-unmeasured" in answer.text for answer in answers.values())


# --- usage


@pytest.mark.parametrize(
    ("zone", "offset", "shift"),
    [("Asia/Seoul", "+09:00", timedelta(hours=9)), ("+05:30", "+05:30", timedelta(hours=5, minutes=30))],
)
def test_windows_follow_the_clocks_of_the_account(served: Served, zone: str, offset: str, shift: timedelta) -> None:
    code = f"api-{offset[1:3]}"
    post(served, "/accounts", {"code": code, "currency": "USD", "time_zone": zone})
    post(served, "/projects", {"account": code, "code": code})
    midnight = datetime(2026, 6, 1, tzinfo=UTC) - shift
    moments = [midnight - HOUR / 60, midnight, midnight + HOUR - HOUR / 60, midnight + HOUR, midnight + 24 * HOUR]
    served.send([event(code, at, value=str(10**place)) for place, at in enumerate(moments)])
    query = {"project": code, "from_": "2026-05-31", "until": "2026-07-01"}

    def read(window: str) -> list[tuple[str, str, str]]:
        items = served.get("/usage", **query, window=window)["items"]
        return [(item["starts_at"], item["ends_at"], item["quantity"]) for item in items]

    assert read("hour") == [
        (f"2026-05-31T23:00:00{offset}", f"2026-06-01T00:00:00{offset}", "1"),
        (f"2026-06-01T00:00:00{offset}", f"2026-06-01T01:00:00{offset}", "110"),
        (f"2026-06-01T01:00:00{offset}", f"2026-06-01T02:00:00{offset}", "1000"),
        (f"2026-06-02T00:00:00{offset}", f"2026-06-02T01:00:00{offset}", "10000"),
    ]
    assert read("day") == [
        (f"2026-05-31T00:00:00{offset}", f"2026-06-01T00:00:00{offset}", "1"),
        (f"2026-06-01T00:00:00{offset}", f"2026-06-02T00:00:00{offset}", "1110"),
        (f"2026-06-02T00:00:00{offset}", f"2026-06-03T00:00:00{offset}", "10000"),
    ]
    assert read("month") == [
        (f"2026-05-31T00:00:00{offset}", f"2026-06-01T00:00:00{offset}", "1"),
        (f"2026-06-01T00:00:00{offset}", f"2026-07-01T00:00:00{offset}", "11110"),
    ]
    whole = served.get("/usage", **query, window="month")
    assert (whole["time_zone"], whole["status"], whole["from"]) == (zone, "estimated", f"2026-05-31T00:00:00{offset}")
    assert whole["data_through"] == f"2026-06-02T01:00:00{offset}"
    # a range given by instants cuts the same hours
    instants = {"from_": midnight.isoformat(), "until": (midnight + HOUR).isoformat()}
    (item,) = served.get("/usage", project=code, **instants, window="hour")["items"]
    assert item["quantity"] == "110"


def test_usage_by_resource(served: Served) -> None:
    post(served, "/accounts", {"code": "api-resource", "currency": "USD"})
    post(served, "/projects", {"account": "api-resource", "code": "api-resource"})
    sent = [event("api-resource", f"2026-06-01T0{hour}:10:00Z", "host.seen", resource="a") for hour in range(4)]
    sent += [event("api-resource", f"2026-06-01T0{hour}:20:00Z", "host.seen", resource="b") for hour in range(2)]
    sent += [event("api-resource", "2026-06-01T00:30:00Z", value="2.5", resource="lb")]
    served.send(sent)
    query = {"project": "api-resource", "from_": "2026-06-01", "until": "2026-06-02"}
    kept = ("product", "unit", "metered_units", "usage_hours", "unit_hours", "quantity", "resource")

    def read(group_by: str) -> list[dict[str, str]]:
        items = served.get("/usage", **query, group_by=group_by)["items"]
        return [{name: item[name] for name in kept if name in item} for item in items]

    counted = {"product": "requests", "unit": "request", "usage_hours": "1", "metered_units": "2.5", "quantity": "2.5"}
    host = {"product": "server", "unit": "host"}
    assert read("product") == [host | {"metered_units": "1.5", "usage_hours": "4", "unit_hours": "6"}, counted]
    assert read("resource") == [
        host | {"metered_units": "1", "usage_hours": "4", "unit_hours": "4", "resource": "a"},
        host | {"metered_units": "1", "usage_hours": "2", "unit_hours": "2", "resource": "b"},
        counted | {"resource": "lb"},
    ]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_a_range_of_more_than_a_thousand_windows_comes_in_pages(served: Served, zone: str) -> None:
    code = f"api-long-{zone.lower()[:3]}"
    post(served, "/accounts", {"code": code, "currency": "USD", "time_zone": zone})
    post(served, "/projects", {"account": code, "code": code})
    begin = datetime.fromisoformat("2026-01-01T00:30:00+05:30" if zone != "UTC" else "2026-01-01T00:30:00Z")
    hours = [0, 1, 999, 1000, 1001, 1999, 2000, 2159]
    served.send([event(code, begin + hour * HOUR, value=str(hour + 1)) for hour in hours])
    query: dict[str, object] = {"project": code, "from_": "2026-01-01", "until": "2026-04-01", "window": "hour"}
    pages = [served.get("/usage", **query)]
    while pages[-1]["next_cursor"] is not None:
        pages.append(served.get("/usage", **query, cursor=pages[-1]["next_cursor"]))
    assert [[item["quantity"] for item in page["items"]] for page in pages] == [
        ["1", "2", "1000"],
        ["1001", "1002", "2000"],
        ["2001", "2160"],
    ]
    assert len({page["data_through"] for page in pages}) == 1
    (month,) = [served.get("/usage", **query | {"window": "month", "until": "2026-02-01"})["items"]]
    assert [item["quantity"] for item in month] == ["3"]


# --- previews


@pytest.fixture(scope="module")
def billed(served: Served) -> str:
    """An account with two projects and every model of price."""
    post(served, "/accounts", {"code": "api-billed", "currency": "USD", "tax_percent": "10"})
    for project in ("api-shop", "api-site"):
        post(served, "/projects", {"account": "api-billed", "code": project})
    sent = []
    for project, hosts in (("api-shop", 3), ("api-site", 1)):
        for hour in range(48):
            at = datetime(2026, 6, 1, 0, 30, tzinfo=UTC) + hour * HOUR
            sent += [event(project, at, "host.seen", resource=f"h{host}") for host in range(hosts)]
            sent.append(event(project, at, "request.count", value=str(hour * hosts)))
            sent.append(event(project, at, "database.seen"))
        sent.append(event(project, "2026-06-02T12:00:00Z", "log.lines", value="7.5"))
    served.send(sent)
    return "api-billed"


def test_both_groupings_are_one_invoice(served: Served, billed: str) -> None:
    previews = {by: served.get("/invoices/preview", account=billed, month="2026-06", group_by=by) for by in GROUPINGS}
    for by, preview in previews.items():
        groups = preview["groups"]
        assert [group[by] for group in groups] == GROUPINGS[by]
        assert sum(cents(group["total_cost"]) for group in groups) == cents(preview["subtotal"])
        for group in groups:
            assert sum(cents(line["amount"]) for line in group["lines"]) == cents(group["total_cost"])
            assert all(line["formula"] for line in group["lines"])
    by_project, by_product = previews.values()
    assert {**by_project, "groups": None} == {**by_product, "groups": None}
    lines = [
        sorted(json.dumps(line, sort_keys=True) for group in preview["groups"] for line in group["lines"])
        for preview in previews.values()
    ]
    assert lines[0] == lines[1]
    assert [tax["rate"] for tax in by_project["tax"]] == ["10"]
    assert cents(by_project["net"]) + sum(cents(tax["amount"]) for tax in by_project["tax"]) == cents(
        by_project["total"]
    )
    assert (by_project["status"], by_project["reference_hours"]) == ("estimated", 720)
    assert by_project["data_through"] == "2026-06-03T00:00:00Z"


GROUPINGS = {"project": ["api-shop", "api-site"], "product": ["database", "log", "requests", "server"]}


def cents(amount: str) -> int:
    whole, _, decimals = amount.partition(".")
    assert len(decimals) == 2
    return int(whole + decimals)


def test_project_usage_is_the_preview_without_its_totals(served: Served, billed: str) -> None:
    for by in GROUPINGS:
        preview = served.get("/invoices/preview", account=billed, month="2026-06", group_by=by)
        usage = served.get("/project-usage", account=billed, month="2026-06", group_by=by)
        assert usage["groups"] == preview["groups"]
        assert {name: usage[name] for name in ("account", "month", "currency", "status", "data_through")} == {
            name: preview[name] for name in ("account", "month", "currency", "status", "data_through")
        }
        assert "total" not in usage


def test_the_account_may_be_left_out_by_a_key_of_one(served: Served, billed: str) -> None:
    key = served.key("account", billed)
    own = served.get("/invoices/preview", key, month="2026-06")
    assert own == served.get("/invoices/preview", account=billed, month="2026-06")
    for path in ("/invoices/preview", "/project-usage", "/projects"):
        check_problem(served.api("GET", path), 422, "account-needed", "account=CODE")


def test_a_moment_is_replayed(served: Served, billed: str) -> None:
    at = {"account": billed, "month": "2026-06", "at": "2026-06-01T12:00:00Z"}
    early = served.get("/invoices/preview", **at)
    (server,) = [line for group in early["groups"][:1] for line in group["lines"] if line["product"] == "server"]
    assert (server["unit_hours"], early["data_through"]) == ("36", "2026-06-01T12:00:00Z")
    same = served.get("/invoices/preview", **at | {"at": "2026-06-01T21:00:00+09:00"})
    assert same == early
    not_begun = served.api("GET", "/invoices/preview", params=at | {"at": "2026-05-31T23:59:59Z"})
    check_problem(not_begun, 422, "month-not-begun")
    check_problem(
        served.api("GET", "/invoices/preview", params=at | {"at": "2026-06-01T12:00:00"}), 422, "wrong-instant"
    )


# --- the catalog


def send(served: Served, method: str, path: str, text: str) -> httpx.Response:
    return served.api(method, path, content=text.encode(), headers=TOML)


NEW = """
[[products]]
code = "api-new"
name = { en = "New", ko = "새" }
unit = "thing"
meter = { type = "api.new", kind = "counter" }

[[products.prices]]
currency = "USD"
from = 2026-01-01T00:00:00Z
model = "package"
per = "quantity"
unit_price = "0.10"
package_size = "1000"
"""


def test_a_catalog_is_checked_compared_and_applied(served: Served) -> None:
    before = served.get("/catalog")
    text = PRODUCTS + NEW
    count_before = len(before["products"])
    assert send(served, "POST", "/catalog/check", text).json() == {"products": count_before + 1}
    difference = send(served, "POST", "/catalog/diff", text).json()["changes"]
    assert difference
    assert all("api-new" in change["text"] for change in difference)
    assert served.get("/catalog") == before
    sent = event("api-new-p", "2026-06-01T00:30:00Z", "api.new", value="5")
    post(served, "/accounts", {"code": "api-new-a", "currency": "USD"})
    post(served, "/projects", {"account": "api-new-a", "code": "api-new-p"})
    assert served.send([sent])["rejected"][0]["reason"].startswith("unknown type")
    assert send(served, "PUT", "/catalog", text).json()["changes"] == difference
    assert send(served, "PUT", "/catalog", text).json() == {"changes": []}
    added = served.get("/catalog")["products"][-1]
    assert (added["code"], added["name"], added["unit"]) == ("api-new", {"en": "New", "ko": "새"}, "thing")
    assert added["meter"] == {"type": "api.new", "kind": "counter", "hourly": None, "retention_days": None}
    assert [(price["from"], price["model"], price["package_size"]) for price in added["prices"]] == [
        ("2026-01-01T00:00:00Z", "package", "1000")
    ]
    assert send(served, "PUT", "/catalog", PRODUCTS).json()["changes"]
    assert served.get("/catalog") == before


def test_a_price_in_use_is_refused_with_all_that_came_with_it(served: Served, billed: str) -> None:
    assert served.get("/invoices/preview", account=billed, month="2026-06")["groups"]
    before = served.get("/catalog")
    changed = PRODUCTS.replace('unit_price = "0.0004"', 'unit_price = "0.0005"')
    taken = PRODUCTS.replace(PRODUCTS[PRODUCTS.index('[[products]]\ncode = "database"') :], "")
    for text in (changed + NEW, taken):
        answer = send(served, "PUT", "/catalog", text)
        problem = check_problem(answer, 409, "in-use")
        assert "usage" in problem["detail"]
        assert served.get("/catalog") == before


def test_mistakes_of_a_catalog_are_named_each(served: Served) -> None:
    before = served.get("/catalog")
    wrong = NEW.replace('"package"', '"parcel"').replace('"0.10"', '"-1"') + "\ncolour = 1\n"
    for method, path in (("POST", "/catalog/check"), ("POST", "/catalog/diff"), ("PUT", "/catalog")):
        problem = check_problem(send(served, method, path, PRODUCTS + wrong), 422, "catalog-invalid")
        text = (PRODUCTS + wrong).split("\n")
        found = {(text[each["line"] - 1], each["field"].rpartition(".")[2]) for each in problem["problems"]}
        assert ('model = "parcel"', "model") in found
        assert ("colour = 1", "colour") in found
    check_problem(send(served, "POST", "/catalog/check", ""), 422, "catalog-invalid", "version")
    check_problem(send(served, "POST", "/catalog/check", "version = "), 422, "catalog-invalid")
    not_text = served.api("POST", "/catalog/check", content=b"\xff", headers=TOML)
    check_problem(not_text, 400, "broken-body")
    assert served.get("/catalog") == before
