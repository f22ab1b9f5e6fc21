"""The HTTP API: accounts, projects, people, keys, and how lists go on (INTERFACES)."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

from tests.doors.asking import check_problem, event, every, post
from tests.doors.conftest import Served


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
            "tax_class": "standard",
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
        "tax_class": "standard",
        "rounding": "half_up",
        "billing_email": "bills@example.com",
        "closed_at": None,
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
