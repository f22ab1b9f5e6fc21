"""Two-factor authentication in the console: turned on with an app, asked for at the sign-in, turned off again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from pyotp import TOTP

from meterbook.house import House
from tests.console.browser import PASSWORD, Browser, sign_in, token_of
from tests.console.company import NOW, STAFF, Company, posting

BOSS = "boss@acme.example"
PAGE = "/account/two-factor"
LATER = 60  # seconds: the code of then is not the one that turned it on


def secret_of(page: httpx.Response) -> str:
    found = re.search(r'name="secret" value="([A-Z2-7]{32})"', page.text)
    assert found, page.text
    return found[1]


def code_at(secret: str, seconds: int = 0) -> str:
    return TOTP(secret).at(NOW + timedelta(seconds=seconds))


def turn_on(company: Company, email: str = BOSS) -> tuple[str, list[str]]:
    """Turn it on; return the secret and the recovery codes."""
    with company.open(email) as browser:
        secret = secret_of(browser.get(PAGE))
        made = posting(browser, PAGE, PAGE, step="on", secret=secret, code=code_at(secret), present_password=PASSWORD)
        assert made.status_code == 201, made.text
        assert made.headers["cache-control"] == "no-store"
        return secret, re.findall(r"<code>([a-z2-7-]{19})</code>", made.text)


@contextmanager
def asked_for_code(company: Company, email: str = BOSS, **later: float) -> Iterator[Browser]:
    """A browser whose reader has given the password."""
    with company.open(**later) as browser:
        answer = sign_in(browser, email, next="/account")
        assert answer.headers["location"] == "/sign-in/code?next=%2Faccount"
        yield browser


def give(browser: Browser, code: str, **more: str) -> httpx.Response:
    form = {"code": code, "form_token": token_of(browser.get("/sign-in/code?next=/account")), "next": "/account"}
    return browser.post("/sign-in/code", data=form | more)


def test_the_way_from_the_page_to_the_next_sign_in(company: Company) -> None:
    with company.open(BOSS) as browser:
        assert f'href="{PAGE}?account=acme"' in browser.get("/account").text
        page = browser.get(PAGE)
        assert "<svg" in page.text
        assert secret_of(page) in page.text.replace('value="', "")
    with company.open(BOSS) as there:
        secret, codes = turn_on(company)
        assert there.get("/account").status_code == 303, "what the password alone let in has ended"
    assert len(codes) == 10
    (letter,) = company.letters()
    assert letter["subject"] == "Two-factor authentication is on"
    assert letter["to"] == BOSS
    assert secret not in letter.as_string()
    with asked_for_code(company, seconds=LATER) as browser:
        assert browser.get("/account").headers["location"].startswith("/sign-in?")
        assert browser.get("/sign-in").status_code == 200
        came = give(browser, code_at(secret, LATER))
        assert (came.status_code, came.headers["location"]) == (303, "/account")
        page = browser.get("/account")
        assert page.status_code == 200
        assert page.text.count("this one") == 1
        assert "on since" in browser.get(PAGE).text
        assert secret not in browser.get(PAGE).text


def test_a_recovery_code_lets_in_once(company: Company) -> None:
    _, codes = turn_on(company)
    with asked_for_code(company) as browser:
        assert give(browser, codes[3]).headers["location"] == "/account"
        assert "9 codes are left" in browser.get(PAGE).text
    with asked_for_code(company) as browser:
        assert give(browser, codes[3]).status_code == 401


def test_a_wrong_code_says_so_and_ten_are_enough_for_an_hour(company: Company) -> None:
    secret, codes = turn_on(company)
    with asked_for_code(company, seconds=LATER) as browser:
        for _ in range(10):
            wrong = give(browser, "123456")
            assert wrong.status_code == 401
            assert "This code is wrong or over" in wrong.text
        for right in (code_at(secret, LATER), codes[0]):
            refused = give(browser, right)
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "3600"
        assert browser.get("/account").status_code == 303


def test_nobody_else_is_asked_for_a_code(company: Company) -> None:
    secret, _ = turn_on(company)
    with company.open() as browser:
        assert browser.get("/sign-in/code?next=/usage").headers["location"] == "/sign-in?next=%2Fusage"
        form = {"code": code_at(secret, LATER), "form_token": token_of(browser.get("/sign-in"))}
        assert browser.post("/sign-in/code", data=form).headers["location"] == "/sign-in"
    with asked_for_code(company, seconds=LATER) as browser:
        assert give(browser, code_at(secret, LATER), form_token="wrong").status_code == 403
        assert give(browser, code_at(secret, LATER), next="https://evil.example/").headers["location"] == "/"
    with company.open("finance@acme.example") as browser:
        assert browser.get("/sign-in/code").headers["location"] == "/sign-in"


def test_a_code_cannot_come_after_ten_minutes(company: Company) -> None:
    secret, _ = turn_on(company)
    with asked_for_code(company) as browser:
        cookies = dict(browser.cookies)
    with company.open(minutes=11) as browser:
        browser.cookies.update(cookies)
        assert browser.get("/sign-in/code").headers["location"] == "/sign-in"
        form = {"code": code_at(secret, 660), "form_token": token_of(browser.get("/sign-in"))}
        assert browser.post("/sign-in/code", data=form).headers["location"] == "/sign-in"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"present_password": "another password"}, "This is not your present password."),
        ({"code": "000000"}, "This code is wrong or over."),
        ({"secret": "AAAA"}, "This form is incomplete"),
        ({"step": "codes"}, "Two-factor authentication is off."),
    ],
)
def test_what_is_wrong_turns_nothing_on(company: Company, wrong: dict[str, str], said: str) -> None:
    with company.open(BOSS) as browser:
        secret = secret_of(browser.get(PAGE))
        form = {"step": "on", "secret": secret, "code": code_at(secret), "present_password": PASSWORD} | wrong
        answer = posting(browser, PAGE, PAGE, **form)
        assert answer.status_code in (409, 422)
        assert said in answer.text
        if "secret" not in wrong:
            assert secret_of(answer) == secret, "the app has it already"
        assert browser.post(PAGE, data=form).status_code == 403
    with company.open(BOSS) as browser:
        assert "on since" not in browser.get(PAGE).text


def test_it_is_turned_off_by_the_password_alone(company: Company) -> None:
    secret, codes = turn_on(company)
    company.letters()
    with asked_for_code(company, seconds=LATER) as browser:
        give(browser, code_at(secret, LATER))
        assert posting(browser, PAGE, PAGE, step="off", present_password="another password").status_code == 422
        renewed = posting(browser, PAGE, PAGE, step="codes", present_password=PASSWORD)
        assert renewed.status_code == 201
        assert codes[0] not in renewed.text
        off = posting(browser, PAGE, PAGE, step="off", present_password=PASSWORD)
        assert off.headers["location"] == f"{PAGE}?account=acme&done=off"
        assert "your password alone lets you in" in browser.get(off.headers["location"]).text
    subjects = [letter["subject"] for letter in company.letters(minutes=5)]
    assert sorted(subjects) == ["Two-factor authentication is off", "Two-factor authentication is on"]
    with company.open(BOSS) as browser:
        assert browser.get("/account").status_code == 200


def test_the_staff_turn_it_off_for_who_lost_the_app(company: Company) -> None:
    turn_on(company)
    turn_on(company, STAFF)
    number = company.scalar('select id from "user" where email = :email', email=BOSS)
    own = company.scalar('select id from "user" where email = :email', email=STAFF)
    company.scalar("update sign_in set awaits_code = false returning 1")
    with company.open() as browser:
        sign_in(browser, STAFF)
        company.scalar("update sign_in set awaits_code = false returning 1")
        people = browser.get("/operator/people?who=all").text
        assert people.count("two-factor") == 2
        path = f"/operator/people/{number}"
        assert "Turn two-factor authentication off" in browser.get(path).text
        off = posting(browser, path, path, step="no-two-factor")
        assert off.headers["location"] == f"{path}?done=user-no-two-factor"
        assert "Turn two-factor authentication off" not in browser.get(path).text
        refused = posting(browser, path, f"/operator/people/{own}", step="no-two-factor")
        assert refused.status_code == 409
        assert "it asks for the password" in refused.text
    with company.open(BOSS) as browser:
        assert browser.get("/account").status_code == 200


def test_the_staff_may_be_held_to_it(company: Company) -> None:
    house = company.house
    strict = House(house.settings.model_copy(update={"staff_two_factor": True}), house.database, house.usage)
    held = replace(company, house=strict)
    with held.open(STAFF) as browser:
        for path in ("/operator", "/overview?account=acme", "/account", "/operator/people"):
            assert browser.get(path).headers["location"] == PAGE, path
        assert "Turn it on to go on." in browser.get(PAGE).text
        posted = posting(browser, PAGE, "/operator/people", email="new@meterbook.example")
        assert posted.headers["location"] == PAGE
    with held.open(BOSS) as browser:
        assert browser.get("/account").status_code == 200
    secret, _ = turn_on(held, STAFF)
    with asked_for_code(held, STAFF, seconds=LATER) as browser:
        give(browser, code_at(secret, LATER))
        assert browser.get("/operator").status_code == 200
