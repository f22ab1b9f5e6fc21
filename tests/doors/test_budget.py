"""The budget at the doors: over HTTP and by the command, beside the preview that it is compared with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.doors.asking import check_problem
from tests.doors.conftest import Served
from tests.doors.money import hourly, payer


@pytest.fixture(scope="module")
def account(served: Served) -> str:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    begins, ends = (f"{at:%Y-%m-%dT%H:%MZ}" for at in (now - timedelta(hours=3), now))
    return payer(served, "USD", hourly("host.seen", ["h1", "h2"], begins, ends))


def test_a_budget_is_set_read_and_taken_back(served: Served, account: str) -> None:
    missing = served.api("GET", "/budget", params={"account": account})
    check_problem(missing, 404, "no-budget", "No budget is set.")
    assert "USD 400.00 a month" in served.run("budget", "set", account, "400").stdout
    found = served.get("/budget", account=account)
    preview = served.get("/invoices/preview", account=account)
    assert (found["amount"], found["spent"], found["month"]) == ("400.00", preview["total"], preview["month"])
    assert (found["set_by"], found["alerts"]) == ("local", [])
    assert "of USD 400.00 is used" in served.run("budget", "show", account).stdout
    assert served.read("budget", "show", account)["amount"] == "400.00"
    assert served.run("budget", "remove", account).stdout == f"{account} has no budget.\n"
    assert served.api("DELETE", "/budget", params={"account": account}).status_code == 204
    assert str(served.run("budget", "show", account, ok=False).exception) == "No budget is set."


@pytest.mark.parametrize("wrong", ["0", "-1", "1.005", "ten", ""])
def test_an_amount_that_is_none_is_refused(served: Served, account: str, wrong: str) -> None:
    answer = served.api("PUT", "/budget", json={"account": account, "amount": wrong})
    assert check_problem(answer, 422, "wrong-amount")["field"] == "amount"
    assert served.api("GET", "/budget", params={"account": account}).status_code == 404
