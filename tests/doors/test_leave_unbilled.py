"""A month is left unbilled over HTTP and by command: its draft goes, later months are closed, and the log says why."""

from __future__ import annotations

from typing import Any

from tests.doors.asking import check_problem
from tests.doors.conftest import Served
from tests.doors.money import close, hourly, issued, payer, post, verified


def used(served: Served) -> str:
    """An account with a host in May and June of 2026."""
    days = ("2026-05-01T00:00Z", "2026-05-11T00:00Z"), ("2026-06-01T00:00Z", "2026-06-11T00:00Z")
    return payer(served, "USD", [each for span in days for each in hourly("host.seen", ["a"], *span)], prefix="left")


def test_a_draft_is_discarded_over_http(served: Served) -> None:
    account, key = used(served), served.key("operator")
    assert close(served, account, "2026-05", confirm=False)["drafts"]
    refused = served.api("POST", "/closes", json={"month": "2026-06", "account": account})
    check_problem(refused, 409, "month-out-of-order", "2026-05 is drafted and not issued: issue it first, or leave it")
    body = {"month": "2026-05", "account": account, "reason": "A trial"}
    (left,) = post(served, "/closes/unbilled", body, key)["months"]
    told = {"account": account, "month": "2026-05", "reason": "A trial", "decided_by": key[:16]}
    assert left == {**told, "decided_at": left["decided_at"]}
    assert post(served, "/closes/unbilled", {**body, "reason": "Again"})["months"] == [left]
    assert issued(served, account, "2026-06")["month"] == "2026-06"
    (noted,) = served.get("/audit-log", account=account, kind="unbilled_month")["items"]
    assert (noted["by"], noted["changes"]["reason"]) == (key[:16], {"from": None, "to": "A trial"})
    verified(served)


def test_a_history_is_left_unbilled_by_command(served: Served) -> None:
    account = used(served)
    said: Any = served.run("close", "--month", "2026-06", "--account", account, ok=False)
    assert said.exit_code == 1
    assert str(said.exception) == "2026-05 has usage and is not issued: close it first, or leave it unbilled."
    asked = ("leave-unbilled", "--month", "2026-05", "--account", account, "--reason", "Before we began")
    assert served.run(*asked).output == f"2026-05 of {account} is left unbilled: Before we began\n"
    assert served.run("close", "--month", "2026-06", "--account", account).exit_code == 0
    (draft,) = close(served, account, "2026-06", confirm=False)["drafts"]
    assert draft["month"] == "2026-06"
    served.run("leave-unbilled", "--month", "2026-06", "--account", account, "--earlier", "--reason", "Free")
    assert close(served, account, "2026-05", confirm=False)["drafts"], "asked for by name, it is billed after all"


def test_what_cannot_be_left_unbilled_is_refused(served: Served) -> None:
    account = used(served)
    asked = {"month": "2026-06", "account": account, "reason": "A trial"}

    def ask(**more: object) -> Any:
        return served.api("POST", "/closes/unbilled", json=asked | more)

    check_problem(ask(month="June"), 422, "wrong-month")
    check_problem(ask(account="nobody"), 404, "unknown-account")
    check_problem(ask(reason=" "), 422, "wrong-reason", "The reason has to have 1 to 500 characters")
    check_problem(ask(month="2026-04"), 409, "nothing-to-leave")
    check_problem(ask(month="2150-01"), 409, "month-running")
    assert len(post(served, "/closes/unbilled", asked | {"month": "2026-05"})["months"]) == 1
    issued(served, account, "2026-06")
    check_problem(ask(), 409, "already-issued", "2026-06 is issued: give it back by a credit note")
    check_problem(ask(month="2026-05"), 409, "month-out-of-order")
    refused = served.api("POST", "/closes", json={"month": "2026-05", "account": account})
    check_problem(refused, 409, "month-out-of-order", "usage of 2026-05 is not billed any more")
