"""People change the e-mail they sign in with: by the password, and by a letter that comes to the new one."""

from __future__ import annotations

import pytest

from tests.console.browser import PASSWORD, Browser, sign_in, token_of
from tests.console.company import Company, link_in, posting

BOSS, NEW = "boss@acme.example", "new@acme.example"
PATH = "/account/email"


def ask(browser: Browser, email: str = NEW, password: str = PASSWORD) -> int:
    return posting(browser, "/account", PATH, email=email, present_password=password).status_code


def asked(company: Company, email: str = NEW, who: str = BOSS) -> str:
    """Ask for a letter, and return the path of its link."""
    with company.open(who) as browser:
        assert ask(browser, email) == 303
    return company.link("email")


def take(browser: Browser, path: str) -> str:
    answer = browser.post(path, data={"form_token": token_of(browser.get(path))})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_the_way_from_the_form_to_the_next_sign_in(company: Company) -> None:
    with company.open(BOSS) as browser:
        assert ask(browser, f" {NEW.upper()} ") == 303
        assert "a letter is on its way to it" in browser.get("/account?done=email").text
        (letter,) = company.letters()
        assert letter["to"] == NEW
        assert BOSS in letter.get_content()
        path = link_in(letter, "email")
        page = browser.get(path)
        assert NEW in page.text
        assert page.headers["referrer-policy"] == "strict-origin"
        assert BOSS in browser.get("/account").text, "looking changes nothing"
        assert take(browser, path) == "/account?done=email-taken"
        assert NEW in browser.get("/account").text, "who is signed in stays so"
        for again in (browser.get(path), browser.post(path, data={"form_token": "wrong"})):
            assert again.status_code == 404
            assert "no longer valid" in again.text
    (told,) = company.letters(minutes=1)
    assert (told["to"], told["subject"]) == (BOSS, "You sign in with another email now")
    assert NEW in told.get_content()
    with company.open() as browser:
        assert sign_in(browser, BOSS).status_code == 401
        assert sign_in(browser, NEW).status_code == 303
    assert company.scalar("select acted_by from audit_entry where changes ? 'email' order by id desc limit 1") == BOSS


def test_it_is_opened_in_another_browser(company: Company) -> None:
    path = asked(company)
    with company.open() as browser:
        assert browser.post(path, data={"form_token": "wrong"}).status_code == 403
        take(browser, path)
        assert sign_in(browser, NEW).status_code == 303


@pytest.mark.parametrize(
    ("email", "password", "said"),
    [
        (NEW, "another password", "This is not your present password."),
        (BOSS.upper(), PASSWORD, "This is your email already."),
        ("nowhere", PASSWORD, "This is not an email address"),
        ("a@b.example\r\nBcc: c@d.example", PASSWORD, "This is not an email address"),
        ("null\x00@acme.example", PASSWORD, "This is not an email address"),
    ],
)
def test_what_is_wrong_sends_nothing(company: Company, email: str, password: str, said: str) -> None:
    with company.open(BOSS) as browser:
        answer = posting(browser, "/account", PATH, email=email, present_password=password)
        assert answer.status_code == 422
        assert said in answer.text
        assert browser.post(PATH, data={"email": NEW, "present_password": PASSWORD}).status_code == 403
    assert company.letters() == []


def test_an_email_that_somebody_has_is_answered_alike_and_gets_no_letter(company: Company) -> None:
    with company.open(BOSS) as browser:
        assert ask(browser, "member@acme.example") == 303
    assert company.letters() == []


def test_an_email_that_somebody_came_to_have_is_not_taken(company: Company) -> None:
    path = asked(company)
    company.scalar("""update "user" set email = :email where email = 'member@acme.example' returning 1""", email=NEW)
    with company.open() as browser:
        refused = browser.post(path, data={"form_token": token_of(browser.get(path))})
        assert refused.status_code == 404
        assert sign_in(browser, BOSS).status_code == 303
    assert company.letters() == []


def test_the_newest_link_alone_works_and_no_longer_than_an_hour(company: Company) -> None:
    first = asked(company)
    second = asked(company, "newer@acme.example")
    with company.open(minutes=61) as browser:
        assert {browser.get(path).status_code for path in (first, second)} == {404}
    with company.open() as browser:
        assert browser.get(first).status_code == 404
        take(browser, second)
        assert sign_in(browser, "newer@acme.example").status_code == 303


def test_letters_are_limited(company: Company) -> None:
    with company.open(BOSS) as browser:
        assert [ask(browser) for _ in range(3)] == [303, 303, 303]
        refused = posting(browser, "/account", PATH, email=NEW, present_password=PASSWORD)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "900")
        assert "Too many letters were asked for." in refused.text
    assert len(company.letters()) == 3
