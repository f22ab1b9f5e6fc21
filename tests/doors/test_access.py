"""Who may do what: every route of the application, walked by every kind of caller (DOMAIN 1)."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from meterbook.api.permission import Permission
from meterbook.audit import Kind
from meterbook.database import Database
from meterbook.house import House
from meterbook.main import create_app
from meterbook.settings import Settings
from meterbook.usage.store import open_usage
from tests.doors.asking import every
from tests.doors.callers import (
    API,
    JUNE,
    MADE,
    OPEN_PAGES,
    PASSWORD,
    PROJECTS,
    SAMPLES,
    SEEN,
    SIGNED,
    Keys,
    event,
    every_kind_of_key,
)
from tests.doors.conftest import Served

# What anyone may read: it names no account.
PUBLIC = {"/healthz", "/readyz", "/metrics", f"{API}/openapi.json"}


@pytest.fixture(scope="module")
def application(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The application as the server makes it, to read its routes from."""
    folder = tmp_path_factory.mktemp("routes")
    usage = open_usage(folder)
    yield create_app(House(Settings(data_dir=folder), migrated, usage))
    usage.close()


@pytest.fixture(scope="module")
def routes(application: FastAPI) -> dict[tuple[str, str], Permission | None]:
    """Every method and path, with the permission its dependencies name."""
    found: dict[tuple[str, str], Permission | None] = {}
    for route in iter_route_contexts(application.routes):
        if route.methods is None:
            assert route.path == "/static", f"{route.path} is mounted, and nothing here knows what is behind it"
            continue
        for method in route.methods - {"HEAD"}:
            found[method, route.path] = _permission(getattr(route, "dependant", None))
    return found


def _permission(dependant: Any) -> Permission | None:
    calls = [each.call for each in dependant.dependencies] if dependant else []
    named = [call.permission for call in calls if hasattr(call, "permission")]
    assert len(named) <= 1
    return named[0] if named else None


@pytest.fixture(scope="module")
def keys(served: Served) -> Keys:
    return every_kind_of_key(served)


def test_every_route_names_its_permission(routes: Mapping[tuple[str, str], Permission | None]) -> None:
    api = {(method, path): named for (method, path), named in routes.items() if path.startswith(API)}
    unnamed = {path for (_, path), named in api.items() if named is None}
    assert unnamed == {f"{API}/openapi.json", API + SIGNED}
    assert {path for _, path in routes} >= PUBLIC
    assert {(method, path.removeprefix(API)) for (method, path), named in api.items() if named} == SAMPLES.keys()


def test_without_a_proof_every_route_says_the_same(
    served: Served, keys: Keys, routes: Mapping[tuple[str, str], Permission | None]
) -> None:
    wrong = f"{keys.operator[:-1]}{'a' if keys.operator[-1] != 'a' else 'b'}"
    bearers = [None, "Bearer", "Basic b3BlcmF0b3I6", f"Token {keys.operator}", "Bearer mbk", f"Bearer {keys.operator}x"]
    bearers += [f"Bearer {each}" for each in (wrong, keys.revoked, keys.expired, "local_", f"local_{keys.operator}")]
    bearers += [f"Bearer {served.token[:-1]}", f"Bearer {'m' * 5000}", "Bearer mbk_o_äöü"]
    said = set()
    with httpx.Client(base_url=served.url + API, verify=False, trust_env=False) as client:
        for (method, path), sample in SAMPLES.items():
            absent = re.sub(r"\{\w+\}", "nobody", path)
            for bearer in bearers:
                headers = {} if bearer is None else {b"Authorization": bearer.encode("latin-1")}
                for where, how in ((sample.where, sample.how()), (absent, {})):
                    answer = client.request(method, where, **(how | {"headers": how.get("headers", {}) | headers}))
                    assert answer.status_code == 401, f"{method} {where} with {bearer}: {answer.text}"
                    said.add((answer.headers["www-authenticate"], answer.headers["content-type"], answer.text))
    ((challenge, media_type, text),) = said
    assert challenge == 'Bearer realm="meterbook"'
    assert media_type == "application/problem+json"
    assert json.loads(text) == {
        "type": "urn:meterbook:problem:unauthenticated",
        "title": "Unauthorized",
        "status": 401,
        "detail": "A valid key or sign-in is needed.",
    }
    assert {path for _, path in routes} >= {API + path for _, path in SAMPLES}


def test_every_route_by_every_scope(
    served: Served, keys: Keys, routes: Mapping[tuple[str, str], Permission | None]
) -> None:
    holders = {
        Permission.send_events: {"events", "narrowed_events", "foreign_events", "account", "narrowed"}
        | {"foreign_account", "operator"},
        Permission.read_account: {"account", "narrowed", "foreign_account", "operator"},
        Permission.operate: {"operator"},
    }
    served.run("member", "add", "temporary@access.example", "alpha")
    for (method, path), sample in SAMPLES.items():
        permission = routes[method, API + path]
        assert permission is not None
        # the operator last: it takes away what others may not
        for caller in sorted(holders[Permission.send_events], key=lambda name: name == "operator"):
            answer = served.api(method, sample.where, getattr(keys, caller), **sample.how())
            if caller not in holders[permission]:
                assert answer.status_code == 403, f"{method} {path} by {caller}: {answer.text}"
                assert answer.json()["type"] == "urn:meterbook:problem:forbidden"
                assert answer.headers["content-type"] == "application/problem+json"
            elif caller in ("account", "operator") and sample.only_once:
                assert answer.is_success or answer.status_code == 409, f"{method} {path} by {caller}: {answer.text}"
            elif caller in ("account", "operator", "events") and path != "/keys/{prefix}":
                assert answer.is_success, f"{method} {path} by {caller}: {answer.text}"
            else:
                assert answer.status_code in (200, 404), f"{method} {path} by {caller}: {answer.text}"
    # whatever a route changed, it was somebody who did it
    changed = every(served, "/audit-log", account="access") + every(served, "/audit-log", subject="temp@access.example")
    assert {each["kind"] for each in changed} == set(Kind) - {Kind.product, Kind.price, Kind.promotion, Kind.redemption}
    assert [each for each in changed if each["by"] is None] == []


BOOKS = ("billing-history", "balance", "budget", "payments", "payment-information", "promotions", "invoices")
PAPERS = (
    ("invoices/{}", "INVOICE"),
    ("invoices/{}/pdf", "INVOICE"),
    ("invoices/{}/lines/1/usage", "INVOICE"),
    ("credit-notes/{}", "NOTE"),
    ("credit-notes/{}/pdf", "NOTE"),
)


def test_the_books_are_closed_to_a_key_of_one_project(served: Served, keys: Keys) -> None:
    for page in BOOKS:
        if page == "invoices":
            assert served.get("/invoices", keys.narrowed)["items"] == []
        else:
            assert served.api("GET", f"/{page}", keys.narrowed).status_code == 404, page
    body = {"method": "send_invoice", "email": "mine@access.example"}
    assert served.api("PUT", "/payment-information", keys.narrowed, json=body).status_code == 404
    assert served.api("PUT", "/budget", keys.narrowed, json={"amount": "1"}).status_code == 404
    assert served.api("DELETE", "/budget", keys.narrowed).status_code == 404
    assert served.api("POST", "/promotions/redeem", keys.narrowed, json={"code": "ACCESS"}).status_code == 404


def test_what_is_foreign_answers_as_if_it_did_not_exist(served: Served, keys: Keys) -> None:
    between = {"from": "2026-06-01", "until": "2026-07-01"}
    places = [
        ("/accounts/{}", {}, "access-rival", keys.account),
        ("/projects?account={}", {}, "access-rival", keys.account),
        ("/invoices/preview?account={}", {"month": "2026-06"}, "access-rival", keys.account),
        ("/invoices/preview?account={}", {"at": "2026-06-12T00:00:00Z"}, "access-rival", keys.account),
        ("/project-usage?account={}", {"month": "2026-06"}, "access-rival", keys.account),
        ("/usage?project={}", between, "zeta", keys.account),
        ("/accounts/{}", {}, "access", keys.foreign_account),
        ("/usage?project={}", between, "alpha", keys.foreign_account),
        ("/usage?project={}", between, "alpha", keys.narrowed),
        *((f"/{page}?account={{}}", {}, "access-rival", keys.account) for page in BOOKS),
        *((f"/{page}?account={{}}", {}, "access", keys.foreign_account) for page in BOOKS),
        *((f"/{path}", {}, MADE[made], keys.foreign_account) for path, made in PAPERS),
        *((f"/{path}", {}, MADE[made], keys.narrowed) for path, made in PAPERS),
    ]
    for path, query, foreign, key in places:
        answers = []
        for code in (foreign, "absent"):
            address = httpx.URL(path.format(code)).copy_merge_params(query)
            answer = served.api("GET", str(address), key)
            headers = {name: value for name, value in answer.headers.items() if name not in ("date", "content-length")}
            answers.append((answer.status_code, headers, answer.text.replace(code, "CODE")))
        assert answers[0] == answers[1], path
        assert answers[0][0] == 404, path


def test_lists_and_totals_hold_only_what_the_key_may_see(served: Served, keys: Keys) -> None:
    def codes(answer: Any) -> list[str]:
        return [item["code"] for item in answer["items"]]

    assert codes(served.get("/accounts", keys.account)) == ["access"]
    assert codes(served.get("/accounts", keys.foreign_account)) == ["access-rival"]
    assert codes(served.get("/accounts", keys.narrowed)) == ["access"]
    assert {"access", "access-rival"} <= set(codes(served.get("/accounts", limit=500)))
    assert codes(served.get("/projects", keys.account)) == sorted(PROJECTS)
    assert codes(served.get("/projects", keys.narrowed)) == ["beta"]
    assert codes(served.get("/projects", keys.foreign_account)) == ["zeta"]
    hours = {project: str(2**number) for number, project in enumerate(PROJECTS)}
    for path in ("/invoices/preview", "/project-usage"):
        whole = served.get(path, keys.account, month="2026-06")
        assert {group["project"]: group["total_time"] for group in whole["groups"]} == hours
        narrowed = served.get(path, keys.narrowed, month="2026-06")
        assert [group["project"] for group in narrowed["groups"]] == ["beta"]
        by_product = served.get(path, keys.narrowed, month="2026-06", group_by="product")
        assert [group["total_time"] for group in by_product["groups"]] == ["2"]
        told = json.dumps([narrowed, by_product])
        assert not any(project in told for project in (*PROJECTS, "zeta") if project != "beta")
    # 12.00 a month of 720 hours: lines of 1, 2, 4, 8 and 16 hosts of one hour each
    whole, part = (served.get("/invoices/preview", key, month="2026-06") for key in (keys.account, keys.narrowed))
    assert (whole["total"], part["subtotal"], part["total"], part["due"]) == ("0.52", "0.03", "0.03", "0.03")


def test_a_cursor_of_another_account_opens_nothing(served: Served, keys: Keys) -> None:
    cursor = served.get("/accounts", limit=1)["next_cursor"]
    listed = served.get("/accounts", keys.foreign_account, cursor=cursor)["items"]
    assert {item["code"] for item in listed} <= {"access-rival"}


def test_usage_goes_only_where_the_key_may_send(served: Served, keys: Keys) -> None:
    may = {
        "events": set(PROJECTS),
        "account": set(PROJECTS),
        "narrowed": {"beta"},
        "narrowed_events": {"beta"},
        "foreign_events": {"zeta"},
        "foreign_account": {"zeta"},
        "operator": {*PROJECTS, "zeta"},
    }
    wanted = ["alpha", "beta", "zeta", "absent"]
    for caller, own in may.items():
        sent = [event(project, f"{project}-0") for project in wanted]
        receipt = served.send(sent, getattr(keys, caller))
        taken = [project for project in wanted if project in own]
        refused = [(at, sent[at]["id"], project) for at, project in enumerate(wanted) if project not in own]
        assert receipt["accepted"] == len(taken), caller
        assert receipt["rejected"] == [
            {"index": at, "id": id_, "reason": f"unknown project: {project}"} for at, id_, project in refused
        ]


def test_only_the_operator_replays_a_moment(served: Served, keys: Keys) -> None:
    query = JUNE | {"at": "2026-06-10T10:00:00Z"}
    for key in (keys.account, keys.narrowed):
        for path in ("/invoices/preview", "/exports/focus"):
            answer = served.api("GET", path, key, params=query)
            assert (answer.status_code, answer.json()["type"]) == (403, "urn:meterbook:problem:forbidden")
    assert served.get("/invoices/preview", keys.operator, **query)["total"] == "0.00"


def test_pages_lead_to_the_sign_in(served: Served, routes: Mapping[tuple[str, str], Permission | None]) -> None:
    pages = [(method, path) for method, path in routes if path not in PUBLIC and not path.startswith(API)]
    assert {path for _, path in pages} >= OPEN_PAGES
    pages = [(method, path) for method, path in pages if path not in OPEN_PAGES]
    assert {("GET", "/"), ("GET", "/sign-in"), ("GET", "/invoice-preview")} <= set(pages)
    for cookies in ({}, {"meterbook_session": "x" * 43}):
        with httpx.Client(base_url=served.url, cookies=cookies, follow_redirects=True, verify=False) as client:
            # a post with a session that is none is refused for its form
            for method, path in [each for each in pages if each[0] == "GET" or not cookies]:
                answer = client.request(method, path)
                assert answer.url.path == "/sign-in", f"{method} {path}: {answer.text}"
                if path != "/sign-in":
                    assert [each.status_code for each in answer.history][-1:] == [303], path
    for key in ("operator", "account"):
        answer = httpx.get(
            f"{served.url}/invoice-preview",
            headers={"Authorization": f"Bearer {served.key(key, None if key == 'operator' else 'access')}"},
            verify=False,
        )
        assert answer.headers["location"].startswith("/sign-in"), "a key opens no page"


def sign_in(client: httpx.Client, email: str) -> None:
    token = re.search(r'name="form_token" value="([^"]+)"', client.get("/sign-in").text)
    assert token is not None
    form = {"email": email, "password": PASSWORD, "form_token": token[1]}
    assert client.post("/sign-in", data=form).status_code == 303


@pytest.fixture
def browser(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, verify=False, trust_env=False) as client:
        yield client


@pytest.mark.usefixtures("keys")
def test_a_person_sees_two_of_five_projects(browser: httpx.Client) -> None:
    sign_in(browser, "two@access.example")
    for by in ("project", "product"):
        page = browser.get("/invoice-preview", params=JUNE | {"by": by, "open": "*"})
        assert page.status_code == 200
        text = html.unescape(page.text)
        assert all(project in text for project in SEEN) or by == "product"
        assert not any(project in text for project in (*PROJECTS, "zeta") if project not in SEEN)
        # 3 hosts of one hour, not 31 (0.52)
        assert "0.05" in text
        assert "0.52" not in text
        chart = re.search(r'<script type="application/json" id="chart-data">(.*?)</script>', page.text, re.DOTALL)
        assert chart is not None
        (series,) = json.loads(chart[1])["series"]
        assert [height for height in series["heights"] if height is not None] == ["0.05"]
    for parameter in ("open", "toggle"):
        pages = [
            browser.get("/invoice-preview", params=JUNE | {parameter: code}, follow_redirects=True)
            for code in ("gamma", "absent")
        ]
        hidden, absent = (
            re.sub(r'name="form_token" value="[^"]+"', "", page.text.replace(code, "CODE"))
            for page, code in zip(pages, ("gamma", "absent"), strict=True)
        )
        assert hidden == absent


@pytest.mark.usefixtures("keys")
def test_a_person_sees_no_other_account(browser: httpx.Client) -> None:
    sign_in(browser, "two@access.example")
    pages = []
    for code in ("access-rival", "absent"):
        page = browser.get("/invoice-preview", params=JUNE | {"account": code})
        pages.append((page.status_code, page.text.replace(code, "CODE")))
    assert pages[0] == pages[1]
    assert pages[0][0] == 404
    page = browser.get("/invoice-preview").text
    assert "access-rival" not in page


@pytest.mark.usefixtures("keys")
def test_a_member_without_billing_sees_no_amount(browser: httpx.Client) -> None:
    sign_in(browser, "none@access.example")
    page = browser.get("/invoice-preview", params=JUNE | {"open": "*"})
    assert page.status_code == 200
    assert not any(project in page.text for project in PROJECTS)
    assert "chart-data" not in page.text


@pytest.mark.usefixtures("keys")
def test_a_session_proves_nothing_to_the_api(served: Served, browser: httpx.Client) -> None:
    sign_in(browser, "two@access.example")
    session = browser.cookies["meterbook_session"]
    assert browser.get(f"{API}/accounts").status_code == 401
    assert served.api("GET", "/accounts", session).status_code == 401
    token = re.search(r'name="form_token" value="([^"]+)"', browser.get("/invoice-preview").text)
    assert token is not None
    assert browser.post("/sign-out", data={"form_token": token[1]}).status_code == 303
    browser.cookies.set("meterbook_session", session)
    assert browser.get("/invoice-preview").status_code == 303


def test_no_secret_is_logged(served: Served, keys: Keys, browser: httpx.Client) -> None:
    sign_in(browser, "two@access.example")
    # mistakes are what log lines are made of: of the request, of the key, and of the sign-in
    served.api("GET", "/usage", f"{keys.account}x", params={"project": keys.account})
    served.api("POST", "/accounts", json={"code": keys.operator, "password": PASSWORD})
    browser.post("/sign-in", data={"email": "two@access.example", "password": PASSWORD})
    links = [f"/{kind}/{'t' * 40}{kind}" for kind in ("password", "invitation")]
    assert [browser.get(link).status_code for link in links] == [404, 404]
    assert [browser.post(link, data={"password": PASSWORD}).status_code for link in links] == [404, 404]
    secrets = [*links, served.token, PASSWORD, browser.cookies["meterbook_session"], *vars(keys).values()]
    log = served.log
    assert not [secret for secret in secrets if secret in log or secret[-20:] in log]
    assert "Traceback" not in log
