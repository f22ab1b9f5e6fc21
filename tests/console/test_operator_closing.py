"""A customer leaves: the account is closed, takes no more usage, is billed for what it used, and is opened again."""

from __future__ import annotations

import re

import httpx

from meterbook.house import House
from meterbook.payments.record import record
from tests.console.browser import Browser
from tests.console.staff import at_the_desk, customer_of, done, send, words
from tests.office import Office, usd

PROJECT = {"name": "Later", "plan": "subscribed", "labels": "", "trial_until": ""}


def closing(staff: Browser, code: str, **fields: str) -> httpx.Response:
    return send(staff, staff.get(f"/operator/accounts/{code}/terms"), f"/operator/accounts/{code}/closing", **fields)


def reopened(staff: Browser, code: str) -> str:
    page = staff.get(f"/operator/accounts/{code}")
    return done(send(staff, page, f"/operator/accounts/{code}/closing"))


def key_of(staff: Browser, code: str) -> str:
    path = f"/operator/accounts/{code}/keys"
    made = send(staff, staff.get(path), path, scope="account", name="agent", key=f"closing-{code}")
    found = re.search(r"mbk_a_\w+", made.text)
    assert found
    return found[0]


def test_it_takes_no_more_usage_and_is_billed(staff: Browser, office: Office, house: House) -> None:
    code = office.account()
    office.register(code)
    customer_of(office, code)
    office.use(code, "70", "2027-07-02T00:00:00Z")
    secret = key_of(staff, code)
    asked = f"/api/v1/accounts/{code}", {"Authorization": f"Bearer {secret}"}
    assert staff.get(asked[0], headers=asked[1]).status_code == 200

    refused = closing(staff, code)
    assert refused.status_code == 422
    assert "Tick the box" in words(refused)
    assert done(closing(staff, code, confirm="1")) == f"/operator/accounts/{code}?done=account-closed"
    page = staff.get(f"/operator/accounts/{code}")
    assert "Closed since Jul 3, 2027" in words(page)
    assert staff.get(asked[0], headers=asked[1]).status_code == 401
    assert "Deleted" in words(staff.get(f"/operator/accounts/{code}/projects/{code}"))
    with at_the_desk(office, house, "ann@customer.example") as browser:
        assert browser.get(f"/billing-history?account={code}").status_code == 200
        assert "Closed since Jul 3, 2027" in words(browser.get(f"/overview?account={code}"))

    before = office.now
    office.now = before.replace(month=8)
    assert str(office.issued(code, month="2027-07").total_minor) == "7000"
    with office.database.transaction() as session:
        account, day, money = office.row(code), office.now.date(), usd("70.00")
        record(session, office.now, account=account, amount=money, received_on=day, reference="the last one")
    office.now = before.replace(month=9)
    with at_the_desk(office, house, "ann@customer.example") as browser:
        assert "nothing is to come" in words(browser.get(f"/overview?account={code}"))
        assert "Nothing is to come" in words(browser.get(f"/payment-information?account={code}"))
    office.now = before
    office.check()


def test_nothing_comes_to_it_until_it_is_opened_again(staff: Browser, office: Office) -> None:
    code = office.account()
    done(closing(staff, code, confirm="1"))
    projects, keys = (f"/operator/accounts/{code}/{each}" for each in ("projects", "keys"))
    for path, fields in (
        (projects, {"code": f"{code}-later", **PROJECT}),
        (keys, {"scope": "events", "name": "agent"}),
        (f"{projects}/{code}", {"step": "restore"}),
    ):
        answer = send(staff, staff.get(path), path, **fields)
        assert answer.status_code == 409, words(answer)
        assert f"The account {code} is closed" in words(answer)
    assert reopened(staff, code) == f"/operator/accounts/{code}?done=account-reopened"
    done(send(staff, staff.get(f"{projects}/{code}"), f"{projects}/{code}", step="restore"))
    done(send(staff, staff.get(projects), projects, code=f"{code}-later", **PROJECT))


def test_it_is_listed_apart_and_has_no_part_in_later_months(staff: Browser, office: Office) -> None:
    code = office.account()
    done(closing(staff, code, confirm="1"))
    listed = {only: words(staff.get("/operator/accounts", params={"only": only, "q": code})) for only in ("", "closed")}
    assert all(f"{code} closed" in told for told in listed.values())
    assert "No account is like that" in words(staff.get(f"/operator/accounts?only=no-method&q={code}"))
    assert code in words(staff.get(f"/operator/closes?month=2027-07&q={code}"))
    before = office.now
    office.now = before.replace(month=9)
    with_it, without = (
        words(staff.get(f"/operator/closes?month={month}&q={code}")) for month in ("2027-07", "2027-08")
    )
    assert code in with_it
    assert code not in without
    office.now = before
    reopened(staff, code)
    assert f"{code} closed" not in words(staff.get("/operator/accounts", params={"q": code}))
