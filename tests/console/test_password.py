"""A forgotten password: the same answer for everybody, a letter with a link that works once, and no trace of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from aiosmtpd.controller import Controller
from fastapi import Request
from sqlalchemy import event
from structlog.testing import capture_logs

from meterbook.api.problems import of_mistake
from meterbook.house import House
from meterbook.mail import SmtpMailer, SmtpServer
from tests.console.browser import PASSWORD, Browser, sign_in, token_of
from tests.console.company import SERVED_AT, Company, link_in, posting
from tests.mail.conftest import Postbox, free_port

BOSS = "boss@acme.example"
UNKNOWN = "somebody@acme.example"
NEW = "a new long password"


def ask(browser: Browser, email: str, **how: object) -> httpx.Response:
    form = {"email": email, "form_token": token_of(browser.get("/forgotten-password"))}
    return browser.post("/forgotten-password", data=form, **how)


@contextmanager
def statements(company: Company) -> Iterator[list[str]]:
    """Note what is said to the database meanwhile."""
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    engine = company.house.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_the_way_from_the_sign_in_to_a_new_password(company: Company) -> None:
    with company.open(BOSS) as there, company.open() as browser:
        assert 'href="/forgotten-password"' in browser.get("/sign-in").text
        sent = ask(browser, f" {BOSS.upper()} ")
        assert (sent.status_code, sent.headers["location"]) == (303, "/forgotten-password?done=sent")
        assert "a letter with a link is on its way" in browser.get(sent.headers["location"]).text
        path = company.link("password")
        page = browser.get(path)
        assert page.status_code == 200
        assert BOSS in page.text
        assert page.headers["referrer-policy"] == "strict-origin"
        assert page.headers["cache-control"] == "no-store"
        done = posting(browser, path, path, password=NEW)
        assert (done.status_code, done.headers["location"]) == (303, "/sign-in?done=password")
        assert "Your password is changed. Sign in with the new one." in browser.get("/sign-in?done=password").text
        assert there.get("/account").status_code == 303, "every sign-in is ended"
        assert sign_in(browser, BOSS, PASSWORD).status_code == 401
        assert sign_in(browser, BOSS, NEW).status_code == 303
    (told,) = company.letters()
    assert told["subject"] == "Your password was changed"
    assert company.scalar('select password_hash from "user" where email = :email', email=BOSS).startswith("$argon2id$")


def test_known_and_unknown_people_get_the_same_answer_by_the_same_work(company: Company) -> None:
    answers, work = [], []
    with company.open() as browser:
        for email in (BOSS, UNKNOWN, "no address at all"):
            token = token_of(browser.get("/forgotten-password"))
            with statements(company) as said:
                answer = browser.post("/forgotten-password", data={"email": email, "form_token": token})
            pages = browser.get(answer.headers["location"])
            told = re.sub(r'name="form_token" value="[^"]+"', "", pages.text)
            answers.append((answer.status_code, answer.headers["location"], pages.status_code, told))
            work.append(said)
    assert answers[0] == answers[1] == answers[2]
    assert work[0] == work[1] == work[2]
    assert not any('from "user"' in each or 'FROM "user"' in each for each in work[0]), "nobody is looked up"
    assert [letter["to"] for letter in company.letters()] == [BOSS]


@pytest.mark.parametrize("email", ["", "x" * 300, "null\x00byte@acme.example", "half\ud800@acme.example"])
def test_what_is_no_address_is_answered_alike(company: Company, email: str) -> None:
    with company.open() as browser:
        form = {"email": email.encode("utf-8", "surrogatepass").decode("latin-1")}
        answer = browser.post(
            "/forgotten-password", data=form | {"form_token": token_of(browser.get("/forgotten-password"))}
        )
        assert answer.headers["location"] == "/forgotten-password?done=sent"
    assert company.letters() == []


def test_a_link_works_once(company: Company) -> None:
    with company.open() as browser:
        ask(browser, BOSS)
        path = company.link("password")
        token = token_of(browser.get(path))
        assert posting(browser, path, path, password=NEW).status_code == 303
        again = browser.post(path, data={"form_token": token, "password": "another password"})
        assert again.status_code == 404
        assert sign_in(browser, BOSS, NEW).status_code == 303


def test_wrong_used_expired_and_replaced_links_answer_alike(company: Company) -> None:
    with company.open() as browser:
        ask(browser, BOSS)
        replaced = company.link("password")
        ask(browser, BOSS)
        newest = company.link("password")
        assert browser.get(newest).status_code == 200
        pages = [browser.get(path) for path in (replaced, "/password/wrong", f"/password/{'x' * 3_000}")]
        pages.append(browser.get(newest.replace("/password/", "/invitation/")))
        posting(browser, newest, newest, password=NEW)
        pages.append(browser.get(newest))
        ask(browser, BOSS)
        (_, letter) = sorted(company.letters(), key=lambda each: str(each["subject"]).startswith("Choose"))
        late = link_in(letter, "password")
    with company.open(minutes=59) as browser:
        assert browser.get(late).status_code == 200
    with company.open(minutes=60) as browser:
        pages.append(browser.get(late))
        token = token_of(browser.get("/sign-in"))
        pages.append(browser.post(late, data={"form_token": token, "password": "another password"}))
    said = set()
    for page in pages:
        assert page.status_code == 404
        assert page.headers["referrer-policy"] == "strict-origin"
        said.add(re.sub(r'/(?:password|invitation)/[\w-]+\?|value="[^"]+"', "", page.text))
    assert len(said) == 1
    assert "This link is no longer valid" in said.pop()
    with company.open() as browser:
        assert sign_in(browser, BOSS, NEW).status_code == 303


def test_a_password_too_short_leaves_the_link_open(company: Company) -> None:
    with company.open() as browser:
        ask(browser, BOSS)
        path = company.link("password")
        for wrong in ("short", "x" * 1_001):
            answer = posting(browser, path, path, password=wrong)
            assert answer.status_code == 422
            assert "A password has at least 8 characters" in answer.text
            assert wrong not in answer.text
        assert posting(browser, path, path, password=NEW).status_code == 303


def test_the_form_of_a_link_comes_from_a_page_of_ours(company: Company) -> None:
    with company.open() as browser:
        assert browser.post("/forgotten-password", data={"email": BOSS}).status_code == 403
        assert ask(browser, BOSS, headers={"origin": "https://evil.example"}).status_code == 403
        ask(browser, BOSS)
        path = company.link("password")
        token = token_of(browser.get(path))
        for form, headers in (
            ({}, {}),
            ({"form_token": "x.y"}, {}),
            ({"form_token": token}, {"origin": "https://evil.example"}),
            ({"form_token": token}, {"sec-fetch-site": "cross-site"}),
        ):
            answer = browser.post(path, data={"password": NEW, **form}, headers=headers)
            assert answer.status_code == 403
        assert browser.post(path, data={"password": NEW, "form_token": token}, headers={"origin": "http://testserver"})
        assert sign_in(browser, BOSS, NEW).status_code == 303


def test_another_reader_in_the_same_browser_is_signed_out(company: Company) -> None:
    with company.open("member@acme.example") as browser:
        ask(browser, BOSS)
        path = company.link("password")
        done = posting(browser, path, path, password=NEW)
        assert done.status_code == 303
        assert browser.get("/account").headers["location"].startswith("/sign-in")


def test_links_never_lead_where_the_request_says(company: Company) -> None:
    with company.open() as browser:
        ask(browser, BOSS, headers={"host": "evil.example", "x-forwarded-host": "evil.example"})
        (letter,) = company.letters()
        assert f"{SERVED_AT}/password/" in letter.get_content()
        assert "evil" not in letter.as_string()
    public = company.house.settings.model_copy(update={"public_url": "http://billing.example.com/"})
    company.house = House(public, company.house.database, company.house.usage)
    with company.open() as browser:
        token = token_of(browser.get("/forgotten-password"))
        browser.post("/forgotten-password", data={"email": BOSS, "form_token": token}, headers={"host": "evil.example"})
        (letter,) = company.letters()
        assert "http://billing.example.com/password/" in letter.get_content()


def test_without_an_address_the_letter_waits_and_says_why(company: Company) -> None:
    with company.open() as browser:
        ask(browser, BOSS)
    with capture_logs() as logs:
        company.work(served_at=None)
    assert [(entry["event"], entry["slug"]) for entry in logs] == [("jobs.put_off", "no-address")]
    assert "METERBOOK_PUBLIC_URL" in logs[0]["reason"]
    assert company.scalar("select count(*) from one_time_link") == 0


def test_the_letter_is_in_the_persons_language(company: Company) -> None:
    with company.open() as browser:
        browser.get("/sign-in?lang=ja")
        ask(browser, BOSS)
        (letter,) = company.letters()
        assert (letter["content-language"], letter["subject"]) == ("ja", "パスワード再設定のご案内")
    company.scalar("update \"user\" set language = 'ko' where email = :email returning id", email=BOSS)
    with company.open() as browser:
        ask(browser, BOSS)
        (letter,) = company.letters()
        assert (letter["content-language"], letter["subject"]) == ("ko", "비밀번호 재설정 안내")


def test_letters_really_leave_over_smtp(company: Company) -> None:
    postbox, port = Postbox(), free_port()
    controller = Controller(postbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        with company.open() as browser:
            ask(browser, BOSS)
            company.work(mailer=SmtpMailer(SmtpServer("127.0.0.1", port), "billing@meterbook.example"))
            ((letter,), (recipients,)) = postbox.letters, postbox.recipients
            assert recipients == [BOSS]
            assert browser.get(link_in(letter, "password")).status_code == 200
    finally:
        controller.stop()


def test_neither_the_queue_nor_the_database_holds_the_token(company: Company) -> None:
    with company.open() as browser:
        ask(browser, BOSS)
        waiting = company.scalar("select args::text from procrastinate_jobs where task_name = 'send_password_link'")
        assert set(re.findall(r'"(\w+)":', waiting)) == {"email", "language"}
        token = company.link("password").rpartition("/")[2]
        assert len(token) == 43
        kept = company.scalar("select encode(token_sha256, 'escape') || purpose from one_time_link")
        jobs = company.scalar("select string_agg(args::text, '') from procrastinate_jobs")
        assert token not in kept + jobs


def test_letters_are_limited_by_person_and_by_address(company: Company) -> None:
    with company.open() as browser:
        assert [ask(browser, BOSS).status_code for _ in range(4)] == [303, 303, 303, 429]
        refused = ask(browser, BOSS.upper())
        assert refused.headers["retry-after"] == "900"
        assert "Too many letters" in refused.text
        others = [ask(browser, f"person-{number}@acme.example").status_code for number in range(28)]
        assert others == [303] * 27 + [429]
    assert len(company.letters()) == 3


def test_a_mistake_of_ours_does_not_log_the_token() -> None:
    path = {"type": "http", "method": "GET", "scheme": "http", "server": ("testserver", 80), "headers": []}
    scope = {**path, "path": "/password/very-secret", "query_string": b"", "path_params": {"token": "very-secret"}}
    with capture_logs() as logs:
        of_mistake(Request(scope), ValueError("on our side"))
    assert [entry["path"] for entry in logs] == ["/password/..."]
    assert "very-secret" not in str(logs)
