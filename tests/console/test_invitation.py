"""Invitations: who may invite whom to what, the letter, and the way in by its link."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from tests.console.browser import Browser, sign_in, token_of
from tests.console.company import SCRIPT, SERVED_AT, STAFF, Company, posting

PEOPLE = "/account/people?account=acme"
BOSS, LEAD, WEB = "boss@acme.example", "lead@acme.example", "web@acme.example"
NEW = "new@acme.example"
PASSWORD = "a first long password"


def invite(
    browser: Browser, email: str = NEW, place: str = "*", role: str = "viewer", billing: bool = False
) -> httpx.Response:
    ticked = "true" if billing else None
    return posting(browser, PEOPLE, PEOPLE, email=email, place=place, role=role, billing=ticked)


def test_the_way_from_a_letter_into_the_console(company: Company) -> None:
    with company.open(BOSS) as boss, company.open() as browser:
        answer = invite(boss, f" {NEW.upper()} ", "web", billing=True)
        assert answer.headers["location"] == "/account/people?account=acme&done=invited"
        assert "A letter is on its way" in boss.get(answer.headers["location"]).text
        assert ">invited<" in boss.get(PEOPLE).text
        (letter,) = company.letters()
        assert (letter["to"], letter["subject"]) == (NEW, "Your invitation to Acme Corp")
        said = letter.get_content()
        assert all(word in said for word in (BOSS, "the project The web of Acme Corp", "a viewer", "7 days", SERVED_AT))
        found = re.search(r"(/invitation/\S+)", said)
        assert found is not None
        path = found[1]
        assert sign_in(browser, NEW, "").status_code == 401
        page = browser.get(path)
        assert (page.status_code, page.headers["referrer-policy"]) == (200, "strict-origin")
        assert NEW in page.text
        done = posting(browser, path, path, name=f" {SCRIPT} ", password=PASSWORD)
        assert (done.status_code, done.headers["location"]) == (303, "/")
        assert done.headers.get_list("set-cookie")[0].startswith("meterbook_session=")
        assert browser.get("/invoice-preview?account=acme").status_code == 200
        assert SCRIPT in html.unescape(browser.get("/account").text)
        assert ">invited<" not in boss.get(PEOPLE).text
        again = browser.post(path, data={"form_token": token_of(browser.get("/account")), "password": "another one"})
        assert again.status_code == 404
    with company.open() as browser:
        assert sign_in(browser, NEW, PASSWORD).status_code == 303
    stored = company.scalar('select password_hash from "user" where email = :email', email=NEW)
    assert stored.startswith("$argon2id$")


def test_a_link_is_valid_for_a_week_and_the_newest_alone(company: Company) -> None:
    with company.open(BOSS) as boss:
        invite(boss)
        first = company.link("invitation")
        membership = company.membership(NEW)
        answer = posting(boss, PEOPLE, f"/account/people/{membership}/invite?account=acme")
        assert answer.headers["location"] == "/account/people?account=acme&done=invited"
        second = company.link("invitation")
        assert invite(boss).status_code == 303, "inviting the same again sends the letter again"
        third = company.link("invitation")
    with company.open(days=6, hours=23) as browser:
        assert [browser.get(path).status_code for path in (first, second, third)] == [404, 404, 200]
    with company.open(days=7) as browser:
        page = browser.get(third)
        assert page.status_code == 404
        assert "This link is no longer valid" in page.text
        assert "/forgotten-password" in page.text


def test_what_was_typed_wrong_leaves_the_link_open(company: Company) -> None:
    with company.open(BOSS) as boss:
        invite(boss)
    with company.open() as browser:
        path = company.link("invitation")
        for form, said in (
            ({"name": " ", "password": PASSWORD}, "A name has 1 to 200 characters"),
            ({"name": "New", "password": "short"}, "A password has at least 8 characters"),
        ):
            answer = posting(browser, path, path, **form)
            assert answer.status_code == 422
            assert said in answer.text
        for form, headers in (
            ({}, {}),
            ({"form_token": token_of(browser.get(path))}, {"origin": "https://evil.example"}),
        ):
            answer = browser.post(path, data={"name": "New", "password": PASSWORD, **form}, headers=headers)
            assert answer.status_code == 403
        assert posting(browser, path, path, name="New", password=PASSWORD).status_code == 303


def test_somebody_known_gets_the_membership_and_word_of_it(company: Company) -> None:
    with company.open(BOSS) as boss, company.open("nobody@nowhere.example") as nobody:
        assert nobody.get("/invoice-preview?account=acme").status_code == 404
        assert invite(boss, "nobody@nowhere.example", "shop", "member").status_code == 303
        assert nobody.get("/project-usage?account=acme").status_code in (200, 404)
        assert company.membership("nobody@nowhere.example", project="shop")
        (letter,) = company.letters()
        assert letter["subject"] == "You now belong to Acme Corp"
        assert "a member of the project The shop of Acme Corp" in letter.get_content()
        assert "/invitation/" not in letter.get_content()
        differs = invite(boss, "nobody@nowhere.example", "shop", "admin")
        assert differs.status_code == 409
        assert "This person is a member there already" in differs.text
    assert company.letters() == []
    assert company.scalar("select count(*) from one_time_link") == 0


def test_the_letter_is_in_the_accounts_language(company: Company) -> None:
    company.scalar("update account set language = 'ko' where code = 'acme' returning id")
    with company.open(BOSS) as boss:
        invite(boss, role="admin", billing=True)
    (letter,) = company.letters()
    assert (letter["content-language"], letter["subject"]) == ("ko", "[Acme Corp] 초대 안내")


@pytest.mark.parametrize(
    ("who", "place", "role", "billing", "status"),
    [
        (BOSS, "*", "admin", True, 303),
        (BOSS, "theirs", "viewer", False, 422),
        (BOSS, "absent", "viewer", False, 422),
        (BOSS, "", "viewer", False, 422),
        (LEAD, "*", "admin", False, 303),
        (LEAD, "*", "viewer", True, 409),
        (LEAD, "web", "viewer", True, 409),
        (WEB, "web", "admin", False, 303),
        (WEB, "web", "viewer", True, 409),
        (WEB, "shop", "viewer", True, 422),
        (WEB, "*", "viewer", False, 404),
        (STAFF, "*", "admin", True, 303),
    ],
)
def test_nobody_gives_more_than_they_hold(
    company: Company, who: str, place: str, role: str, billing: bool, status: int
) -> None:
    with company.open(who) as browser:
        answer = invite(browser, place=place, role=role, billing=billing)
        assert answer.status_code in ({404, 422} if status == 404 else {status}), answer.text
    added = company.scalar('select count(*) from "user" where email = :email', email=NEW)
    assert added == (1 if status == 303 else 0)
    assert len(company.letters()) == added


@pytest.mark.parametrize("email", ["", "x", "a@b", "two@x.example, three@x.example", "a\r\nbcc: b@x.example"])
def test_what_is_no_address_is_refused(company: Company, email: str) -> None:
    with company.open(BOSS) as boss:
        answer = invite(boss, email)
        assert answer.status_code == 422
        assert "This is not an email address" in answer.text


def test_a_membership_that_ended_gets_no_letter(company: Company) -> None:
    with company.open(BOSS) as boss:
        invite(boss)
        posting(boss, PEOPLE, f"/account/people/{company.membership(NEW)}/remove?account=acme")
    assert company.letters() == []


def test_invitations_are_limited(company: Company) -> None:
    with company.open(BOSS) as boss:
        token = token_of(boss.get(PEOPLE))
        form = {"form_token": token, "place": "*", "role": "viewer"}
        sent = [boss.post(PEOPLE, data=form | {"email": f"n{number}@acme.example"}).status_code for number in range(61)]
        assert sent == [303] * 60 + [429]


def test_the_operator_invites_by_the_api(company: Company) -> None:
    with company.open() as browser:
        body = {"email": NEW, "project": "web", "role": "admin", "billing": True}
        answer = browser.post("/api/v1/invitations", json=body, headers=browser.key)
        assert answer.status_code == 201
        assert answer.json() | {"created_at": ""} == {
            "email": NEW,
            "account": "acme",
            "project": "web",
            "role": "admin",
            "billing": True,
            "created_at": "",
        }
        (letter,) = company.letters()
        assert "Meterbook invites you" in letter.get_content()
        both = browser.post("/api/v1/invitations", json=body | {"account": "acme"}, headers=browser.key)
        assert both.status_code == 422
        unknown = browser.post("/api/v1/members", json=body | {"email": "x@x.example"}, headers=browser.key)
        assert unknown.status_code == 404, "adding a member still needs the user"


def test_a_name_that_fills_the_subject_is_cut(company: Company) -> None:
    company.scalar("update account set name = repeat('Long ', 40) || 'end' where code = 'acme' returning id")
    with company.open(BOSS) as boss:
        invite(boss)
    (letter,) = company.letters()
    assert letter["subject"].endswith("…")
