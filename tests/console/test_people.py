"""People whom an account's own administrators manage: who sees whom, and what each may give, change and take."""

from __future__ import annotations

import html
import re

import pytest

from tests.console.browser import Browser, token_of
from tests.console.company import SCRIPT, STAFF, Company, posting

PEOPLE = "/account/people?account=acme"
BOSS, LEAD, WEB, MEMBER = "boss@acme.example", "lead@acme.example", "web@acme.example", "member@acme.example"
FINANCE = "finance@acme.example"


def listed(page: str) -> list[str]:
    return re.findall(r'aria-label="Change (\S+) in ([^"]+)"', page)


def change(browser: Browser, membership: int, role: str, billing: bool = False, confirm: bool = False) -> int:
    path = f"/account/people/{membership}?account=acme"
    ticked = {"billing": "true" if billing else None, "confirm": "true" if confirm else None}
    return posting(browser, PEOPLE, path, role=role, **ticked).status_code


def remove(browser: Browser, membership: int, confirm: bool = False) -> int:
    path = f"/account/people/{membership}/remove?account=acme"
    return posting(browser, PEOPLE, path, confirm="true" if confirm else None).status_code


def test_an_administrator_of_the_account_sees_everybody_in_it(company: Company) -> None:
    everybody = [
        (BOSS, "Whole account"),
        (FINANCE, "Whole account"),
        (LEAD, "Whole account"),
        (MEMBER, "The web"),
        (WEB, "The web"),
        (WEB, "The shop"),
    ]
    for email in (BOSS, LEAD, STAFF):
        with company.open(email) as browser:
            page = browser.get(PEOPLE).text
            assert listed(page) == everybody
            assert "other.example" not in page


def test_an_administrator_of_a_project_sees_its_members_alone(company: Company) -> None:
    with company.open(WEB) as browser:
        page = browser.get(PEOPLE).text
        assert listed(page) == [(MEMBER, "The web"), (WEB, "The web")]
        assert "The shop" not in page
        token = token_of(browser.get(PEOPLE))
        foreign = [
            company.membership(BOSS),
            company.membership(WEB, project="shop"),
            company.membership("boss@other.example", "other"),
        ]
        for membership in (*foreign, 999_999):
            assert browser.get(f"{PEOPLE}&edit={membership}").status_code == 404
            for act in ("", "/remove", "/invite"):
                form = {"form_token": token, "role": "viewer", "confirm": "true"}
                answer = browser.post(f"/account/people/{membership}{act}?account=acme", data=form)
                assert answer.status_code == 404, (membership, act)
    assert company.scalar("select count(*) from membership") == 7


def test_people_are_found_by_name_and_address(company: Company) -> None:
    company.scalar('update "user" set name = :name where email = :email returning id', name=SCRIPT, email=FINANCE)
    with company.open(BOSS) as browser:
        page = browser.get(PEOPLE).text
        assert SCRIPT not in page
        assert SCRIPT in html.unescape(page)
        assert listed(browser.get(f"{PEOPLE}&find=ALERT").text) == [(FINANCE, "Whole account")]
        assert listed(browser.get(f"{PEOPLE}&find=web@").text) == [(WEB, "The web"), (WEB, "The shop")]
        for nobody in ("%25", "_", "other.example", "%00"):
            assert "Nobody is found by that." in browser.get(f"{PEOPLE}&find={nobody}").text
        assert browser.get(f"{PEOPLE}&find={'x' * 300}").status_code == 422


def test_people_come_page_by_page(company: Company) -> None:
    company.scalar(
        'insert into "user" (email, name, created_at)'
        " select lpad(n::text, 3, '0') || '@x.example', 'x', now() from generate_series(1, 101) as n returning 1"
    )
    company.scalar(
        "insert into membership (user_id, account_id, role, billing, created_at)"
        ' select "user".id, account.id, \'viewer\', false, now() from "user", account'
        " where code = 'acme' and email like '%@x.example' returning 1"
    )
    with company.open(BOSS) as browser:
        page = browser.get(PEOPLE).text
        assert len(listed(page)) == 100
        more = re.search(r'href="([^"]+after=\d+)"', page)
        assert more is not None
        rest = listed(browser.get(html.unescape(more[1])).text)
        assert [email for email, _ in rest] == ["101@x.example", BOSS, FINANCE, LEAD, MEMBER, WEB, WEB]
        assert browser.get(f"{PEOPLE}&after=x").status_code == 422
        foreign = company.membership("boss@other.example", "other")
        for strange in (foreign, 999_999):
            assert listed(browser.get(f"{PEOPLE}&after={strange}").text) == []


def test_a_changed_member_sees_the_change_at_once(company: Company) -> None:
    with company.open(BOSS) as boss, company.open(MEMBER) as member:
        held = company.membership(MEMBER, project="web")
        assert "Change" not in listed(boss.get(f"{PEOPLE}&edit={held}").text)
        assert member.get(PEOPLE).status_code == 404
        assert change(boss, held, "admin", billing=True) == 303
        assert member.get(PEOPLE).status_code == 200
        assert remove(boss, held) == 303
        assert member.get(PEOPLE).status_code == 404
        assert member.get("/invoice-preview?account=acme").status_code == 404
        assert "no longer a member" in boss.get(f"{PEOPLE}&done=removed").text


def test_billing_is_given_by_those_who_hold_it(company: Company) -> None:
    finance, member = company.membership(FINANCE), company.membership(MEMBER, project="web")
    with company.open(LEAD) as lead:
        held = company.membership(LEAD)
        assert 'name="billing"' not in lead.get(PEOPLE).text
        assert change(lead, held, "admin", billing=True, confirm=True) == 409
        assert change(lead, finance, "admin", billing=True) == 303, "what somebody holds already stays"
        assert change(lead, finance, "viewer", billing=False) == 303
        answer = posting(lead, PEOPLE, f"/account/people/{finance}?account=acme", role="viewer", billing="true")
        assert answer.status_code == 409
        assert "You can only give a billing permission that you hold yourself." in html.unescape(answer.text)
    with company.open(WEB) as web:
        assert change(web, member, "viewer", billing=False) == 303
        assert change(web, member, "viewer", billing=True) == 409, "the billing of shop is none of web"
    with company.open(BOSS) as boss:
        assert change(boss, finance, "viewer", billing=True) == 303
    assert company.scalar("select billing from membership where id = :id", id=held) is False


def test_one_administrator_of_the_account_stays(company: Company) -> None:
    boss_held, lead_held = company.membership(BOSS), company.membership(LEAD)
    with company.open(BOSS) as boss:
        assert remove(boss, lead_held) == 303
        for answer in (change(boss, boss_held, "viewer", confirm=True), remove(boss, boss_held, confirm=True)):
            assert answer == 409
        page = posting(boss, PEOPLE, f"/account/people/{boss_held}/remove?account=acme", confirm="true").text
        assert "This is the last administrator of the account." in page
        # somebody who was invited and never came is not one to count on
        posting(boss, PEOPLE, PEOPLE, email="new@acme.example", place="*", role="admin")
        assert remove(boss, boss_held, confirm=True) == 409
        assert change(boss, company.membership(FINANCE), "admin", billing=True) == 303
        assert remove(boss, boss_held, confirm=True) == 303
        assert boss.get(PEOPLE).status_code == 404
    with company.open(STAFF) as staff:
        assert remove(staff, company.membership(FINANCE)) == 303, "staff may, and can bring them back"


def test_giving_up_ones_own_place_is_confirmed(company: Company) -> None:
    held = company.membership(LEAD)
    with company.open(LEAD) as lead:
        assert "I know that this takes away" in lead.get(f"{PEOPLE}&edit={held}").text
        assert change(lead, held, "viewer") == 409
        assert remove(lead, held) == 409
        answer = posting(lead, PEOPLE, f"/account/people/{held}?account=acme", role="viewer", confirm="true")
        assert answer.headers["location"] == "/account?done=own-changed"
        assert lead.get(PEOPLE).status_code == 404
        assert "What you may do is changed." in lead.get("/account?done=own-changed").text


@pytest.mark.parametrize("role", ["", "owner", "Admin"])
def test_an_unknown_role_is_refused(company: Company, role: str) -> None:
    with company.open(BOSS) as boss:
        assert change(boss, company.membership(MEMBER, project="web"), role) == 422
        before = company.scalar('select count(*) from "user"')
        answer = posting(boss, PEOPLE, PEOPLE, email="new@acme.example", place="*", role=role)
        assert answer.status_code == 422
        assert company.scalar('select count(*) from "user"') == before, "nobody is added half"


def test_numbers_that_are_none_are_refused(company: Company) -> None:
    with company.open(BOSS) as boss:
        token = token_of(boss.get(PEOPLE))
        for strange in ("0", "-1", "x", "9" * 30):
            for path in (f"/account/people/{strange}", f"/account/people/{strange}/remove"):
                assert 400 <= boss.post(f"{path}?account=acme", data={"form_token": token}).status_code < 500
            assert boss.get(f"{PEOPLE}&edit={strange}").status_code in ((200,) if strange == "0" else (404, 422))
