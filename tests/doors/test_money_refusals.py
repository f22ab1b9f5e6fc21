"""What is refused says why in words of its own, and leaves everything as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meterbook.payments.gateways.open import fake_secret
from meterbook.payments.signature import signature_of
from tests.doors.asking import check_problem
from tests.doors.conftest import Served
from tests.doors.money import books, code_of, hourly, issued, payer, post, promote, register, top_up

DAYS = ("2026-06-01T00:00Z", "2026-06-16T00:00Z")
CARD = "4242424242424242"


def hosts(served: Served, currency: str = "USD") -> str:
    return payer(served, currency, hourly("host.seen", ["a", "b"], *DAYS), prefix="refused")


@contextmanager
def unchanged(served: Served, account: str) -> Iterator[None]:
    before = books(served, account)
    yield
    assert books(served, account) == before


def code(served: Served, **more: Any) -> str:
    made = code_of("REFUSED")
    post(served, "/promotion-codes", {"code": made, "kind": "percent", "value": "10", **more})
    return made


def redeem(served: Served, account: str, text: str, **more: str) -> Any:
    return served.api("POST", "/promotions/redeem", json={"account": account, "code": text, **more})


def test_a_code_needs_payment_information(served: Served) -> None:
    account, made = hosts(served), code(served)
    with unchanged(served, account):
        check_problem(redeem(served, account, made), 409, "payment-information-missing", "payment information first")
    register(served, account)
    assert redeem(served, account, made).status_code == 200


def test_each_reason_to_refuse_a_code_has_its_own_words(served: Served) -> None:
    account = hosts(served)
    register(served, account)
    held = promote(served, account, "percent", "5")
    cases = [
        ("NOBODY-HAS-THIS", 404, "promotion-unknown", "how it is written"),
        (code(served, **{"from": "2099-01-01T00:00:00Z"}), 409, "promotion-not-yet-valid", "2099-01-01"),
        (
            code(served, **{"from": "2020-01-01T00:00:00Z", "until": "2021-01-01T00:00:00Z"}),
            409,
            "promotion-expired",
            "2021-01-01",
        ),
        (held, 409, "promotion-already-used", "registered already"),
        (code(served, kind="amount", currency="KRW", value="100"), 409, "promotion-wrong-currency", "KRW"),
        (code(served, projects=[hosts(served)]), 409, "promotion-not-applicable", "none of your projects"),
        (code(served, stackable=False), 409, "promotion-not-combinable", held),
    ]
    used_up = code(served, redemptions_max=1)
    other = hosts(served)
    register(served, other)
    assert redeem(served, other, used_up).status_code == 200
    cases.append((used_up, 409, "promotion-used-up", "used up"))
    said = set()
    for text, status, slug, words in cases:
        with unchanged(served, account):
            said.add(check_problem(redeem(served, account, f" {text.lower()} "), status, slug, words)["detail"])
    assert len(said) == len(cases)


@pytest.mark.parametrize(
    ("names", "slug", "field"),
    [
        ({"products": ["hosst"]}, "unknown-product", "products"),
        ({"products": ["server", "Server"]}, "unknown-product", "products"),
        ({"products": ["server"], "projects": ["nowhere"]}, "unknown-project", "projects"),
    ],
)
def test_a_code_names_products_and_projects_that_are_there(
    served: Served, names: dict[str, list[str]], slug: str, field: str
) -> None:
    body = {"code": code_of("UNTHERE"), "kind": "percent", "value": "10", **names}
    answer = served.api("POST", "/promotion-codes", json=body)
    assert check_problem(answer, 422, slug, f" {names[field][-1]}:")["field"] == field
    changed = served.api("PATCH", f"/promotion-codes/{body['code']}", json={"name": "there"})
    check_problem(changed, 404, "promotion-unknown")


def test_a_code_for_what_is_there_is_the_same_when_it_comes_again(served: Served) -> None:
    account = hosts(served)
    body = {"code": code_of("THERE"), "kind": "percent", "value": "10", "products": ["server"], "projects": [account]}
    made = post(served, "/promotion-codes", body)
    assert (made["products"], made["projects"]) == (["server"], [account])
    assert post(served, "/promotion-codes", body) == made


def test_guessing_codes_is_slowed_down(served: Served) -> None:
    account = hosts(served)
    register(served, account)
    answers = [redeem(served, account, f"GUESS-{number}") for number in range(12)]
    assert [answer.status_code for answer in answers] == [404] * 10 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
    check_problem(answers[-1], 429, "too-many-guesses", "ten minutes")


def test_a_running_month_is_not_closed(served: Served) -> None:
    account = hosts(served)
    running = f"{datetime.now(UTC):%Y-%m}"
    for more in ({}, {"confirm": True}):
        answer = served.api("POST", "/closes", json={"month": running, "account": account, **more})
        check_problem(answer, 409, "month-running", "is not over")
    replayed = {"month": "2026-06", "account": account, "at": "2026-06-30T23:59:59Z", "confirm": True}
    check_problem(served.api("POST", "/closes", json=replayed), 409, "month-running")
    assert served.get("/invoices", account=account)["items"] == []


@pytest.mark.parametrize("at", [1783000000, "1783036800", "1783036800.5", True, "2026-07-03"])
def test_an_instant_is_no_number(served: Served, at: object) -> None:
    account = hosts(served)
    body = {"month": "2026-06", "account": account, "at": at}
    check_problem(served.api("POST", "/closes", json=body), 422, "invalid", "at")
    paid = {"account": account, "amount": "1.00", "received_on": 1782950400}
    check_problem(served.api("POST", "/payments/record", json=paid), 422, "invalid", "2026-06-12")
    assert served.get("/invoices", account=account)["items"] == []


def test_only_true_confirms(served: Served) -> None:
    account = hosts(served)
    for given in ("yes", "true", "on", 1, "1", None):
        body = {"month": "2026-06", "account": account, "confirm": given}
        problem = check_problem(served.api("POST", "/closes", json=body), 422, "invalid")
        assert [error["field"] for error in problem["errors"]] == ["confirm"]
    assert served.get("/invoices", account=account)["items"] == []


def test_a_payment_is_dated_when_it_may_have_come_in(served: Served) -> None:
    account = hosts(served)
    today = datetime.now(UTC).date()
    body = {"account": account, "amount": "5.00"}
    with unchanged(served, account):
        for day, said in (
            (today + timedelta(days=1), "still to come"),
            ("2199-01-01", "still to come"),
            ("1999-12-31", "check the year"),
            ("1970-01-01", "check the year"),
            (today - timedelta(days=450), "check the year"),
        ):
            answer = served.api("POST", "/payments/record", json={**body, "received_on": str(day)})
            assert check_problem(answer, 422, "wrong-day", said)["field"] == "received_on"
    for day in (today, today - timedelta(days=360)):
        assert post(served, "/payments/record", {**body, "received_on": str(day)})["received_on"] == str(day)


def test_what_paid_imported_history_is_recorded_by_its_own_day(served: Served) -> None:
    account = payer(served, "USD", hourly("host.seen", ["a"], "2014-03-01T00:00Z", "2014-03-02T00:00Z"), prefix="old")
    body = {"account": account, "amount": "0.10", "received_on": "2014-04-20"}
    check_problem(served.api("POST", "/payments/record", json=body), 422, "wrong-day", "once that month is closed")
    issued(served, account, "2014-03", "2014-04-03T00:00:00Z")
    assert post(served, "/payments/record", body)["paid"]
    ahead = {**body, "received_on": "2013-02-01"}
    assert post(served, "/payments/record", ahead)["received_on"] == "2013-02-01"
    check_problem(served.api("POST", "/payments/record", json={**body, "received_on": "2013-01-31"}), 422, "wrong-day")


def test_months_are_closed_in_order(served: Served) -> None:
    account = hosts(served)
    issued(served, account, "2026-06")
    early = served.api("POST", "/closes", json={"month": "2026-05", "account": account})
    check_problem(early, 409, "month-out-of-order", "2026-06 is issued already")


@pytest.mark.parametrize(
    ("lines", "status", "slug"),
    [
        ([{"line": 1, "net": "12.01"}], 409, "over-credited"),
        ([{"line": 2, "net": "1.00"}], 422, "wrong-lines"),
        ([{"line": 1, "net": "0.00"}], 422, "wrong-lines"),
        ([{"line": 1, "net": "-1.00"}], 422, "wrong-lines"),
        ([{"line": 1, "net": "1.001"}], 422, "wrong-amount"),
        ([{"line": 1, "net": "NaN"}], 422, "wrong-amount"),
        ([{"line": 1, "net": "1.00"}, {"line": 1, "net": "1.00"}], 422, "wrong-lines"),
        ([], 422, "invalid"),
    ],
)
def test_no_more_is_given_back_than_a_line_has(served: Served, lines: Any, status: int, slug: str) -> None:
    account = hosts(served)
    invoice = issued(served, account, "2026-06")
    with unchanged(served, account):
        body = {"reason": "agreed", "lines": lines}
        check_problem(served.api("POST", f"/invoices/{invoice['number']}/credit-notes", json=body), status, slug)


def test_only_cash_is_refunded_and_no_more_than_was_paid(served: Served) -> None:
    account = hosts(served)
    register(served, account)
    promote(served, account, "credit", "100.00", currency="USD")
    payment = top_up(served, account, "20.00")
    path = f"/payments/{payment['id']}/refunds"
    with unchanged(served, account):
        for amount in ("20.01", "120.00"):
            answer = served.api("POST", path, json={"amount": amount})
            check_problem(answer, 409, "over-refunded", "20.00 can be refunded")
    # the credit pays the invoice, the cash stays
    issued(served, account, "2026-06")
    assert served.api("POST", path, json={"amount": "20.00"}).status_code == 201
    with unchanged(served, account):
        check_problem(served.api("POST", path, json={"amount": "0.01"}), 409, "over-refunded", "0.00 can be refunded")


def test_a_payment_is_taken_back_once_and_with_a_reason(served: Served) -> None:
    account = hosts(served)
    payment = top_up(served, account, "20.00")
    path, why = f"/payments/{payment['id']}/return", {"reason": "returned"}
    with unchanged(served, account):
        check_problem(served.api("POST", path, json={"reason": " "}), 422, "wrong-reason", "Give the reason")
        check_problem(served.api("POST", path, json={}), 422, "invalid", "reason")
        check_problem(served.api("POST", "/payments/999999/return", json=why), 404, "unknown-payment")
    answers = [served.api("POST", path, json=why, headers={"Idempotency-Key": f"back {account}"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert (answers[0].json()["kind"], answers[0].json()["amount"]) == ("return", "20.00")
    with unchanged(served, account):
        check_problem(served.api("POST", path, json=why), 409, "over-refunded", "Nothing of this payment is left")


@pytest.mark.parametrize("path", ["/payments/record", "/balance/top-ups", "/balance/credits"])
def test_amounts_are_of_the_accounts_currency(served: Served, path: str) -> None:
    account = hosts(served)
    body = {"account": account, **({"name": "given"} if path == "/balance/credits" else {})}
    with unchanged(served, account):
        answer = served.api("POST", path, json={**body, "amount": "5", "currency": "KRW"})
        check_problem(answer, 409, "wrong-currency", "USD")
        for amount in (
            "1.234",
            "-1",
            "0",
            "NaN",
            "Infinity",
            "1e400",
            "1" * 40,
            "",
            "1,00",
            "one",
            "1e3",
            "\uff15",
            "1_0",
        ):
            check_problem(served.api("POST", path, json={**body, "amount": amount}), 422, "wrong-amount")
        for number in ("1e400", "NaN", "-Infinity", "5", "5.00", "null", "[]", f'"{"1" * 41}"'):
            raw = f'{{"account": "{account}", "amount": {number}}}'.encode()
            sent = served.api("POST", path, content=raw, headers={"Content-Type": "application/json"})
            check_problem(sent, 422, "invalid", "amount")


def test_what_is_not_there_is_not_found(served: Served) -> None:
    account = hosts(served)
    number = issued(served, account, "2026-06")["number"]
    credit = {"reason": "agreed", "lines": [{"line": 1, "net": "1.00"}]}
    with unchanged(served, account):
        for path, body in (("credit-notes", credit), ("payments", {}), ("write-off", {}), ("reinstatement", {})):
            answer = served.api("POST", f"/invoices/INV-2026-999999/{path}", json=body)
            check_problem(answer, 404, "unknown-invoice", "INV-2026-999999")
        for path in ("", "/pdf", "/lines/1/usage"):
            check_problem(served.api("GET", f"/invoices/INV-2026-999999{path}"), 404, "unknown-invoice")
        for line in (9, 2**31, 10**30):
            check_problem(served.api("GET", f"/invoices/{number}/lines/{line}/usage"), 404, "unknown-line")
        check_problem(served.api("POST", "/payments/999999/refunds", json={"amount": "1.00"}), 404, "unknown-payment")
        for path in ("/payments/record", "/balance/top-ups"):
            answer = served.api("POST", path, json={"account": "nobody", "amount": "1.00"})
            check_problem(answer, 404, "unknown-account")


def test_a_code_is_taken_back_once_and_changed(served: Served) -> None:
    account = hosts(served)
    register(served, account)
    made = code(served, kind="credit", value="30.00", currency="USD")
    assert redeem(served, account, made).json()["left"] == "30.00"
    body = {"account": account, "code": made, "reason": "a mistake"}
    withdraw = "/promotions/withdraw"
    check_problem(served.api("POST", withdraw, served.key("account", account), json=body), 403, "forbidden")
    headers = {"Idempotency-Key": made}
    first, again = (served.api("POST", withdraw, json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.text) == (200, first.text)
    told = first.json()
    assert (told["status"], told["left"], told["saved"]) == ("taken_back", "0.00", "0.00")
    assert served.get("/balance", account=account)["credit"] == "0.00"
    with unchanged(served, account):
        check_problem(served.api("POST", withdraw, json=body), 409, "promotion-not-registered", "not registered")
        check_problem(redeem_by(served, account, made), 409, "promotion-taken-back", "taken back from this account")
        check_problem(served.api("POST", withdraw, json={**body, "code": "NOBODY-HAS"}), 404, "promotion-unknown")
        check_problem(served.api("PATCH", "/promotion-codes/NOBODY-HAS", json={}), 404, "promotion-unknown")
    before = served.api("PATCH", f"/promotion-codes/{made}", json={}).json()
    changed = served.read("promotion", "change", made, "--until", "2099-01-01T00:00:00Z", "--redemptions-max", "3")
    assert changed == before | {"until": "2099-01-01T00:00:00Z", "redemptions_max": 3}
    assert served.read("promotion", "change", made, "--until", "none", "--redemptions-max", "none") == before
    said = served.run("promotion", "redeem", account, made).output
    assert said == f"{made} is registered for {account}.\n"
    said = served.run("promotion", "withdraw", account, made, "--reason", "again").output
    assert said == f"{made} is taken back from {account}.\n"


def redeem_by(served: Served, account: str, text: str) -> Any:
    """Register a code as the customer does."""
    return served.api("POST", "/promotions/redeem", served.key("account", account), json={"code": text})


def test_what_another_account_writes_answers_as_if_nothing_were_there(served: Served) -> None:
    account, other = hosts(served), hosts(served)
    register(served, account)
    register(served, other, method="card", gateway="fake", token="fake_succeeds")
    invoice, made = issued(served, account, "2026-06"), code(served)
    whole, narrowed = served.key("account", other), served.key("account", account, account)
    # each write that a customer may make, with a word that names what is another's
    information = {"account": "WHOSE", "method": "send_invoice", "email": "mine@money.example"}
    writes: list[tuple[str, str, dict[str, str], str]] = [
        ("PUT", "/payment-information", information, account),
        ("POST", "/promotions/redeem", {"account": "WHOSE", "code": made}, account),
        ("POST", "/invoices/WHOSE/payments", {}, invoice["number"]),
    ]
    registered = served.get("/payment-information", account=account)
    with unchanged(served, account), unchanged(served, other):
        for method, path, body, name in writes:
            for key in (whole, narrowed):
                said = set()
                for whose in (name, "nobody"):
                    sent = json.loads(json.dumps(body).replace("WHOSE", whose))
                    answer = served.api(method, path.replace("WHOSE", whose), key, json=sent)
                    said.add((answer.status_code, answer.text.replace(whose, "WHOSE")))
                assert [status for status, _ in said] == [404], f"{method} {path}: {said}"
    assert served.get("/payment-information", account=account) == registered


def test_a_card_number_is_refused_and_forgotten(served: Served) -> None:
    account = hosts(served)
    for token in (CARD, "4242 4242 4242 4242", f"tok_{CARD}"):
        body = {"account": account, "method": "card", "gateway": "fake", "token": token, "email": "a@b.example"}
        answer = served.api("PUT", "/payment-information", json=body)
        check_problem(answer, 422, "card-number-refused", "gateway's own form")
        assert token not in answer.text
        assert token not in served.log
    check_problem(
        served.api("GET", "/payment-information", params={"account": account}), 404, "payment-information-missing"
    )
    body = {"account": account, "method": "card", "gateway": "fake", "token": "nothing", "email": "a@b.example"}
    check_problem(served.api("PUT", "/payment-information", json=body), 409, "card-refused")
    del body["token"]
    check_problem(served.api("PUT", "/payment-information", json=body), 422, "card-missing")
    del body["email"]
    check_problem(served.api("PUT", "/payment-information", json=body), 422, "wrong-email")


def test_a_callback_needs_a_right_and_recent_signature(served: Served) -> None:
    account = hosts(served)
    secret, now = fake_secret(served.folder), datetime.now(UTC)
    body = json.dumps({"id": "fake_evt_1"}).encode()
    path = "/gateways/fake/events"

    def send(headers: dict[str, str], content: bytes = body) -> Any:
        return served.api("POST", path, "nobody", content=content, headers=headers)

    name = "Meterbook-Fake-Signature"
    with unchanged(served, account):
        check_problem(send({}), 403, "wrong-signature")
        check_problem(send({name: "t=1,v1=00"}), 403, "wrong-signature")
        check_problem(send({name: signature_of(body, "another secret", now)}), 403, "wrong-signature")
        check_problem(send({name: signature_of(body, secret, now)}, body + b" "), 403, "wrong-signature")
        old = signature_of(body, secret, now - timedelta(minutes=6))
        check_problem(send({name: old}), 403, "old-signature")
        check_problem(served.api("POST", "/gateways/nobody/events", "nobody", content=body), 422, "unknown-gateway")


def test_what_is_paid_is_not_charged_and_what_has_no_card_neither(served: Served) -> None:
    account = hosts(served)
    invoice = issued(served, account, "2026-06")
    path = f"/invoices/{invoice['number']}/payments"
    check_problem(served.api("POST", path, json={}), 409, "no-card", "register one")
    top_up(served, account, "12.00")
    check_problem(served.api("POST", path, json={}), 409, "nothing-unpaid")
    check_problem(served.api("POST", f"/invoices/{invoice['number']}/write-off", json={}), 409, "nothing-unpaid")
