"""Many at once, one effect: closes, redemptions, payments, credit notes, refunds; and repeats under one key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx

from tests.doors.asking import check_problem
from tests.doors.conftest import Served
from tests.doors.money import close, code_of, hourly, issued, payer, post, register, top_up, verified

AT_ONCE = 8
A_DAY = ("2026-06-01T00:00Z", "2026-06-16T00:00Z")


def at_once(act: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """Do something from eight threads that start together."""
    together = Barrier(AT_ONCE)

    def run(number: int) -> httpx.Response:
        together.wait()
        return act(number)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(run, range(AT_ONCE)))


def hosts(served: Served, currency: str = "USD") -> str:
    return payer(served, currency, hourly("host.seen", ["a", "b"], *A_DAY), prefix="many")


def statuses(answers: Sequence[httpx.Response]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


def test_eight_closes_issue_one_invoice(served: Served) -> None:
    account = hosts(served)
    body = {"month": "2026-06", "account": account, "confirm": True}
    answers = at_once(lambda _: served.api("POST", "/closes", json=body))
    assert statuses(answers) == [200] * AT_ONCE
    numbers = {row["number"] for answer in answers for row in answer.json()["issued"]}
    assert len(numbers) == 1
    assert [row["number"] for row in served.get("/invoices", account=account)["items"]] == list(numbers)
    verified(served)


def test_a_code_with_one_use_left_is_used_once(served: Served) -> None:
    accounts = [hosts(served) for _ in range(AT_ONCE)]
    code = code_of("LAST")
    post(served, "/promotion-codes", {"code": code, "kind": "percent", "value": "10", "redemptions_max": 1})
    for account in accounts:
        register(served, account)
    answers = at_once(
        lambda number: served.api("POST", "/promotions/redeem", json={"account": accounts[number], "code": code})
    )
    assert statuses(answers) == [200, *[409] * (AT_ONCE - 1)]
    for answer in answers:
        if answer.status_code == 409:
            check_problem(answer, 409, "promotion-used-up")
    (row,) = [each for each in served.get("/promotion-codes", limit=500)["items"] if each["code"] == code]
    assert row["redemptions"] == 1


def test_one_account_registers_a_code_once(served: Served) -> None:
    account, code = hosts(served), code_of("ONCE")
    register(served, account)
    body = {"code": code, "kind": "credit", "value": "5.00", "currency": "USD"}
    post(served, "/promotion-codes", body)
    answers = at_once(lambda _: served.api("POST", "/promotions/redeem", json={"account": account, "code": code}))
    assert statuses(answers) == [200, *[409] * (AT_ONCE - 1)]
    assert served.get("/balance", account=account)["credit"] == "5.00"


def test_one_payment_under_one_key(served: Served) -> None:
    account = hosts(served)
    issued(served, account, "2026-06")
    body = {"account": account, "amount": "5.00", "received_on": "2026-07-20", "reference": "wire"}
    key = {"Idempotency-Key": f"pay-{account}"}
    answers = at_once(lambda _: served.api("POST", "/payments/record", json=body, headers=key))
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert len(served.get("/payments", account=account)["items"]) == 1
    other = served.api("POST", "/payments/record", json=body | {"amount": "6.00"}, headers=key)
    check_problem(other, 409, "idempotency-key-reused", "new key")
    assert len(served.get("/payments", account=account)["items"]) == 1
    verified(served)


def test_a_card_is_charged_once_however_many_ask(served: Served) -> None:
    account = hosts(served)
    register(served, account, method="card", gateway="fake", token="fake_succeeds")
    invoice = issued(served, account, "2026-06")
    answers = at_once(lambda _: served.api("POST", f"/invoices/{invoice['number']}/payments", json={}))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert 200 in {answer.status_code for answer in answers}
    payments = served.get("/payments", account=account)["items"]
    assert [(each["amount"], each["to_balance"]) for each in payments] == [(invoice["total"], "0.00")]
    assert served.get(f"/invoices/{invoice['number']}")["status"] == "paid"
    verified(served)


def test_a_line_is_given_back_once(served: Served) -> None:
    account = hosts(served)
    invoice = issued(served, account, "2026-06")
    body = {"reason": "agreed", "lines": [{"line": 1, "net": invoice["net"]}]}
    answers = at_once(lambda _: served.api("POST", f"/invoices/{invoice['number']}/credit-notes", json=body))
    assert statuses(answers) == [201, *[409] * (AT_ONCE - 1)]
    assert len(served.get(f"/invoices/{invoice['number']}")["credit_notes"]) == 1
    verified(served)


def test_the_balance_is_refunded_once(served: Served) -> None:
    account = hosts(served)
    payment = top_up(served, account, "50.00")
    path = f"/payments/{payment['id']}/refunds"
    answers = at_once(lambda _: served.api("POST", path, json={"amount": "50.00"}))
    assert statuses(answers) == [201, *[409] * (AT_ONCE - 1)]
    assert served.get("/balance", account=account)["balance"] == "0.00"
    verified(served)


def test_a_close_and_payments_at_once_leave_the_books_right(served: Served) -> None:
    account = hosts(served)

    def act(number: int) -> Any:
        if number % 2:
            body = {"account": account, "amount": "3.00", "received_on": "2026-07-20", "reference": str(number)}
            return served.api("POST", "/payments/record", json=body)
        return served.api("POST", "/closes", json={"month": "2026-06", "account": account, "confirm": True})

    assert {answer.status_code for answer in at_once(act)} == {200, 201}
    (row,) = close(served, account, "2026-06")["issued"]
    # 12.00 were paid in four parts, before and after the invoice of 12.00
    assert (row["total"], row["unpaid_now"]) == ("12.00", "0.00")
    verified(served)
