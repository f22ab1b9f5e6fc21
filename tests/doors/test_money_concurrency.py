"""Many at once, one effect: closes, redemptions, payments, credit notes, refunds; and repeats under one key."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import pytest

from tests.doors.asking import check_problem
from tests.doors.conftest import Served
from tests.doors.money import books, close, code_of, hourly, issued, payer, post, register, top_up, use, verified

AT_ONCE = 8
HALF_OF_JUNE = ("2026-06-01T00:00Z", "2026-06-16T00:00Z")
JULY = ("2026-07-01T00:00Z", "2026-07-02T00:00Z")


def at_once(act: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """Do something from eight threads that start together."""
    together = Barrier(AT_ONCE)

    def run(number: int) -> httpx.Response:
        together.wait()
        return act(number)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(run, range(AT_ONCE)))


def hosts(served: Served, currency: str = "USD") -> str:
    return payer(served, currency, hourly("host.seen", ["a", "b"], *HALF_OF_JUNE), prefix="many")


def one_of(answers: Sequence[httpx.Response], slug: str) -> None:
    """One was done, and all others were refused for one reason."""
    refused = [answer for answer in answers if not answer.is_success]
    assert len(refused) == len(answers) - 1
    for answer in refused:
        check_problem(answer, 409, slug)


def test_eight_closes_issue_one_invoice(served: Served) -> None:
    account = hosts(served)
    body = {"month": "2026-06", "account": account, "confirm": True}
    answers = at_once(lambda _: served.api("POST", "/closes", json=body))
    (said,) = {answer.text for answer in answers}
    ((row,), drafts, skipped) = (json.loads(said)[name] for name in ("issued", "drafts", "skipped"))
    assert (drafts, skipped) == ([], [])
    assert [each["number"] for each in served.get("/invoices", account=account)["items"]] == [row["number"]]
    verified(served)


def test_eight_accounts_closed_at_once_have_numbers_without_a_gap(served: Served) -> None:
    accounts = [hosts(served) for _ in range(AT_ONCE)]
    answers = at_once(
        lambda place: served.api(
            "POST", "/closes", json={"month": "2026-06", "account": accounts[place], "confirm": True}
        )
    )
    rows = [row for answer in answers for row in answer.json()["issued"]]
    assert {row["account"] for row in rows} == set(accounts)
    numbers = sorted(int(row["number"].rpartition("-")[2]) for row in rows)
    assert numbers == list(range(numbers[0], numbers[0] + AT_ONCE))
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
    one_of(answers, "promotion-used-up")
    (row,) = [each for each in served.get("/promotion-codes", limit=500)["items"] if each["code"] == code]
    assert row["redemptions"] == 1


def test_one_account_registers_a_code_once(served: Served) -> None:
    account, code = hosts(served), code_of("ONCE")
    register(served, account)
    body = {"code": code, "kind": "credit", "value": "5.00", "currency": "USD"}
    post(served, "/promotion-codes", body)
    answers = at_once(lambda _: served.api("POST", "/promotions/redeem", json={"account": account, "code": code}))
    one_of(answers, "promotion-already-used")
    assert served.get("/balance", account=account)["credit"] == "5.00"


# each write that moves money, by its path: what it is asked under one key, and what is asked under that key later
KEYED = {
    "/payments/record": ({"account": "ACCOUNT", "amount": "5.00", "reference": "wire"}, {"amount": "6.00"}),
    "/balance/top-ups": ({"account": "ACCOUNT", "amount": "5.00", "reference": "ahead"}, {"reference": "another"}),
    "/balance/credits": ({"account": "ACCOUNT", "amount": "5.00", "name": "given"}, {"name": "another"}),
    "/payments/PAYMENT/refunds": ({"amount": "5.00"}, {"amount": "5.01"}),
    "/invoices/INVOICE/credit-notes": (
        {"reason": "agreed", "lines": [{"line": 1, "net": "1.00"}]},
        {"reason": "other"},
    ),
    "/invoices/INVOICE/write-off": ({}, {}),
    "/closes": ({"account": "ACCOUNT", "month": "2026-07", "confirm": True}, {"confirm": False}),
    "/promotions/redeem": ({"account": "ACCOUNT", "code": "CODE"}, {"code": "ANOTHER"}),
}


@pytest.mark.parametrize("path", KEYED)
def test_one_effect_under_one_key(served: Served, path: str) -> None:
    account = hosts(served)
    register(served, account)
    use(served, account, hourly("host.seen", ["a"], *JULY))
    invoice, code = issued(served, account, "2026-06"), code_of("KEYED")
    post(served, "/promotion-codes", {"code": code, "kind": "credit", "value": "5.00", "currency": "USD"})
    payment = top_up(served, account, "40.00" if "refunds" in path else "4.00")
    here = path.replace("PAYMENT", payment["id"]).replace("INVOICE", invoice["number"])
    first, change = KEYED[path]
    body = json.loads(json.dumps(first).replace("ACCOUNT", account).replace("CODE", code))
    key = {"Idempotency-Key": f"{account}{path}"}
    before = books(served, account)
    answers = at_once(lambda _: served.api("POST", here, json=body, headers=key))
    assert {(answer.is_success, answer.text) for answer in answers} == {(True, answers[0].text)}
    after = books(served, account)
    assert after != before
    if change:
        check_problem(
            served.api("POST", here, json=body | change, headers=key), 409, "idempotency-key-reused", "new key"
        )
    other = "/payments/record" if path != "/payments/record" else "/balance/top-ups"
    elsewhere = served.api("POST", other, json={"account": account, "amount": "5.00"}, headers=key)
    check_problem(elsewhere, 409, "idempotency-key-reused", "new key")
    assert served.api("POST", here, json=body, headers=key).text == answers[0].text
    assert books(served, account) == after
    verified(served)


def test_a_card_is_charged_once_however_many_ask(served: Served) -> None:
    account = hosts(served)
    register(served, account, method="card", gateway="fake", token="fake_succeeds")
    invoice = issued(served, account, "2026-06")
    path = f"/invoices/{invoice['number']}/payments"
    answers = at_once(
        lambda number: served.api("POST", path, json={}, headers={"Idempotency-Key": f"{account}/{number}"})
    )
    # of an invoice that is issued on its due day, the worker may have been the first to ask
    for answer in answers:
        if answer.status_code == 200:
            assert (answer.json()["charge"], answer.json()["unpaid_now"]) == ("succeeded", "0.00")
        else:
            check_problem(answer, 409, "nothing-unpaid")
    payments = served.get("/payments", account=account)["items"]
    assert [(each["amount"], each["to_balance"]) for each in payments] == [(invoice["total"], "0.00")]
    assert served.get(f"/invoices/{invoice['number']}")["status"] == "paid"
    verified(served)


def test_one_wish_to_pay_is_one_attempt_and_one_answer(served: Served) -> None:
    account = hosts(served)
    register(served, account, method="card", gateway="fake", token="fake_declines")
    invoice = issued(served, account, "2026-06")
    path = f"/invoices/{invoice['number']}/payments"
    key = {"Idempotency-Key": f"{account}/wish"}
    answers = at_once(lambda _: served.api("POST", path, json={}, headers=key))
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    assert answers[0].json()["charge"] == "declined"
    attempts = served.get(f"/invoices/{invoice['number']}")["attempts"]
    assert [each["number"] for each in attempts if each["number"] > 100] == [101]
    elsewhere = served.api("POST", f"/invoices/{invoice['number']}/write-off", json={}, headers=key)
    check_problem(elsewhere, 409, "idempotency-key-reused", "new key")
    assert served.api("POST", path, json={}, headers=key).text == answers[0].text
    verified(served)


def test_a_line_is_given_back_once(served: Served) -> None:
    account = hosts(served)
    invoice = issued(served, account, "2026-06")
    body = {"reason": "agreed", "lines": [{"line": 1, "net": invoice["net"]}]}
    answers = at_once(lambda _: served.api("POST", f"/invoices/{invoice['number']}/credit-notes", json=body))
    one_of(answers, "over-credited")
    assert len(served.get(f"/invoices/{invoice['number']}")["credit_notes"]) == 1
    verified(served)


def test_the_balance_is_refunded_once(served: Served) -> None:
    account = hosts(served)
    payment = top_up(served, account, "50.00")
    path = f"/payments/{payment['id']}/refunds"
    answers = at_once(lambda _: served.api("POST", path, json={"amount": "50.00"}))
    one_of(answers, "over-refunded")
    assert served.get("/balance", account=account)["balance"] == "0.00"
    assert [len(each["refunds"]) for each in served.get("/payments", account=account)["items"]] == [1]
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
