"""The audit log at the doors: the operator's alone, found by account, kind, name and who acted, and by the command."""

from __future__ import annotations

from typing import Any

import pytest

from tests.doors.asking import check_problem, every, post
from tests.doors.conftest import Served

CODE = "audited"


@pytest.fixture(scope="module")
def key(served: Served) -> str:
    """A key of the operator's, by which an account came to be and was changed."""
    made = served.key("operator")
    served.account(CODE, projects=["audited-web"])
    for path, body in ((f"/accounts/{CODE}", {"tax_percent": "8.25"}), ("/projects/audited-web", {"plan": "free"})):
        assert served.api("PATCH", path, made, json=body).status_code == 200
    body = {"account": CODE, "method": "send_invoice", "email": "pay@audited.example"}
    for path, what in (("/payment-information", body), ("/budget", {"account": CODE, "amount": "250.00"})):
        assert served.api("PUT", path, made, json=what).status_code == 200
    code = {"account": CODE, "code": "AUDITED"}
    post(served, "/promotion-codes", {"code": "AUDITED", "kind": "percent", "value": "5"})
    served.run("promotion", "redeem", CODE, "AUDITED")
    assert served.api("POST", "/promotions/withdraw", made, json={**code, "reason": "agreed"}).status_code == 200
    return made


def log(served: Served, **query: object) -> list[dict[str, Any]]:
    return every(served, "/audit-log", account=CODE, **query)


def test_each_change_is_there_the_newest_first(served: Served, key: str) -> None:
    told = log(served)
    assert [(each["kind"], each["action"], each["by"]) for each in told] == [
        ("redemption", "removed", key[:16]),
        ("redemption", "added", "local"),
        ("budget", "added", key[:16]),
        ("payment_information", "added", key[:16]),
        ("project", "changed", key[:16]),
        ("account", "changed", key[:16]),
        ("project", "added", "local"),
        ("account", "added", "local"),
    ]
    withdrawn, _, budget, _, project, account, *_ = told
    assert (withdrawn["subject"], withdrawn["changes"]) == ("AUDITED", {"reason": {"from": None, "to": "agreed"}})
    assert budget["changes"] == {"amount": {"from": None, "to": "250.00"}}
    assert project["changes"] == {"plan": {"from": "subscribed", "to": "free"}}
    assert (project["subject"], project["project"]) == ("audited-web", "audited-web")
    assert account["changes"] == {"tax_percent": {"from": "0", "to": "8.25"}}
    assert [each["id"] for each in told] == sorted((each["id"] for each in told), reverse=True)


def test_it_is_found_by_kind_name_and_who_acted(served: Served, key: str) -> None:
    assert {each["kind"] for each in log(served, kind="project")} == {"project"}
    assert [each["by"] for each in log(served, subject=CODE, kind="account")] == [key[:16], "local"]
    assert len(log(served, by=key[:16])) == 5
    assert log(served, by="nobody@audited.example") == []
    for odd in ("\x00", "%", "_" * len(CODE), "'\"--", "\\"):
        assert every(served, "/audit-log", account=odd, subject=odd, by=odd) == [], odd
    assert log(served, subject="audited_web") == []
    check_problem(served.api("GET", "/audit-log", params={"kind": "money"}), 422, "invalid", "kind")


def test_what_is_refused_leaves_nothing(served: Served, key: str) -> None:
    before = len(log(served))
    assert served.api("PATCH", f"/accounts/{CODE}", key, json={"tax_percent": "101"}).status_code == 422
    assert served.api("POST", "/projects", key, json={"account": CODE, "code": "-"}).status_code == 422
    assert len(log(served)) == before


def test_the_command_shows_the_same(served: Served, key: str) -> None:
    assert served.read("audit-log", "--account", CODE)["items"] == log(served)
    shown = served.run("audit-log", "--account", CODE, "--kind", "account", "--limit", "1").stdout
    assert key[:16] in shown
    assert "tax_percent 0 > 8.25" in " ".join(shown.split())
    assert served.run("audit-log", "--kind", "money", ok=False).exit_code == 1


def test_who_comes_in_by_a_letter_is_who_acts(served: Served) -> None:
    post(served, "/users", {"email": "self@audited.example", "password": "correct horse battery"})
    (added,) = every(served, "/audit-log", subject="self@audited.example")
    assert (added["kind"], added["by"], added["account"]) == ("user", "local", None)
