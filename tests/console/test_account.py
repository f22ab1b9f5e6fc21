"""The reader's own account: name, language, theme, password and open sign-ins."""

from __future__ import annotations

import html

import pytest

from meterbook.console.person.present_sign_ins import browser_name
from tests.console.browser import PASSWORD, sign_in, token_of
from tests.console.company import FIREFOX, SCRIPT, STAFF, Company, posting

NEW = "a new long password"
BOSS = "boss@acme.example"


@pytest.mark.parametrize("email", [BOSS, "member@acme.example", "nobody@nowhere.example", STAFF])
def test_everybody_has_a_page_of_their_own(company: Company, email: str) -> None:
    with company.open(email) as browser:
        page = browser.get("/account")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert email in page.text
    assert "Firefox on Linux" in page.text
    assert page.text.count("this one") == 1


def test_tabs_are_for_those_who_manage_somebody(company: Company) -> None:
    tabs = {"/account/people?account=acme", "/account/keys?account=acme"}
    for email, has in ((BOSS, True), ("web@acme.example", True), ("finance@acme.example", False), (STAFF, False)):
        with company.open(email) as browser:
            page = browser.get("/account").text
            assert {tab for tab in tabs if tab in page} == (tabs if has else set()), email
    with company.open(STAFF) as browser:
        assert 'href="/operator/accounts"' in browser.get("/account").text
        page = browser.get("/account?account=acme").text
        assert all(tab in page for tab in tabs)


def test_settings_are_written_and_hold_in_every_browser(company: Company) -> None:
    with company.open(BOSS) as browser:
        answer = posting(browser, "/account", "/account", name=f" {SCRIPT} ", language="ko", theme="dark")
        assert answer.headers["location"] == "/account?done=settings"
        page = browser.get("/account?done=settings").text
        assert '<html lang="ko" data-theme="dark"' in page
        assert "저장했습니다" in page
        assert SCRIPT not in page
        assert SCRIPT in html.unescape(page)
    with company.open(BOSS) as other:
        page = other.get("/account", headers={"accept-language": "ja"}).text
        assert '<html lang="ko" data-theme="dark"' in page
        assert "data-theme" not in other.get("/account?theme=auto").text
        assert "data-theme" not in other.get("/account").text, "what this browser remembers outweighs it"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", " ", "A name has 1 to 200 characters"),
        ("name", "x" * 201, "A name has 1 to 200 characters"),
        ("name", "two\nlines", "A name has 1 to 200 characters"),
        ("language", "xx", "is unknown: use en, ko, ja."),
        ("theme", "pink", "is unknown: use auto, light, dark."),
    ],
)
def test_wrong_settings_are_shown_again(company: Company, field: str, value: str, said: str) -> None:
    with company.open(BOSS) as browser:
        form = {"name": "Boss", "language": "ko", "theme": "dark"} | {field: value}
        answer = posting(browser, "/account", "/account", **form)
        assert answer.status_code == 422
        assert said in answer.text
        assert 'aria-invalid="true"' in answer.text or field == "theme"
    assert company.scalar('select language from "user" where email = :email', email=BOSS) is None


def test_a_password_is_changed_with_the_present_one(company: Company) -> None:
    with company.open(BOSS) as here, company.open(BOSS) as there:
        wrong = posting(here, "/account", "/account/password", present_password="wrong one", password=NEW)
        assert wrong.status_code == 422
        assert "This is not your present password." in wrong.text
        short = posting(here, "/account", "/account/password", present_password=PASSWORD, password="short")
        assert short.status_code == 422
        assert "A password has at least 8 characters" in short.text
        assert there.get("/account").status_code == 200
        done = posting(here, "/account", "/account/password", present_password=PASSWORD, password=NEW)
        assert done.headers["location"] == "/account?done=password"
        assert here.get("/account").status_code == 200
        assert there.get("/account").headers["location"].startswith("/sign-in")
        (letter,) = company.letters()
        assert (letter["to"], letter["subject"]) == (BOSS, "Your password was changed")
        assert "http://127.0.0.1:8123/forgotten-password" in letter.get_content()
    stored = company.scalar('select password_hash from "user" where email = :email', email=BOSS)
    assert stored.startswith("$argon2id$")
    with company.open() as browser:
        assert sign_in(browser, BOSS, PASSWORD).status_code == 401
        assert sign_in(browser, BOSS, NEW).status_code == 303


def test_guessing_the_present_password_is_slowed_down(company: Company) -> None:
    with company.open(BOSS) as browser:
        form = {"present_password": "guess guess", "password": NEW, "form_token": token_of(browser.get("/account"))}
        tries = [browser.post("/account/password", data=form).status_code for _ in range(10)]
        assert tries == [422] * 10
        refused = browser.post("/account/password", data=form | {"present_password": PASSWORD})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "300")
        assert "Too many attempts" in refused.text
    with company.open() as browser:
        assert sign_in(browser, BOSS).status_code == 303


def ids(company: Company, email: str) -> list[int]:
    statement = 'select array_agg(sign_in.id order by sign_in.id) from sign_in join "user" on "user".id = user_id'
    found: list[int] | None = company.scalar(f"{statement} where email = :email and revoked_at is null", email=email)
    return found or []


def test_a_revoked_sign_in_is_out_at_once(company: Company) -> None:
    with company.open(BOSS) as there, company.open(BOSS) as here:
        first, _ = ids(company, BOSS)
        assert there.get("/account").status_code == 200
        answer = posting(here, "/account", f"/account/sign-ins/{first}/end")
        assert answer.headers["location"] == "/account?done=ended"
        assert there.get("/account").headers["location"].startswith("/sign-in")
        again, unknown = (posting(here, "/account", f"/account/sign-ins/{each}/end") for each in (first, 999_999))
        assert again.status_code == unknown.status_code == 404


def test_sign_ins_of_others_do_not_exist(company: Company) -> None:
    with company.open("boss@other.example") as theirs, company.open(BOSS) as mine:
        (foreign,) = ids(company, "boss@other.example")
        assert f"/account/sign-ins/{foreign}/end" not in mine.get("/account").text
        token = token_of(mine.get("/account"))
        answers = [
            mine.post(f"/account/sign-ins/{each}/end", data={"form_token": token}) for each in (foreign, 999_999)
        ]
        assert [each.status_code for each in answers] == [404, 404]
        assert answers[0].text == answers[1].text.replace("999999", str(foreign))
        assert theirs.get("/account").status_code == 200
        for strange in ("0", "x", "9" * 30):
            answer = mine.post(f"/account/sign-ins/{strange}/end", data={"form_token": token})
            assert 400 <= answer.status_code < 500


def test_all_others_are_ended_and_this_one_by_signing_out(company: Company) -> None:
    with company.open(BOSS) as first, company.open(BOSS) as second, company.open(BOSS) as here:
        answer = posting(here, "/account", "/account/sign-ins/end-others")
        assert answer.headers["location"] == "/account?done=others-ended"
        assert [each.get("/account").status_code for each in (first, second, here)] == [303, 303, 200]
        (this,) = ids(company, BOSS)
        answer = posting(here, "/account", f"/account/sign-ins/{this}/end")
        assert answer.headers["location"] == "/sign-in"
        assert here.get("/account").status_code == 303


def test_the_browser_is_kept_short_and_plain(company: Company) -> None:
    with company.open() as browser:
        browser.http.headers["user-agent"] = "Firefox/1 \x01\x7f" + "<b>" * 200
        sign_in(browser, BOSS)
        kept = company.scalar("select browser from sign_in order by id desc limit 1")
        assert len(kept) == 200
        assert kept.isprintable()
        assert "<b>" not in browser.get("/account").text


@pytest.mark.parametrize(
    ("called", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/131.0 Safari/537.36 Edg/131.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_0) Version/17.0 Safari/605.1", "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) CriOS/131.0 Mobile Safari", "Chrome on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/131.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Firefox/140", "Firefox"),
        ("curl/8", "Unknown browser"),
        ("", "Unknown browser"),
    ],
)
def test_browsers_have_names(called: str, name: str) -> None:
    assert browser_name(called, "en") == name


POSTS = [
    "/account",
    "/account/password",
    "/account/sign-ins/1/end",
    "/account/sign-ins/end-others",
    "/account/people?account=acme",
    "/account/people/1?account=acme",
    "/account/people/1/remove?account=acme",
    "/account/people/1/invite?account=acme",
    "/account/keys?account=acme",
    "/account/keys/mbk_e_aaaaaaaaaa/revoke?account=acme",
]


@pytest.mark.parametrize("path", POSTS)
def test_every_form_comes_from_a_page_of_ours(company: Company, path: str) -> None:
    with company.open(BOSS) as browser:
        token = token_of(browser.get("/account"))
        foreign = [
            browser.post(path),
            browser.post(path, data={"form_token": "x.y"}),
            browser.post(path, data={"form_token": token}, headers={"origin": "https://evil.example"}),
            browser.post(path, data={"form_token": token}, headers={"sec-fetch-site": "cross-site"}),
        ]
        assert [each.status_code for each in foreign] == [403] * 4
        browser.cookies.clear()
        assert browser.post(path, data={"form_token": token}).headers["location"] == "/sign-in"
