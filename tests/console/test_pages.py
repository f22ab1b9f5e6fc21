"""The console's pages over HTTP, on real stores, on a clock that stands: who sees what, and how pages are protected."""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from meterbook.accounts.add_account import add_account
from meterbook.accounts.add_member import add_member
from meterbook.accounts.add_project import add_project
from meterbook.accounts.add_user import add_user
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.console.pages import static_url
from meterbook.database import Database
from meterbook.house import House
from meterbook.settings import Settings
from meterbook.usage.store import open_usage
from tests.console.browser import PASSWORD, Browser, browsing, sign_in, token_of

NOW = datetime(2026, 6, 12, 6, tzinfo=UTC)
CATALOG = (Path(__file__).parents[1] / "doors" / "catalog.toml").read_text(encoding="utf-8")
SCRIPT = "<script>alert('project')</script>"
LONG = "Long" * 50
# Two of three projects, every project, a project without its billing, another account, nothing.
SEES = {
    "two@acme.example": [("acme", "web", True), ("acme", "shop", True), ("acme", "api", False)],
    "all@acme.example": [("acme", None, True)],
    "none@acme.example": [("acme", "web", False)],
    "stranger@other.example": [("other", None, True)],
    "nobody@nowhere.example": [],
}
EVENTS = [
    {
        "specversion": "1.0",
        "id": f"{project}-{day}-{hour}",
        "source": "test",
        "type": "host.seen",
        "subject": project,
        "time": f"2026-06-{day:02}T{hour:02}:00:00Z",
        "data": {"resource": "host-1"},
    }
    for project in ("web", "shop", "api", "theirs")
    for day in range(1, 13)
    for hour in range(24 if day < 12 else 6)
]


def furnish(database: Database) -> None:
    with database.transaction() as session:
        apply_catalog(session, parse_catalog(CATALOG), NOW, lambda *_: False)
        projects = {}
        accounts = {code: add_account(session, NOW, code=code, currency="USD", name=code) for code in ("acme", "other")}
        for account, code, name in (
            ("acme", "web", SCRIPT),
            ("acme", "shop", LONG),
            ("acme", "api", "Hidden API"),
            ("other", "theirs", "Their secret"),
        ):
            projects[code] = add_project(session, NOW, account=accounts[account], code=code, name=name)
        for email, held in SEES.items():
            user = add_user(session, NOW, email=email, password=PASSWORD)
            for account, project, billing in held:
                add_member(
                    session,
                    NOW,
                    user=user,
                    account=accounts[account],
                    project=projects[project] if project else None,
                    role="viewer",
                    billing=billing,
                )


@pytest.fixture(scope="module")
def house(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An installation of two accounts and four projects, in use since the first of June."""
    with migrated.transaction() as session:
        session.execute(text("set local session_replication_role = replica"))
        session.execute(text('truncate account, "user", product cascade'))
    furnish(migrated)
    folder = tmp_path_factory.mktemp("console")
    store = open_usage(folder)
    house = House(Settings(data_dir=folder), migrated, store)
    with browsing(house, NOW) as browser:
        answer = browser.post("/api/v1/events", json=EVENTS, headers=browser.key)
        assert answer.json()["accepted"] == len(EVENTS)
    yield house
    store.close()


@pytest.fixture
def client(house: House) -> Iterator[Browser]:
    """A browser that nobody has used yet, before a server that was just started."""
    with browsing(house, NOW) as browser:
        yield browser


def link(page: httpx.Response, name: str) -> str:
    found = re.search(rf'id="{name}"[^>]* href="([^"]+)"', page.text)
    assert found, page.text
    return html.unescape(found[1])


def figures(page: httpx.Response) -> list[str]:
    return re.findall(r"<dd>([^<]+)</dd>", page.text)


def test_the_first_page_is_behind_the_sign_in_and_comes_after_it(client: Browser) -> None:
    assert client.get("/").headers["location"] == "/sign-in?next=%2F"
    wanted = client.get("/invoice-preview?account=acme&by=product")
    assert wanted.status_code == 303
    form = client.get(wanted.headers["location"])
    assert form.status_code == 200
    answer = sign_in(client, next="/invoice-preview?account=acme&by=product")
    assert (answer.status_code, answer.headers["location"]) == (303, "/invoice-preview?account=acme&by=product")
    assert client.get("/sign-in").headers["location"] == "/"
    assert client.get("/").headers["location"] == "/overview"


def test_a_swapped_part_leads_a_signed_out_reader_to_the_form(client: Browser) -> None:
    answer = client.get("/invoice-preview?account=acme", headers={"hx-request": "true"})
    assert answer.headers["hx-redirect"].startswith("/sign-in?next=%2Finvoice-preview")


def test_the_page_shows_what_the_api_says(client: Browser) -> None:
    sign_in(client, "all@acme.example")
    page = client.get("/invoice-preview?account=acme&open=*")
    told = client.get("/api/v1/invoices/preview?account=acme", headers=client.key).json()
    assert told["total"] == "13.50"
    assert figures(page)[0] == "$13.50"
    assert "12.00 × 270 h / 720 h" in page.text  # noqa: RUF001
    assert page.text.count(">4.50<") == 6
    assert "All of the account: 3 projects" in page.text
    assert "Data through Jun 12 06:00 UTC" in page.text


def test_both_groupings_have_the_same_total(client: Browser) -> None:
    sign_in(client, "all@acme.example")
    pages = [client.get(f"/invoice-preview?account=acme&by={by}") for by in ("project", "product")]
    assert figures(pages[0]) == figures(pages[1])
    assert [re.search(r'aria-current="true">By (\w+)', page.text)[1] for page in pages] == ["project", "product"]  # type: ignore[index]


def test_only_projects_with_the_billing_permission_are_seen(client: Browser) -> None:
    sign_in(client)
    page = client.get("/invoice-preview?account=acme&open=*")
    assert figures(page)[0] == "$9.00"
    assert "2 projects where you hold the billing permission" in page.text
    assert "Hidden API" not in page.text
    assert 'aria-expanded="true"' not in client.get("/invoice-preview?account=acme&open=api").text


def test_without_the_permission_there_is_no_amount(client: Browser) -> None:
    sign_in(client, "none@acme.example")
    page = client.get("/invoice-preview")
    assert page.status_code == 200
    assert "There is no project to show" in page.text
    assert "$" not in page.text


def test_without_any_project_the_page_says_what_to_do(client: Browser) -> None:
    sign_in(client, "nobody@nowhere.example")
    assert "You belong to no project yet" in client.get("/invoice-preview").text


@pytest.mark.parametrize("email", ["two@acme.example", "nobody@nowhere.example"])
def test_another_account_answers_as_if_it_did_not_exist(client: Browser, email: str) -> None:
    sign_in(client, email)
    foreign, unknown = (client.get(f"/invoice-preview?account={code}") for code in ("other", "no-such"))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.text.replace("other", "") == unknown.text.replace("no-such", "")


def test_names_are_written_never_run(client: Browser) -> None:
    sign_in(client)
    for by in ("project", "product"):
        page = client.get(f"/invoice-preview?account=acme&by={by}&open=*").text
        assert "&lt;script&gt;alert(&#39;project&#39;)&lt;/script&gt;" in page
        assert SCRIPT not in page
        assert LONG in page


def test_a_month_without_usage_and_one_that_has_not_begun(client: Browser) -> None:
    sign_in(client)
    empty = client.get("/invoice-preview?account=acme&month=2026-01")
    assert "Nothing was metered in January 2026" in empty.text
    assert "See June 2026" in empty.text
    future = client.get("/invoice-preview?account=acme&month=2026-07")
    assert 400 <= future.status_code < 500
    assert "has not begun yet" in future.text
    for wrong in ("month=2026-13", "month=x", "by=colour"):
        assert 400 <= client.get(f"/invoice-preview?account=acme&{wrong}").status_code < 500


def test_groups_open_without_javascript(client: Browser) -> None:
    sign_in(client)
    page = client.get("/invoice-preview?account=acme")
    assert page.text.count('aria-expanded="false"') == 2
    assert 'class="lines"' not in page.text
    opened = client.get(link(page, "toggle-web"))
    assert opened.text.count('aria-expanded="true"') == opened.text.count('class="lines"') == 1
    everything = client.get(link(opened, "toggle-all"))
    assert everything.text.count('aria-expanded="true"') == 2
    assert client.get(link(everything, "toggle-shop")).text.count('aria-expanded="true"') == 1


@pytest.mark.parametrize(
    ("language", "title", "month", "units"),
    [
        ("en", "Invoice preview", "June 2026", "Metered units"),
        ("ko", "청구서 미리보기", "2026년 6월", "과금 집계량"),
        ("ja", "請求書プレビュー", "2026年6月", "課金集計量"),
    ],
)
def test_pages_speak_three_languages_and_remember_which(
    client: Browser, language: str, title: str, month: str, units: str
) -> None:
    sign_in(client)
    asked = client.get(f"/invoice-preview?account=acme&lang={language}")
    remembered = client.get("/invoice-preview?account=acme", headers={"accept-language": "fr"})
    for page in (asked, remembered):
        assert f'<html lang="{language}"' in page.text
        assert all(word in page.text for word in (f"<h1>{title}</h1>", month, units))
    assert f'<html lang="{language}"' in client.get("/nowhere").text


def test_the_browsers_language_is_the_first_guess(client: Browser) -> None:
    assert '<html lang="ja"' in client.get("/sign-in", headers={"accept-language": "ja-JP,ja;q=0.9"}).text


def test_the_theme_is_remembered(client: Browser) -> None:
    assert "data-theme" not in client.get("/sign-in").text
    assert 'data-theme="dark"' in client.get("/sign-in?theme=dark").text
    assert 'data-theme="dark"' in client.get("/sign-in").text
    assert "data-theme" not in client.get("/sign-in?theme=auto").text


def test_a_wrong_sign_in_says_so_and_nothing_more(client: Browser) -> None:
    answers = [sign_in(client, email, "wrong password") for email in ("two@acme.example", "unknown@acme.example")]
    for answer in answers:
        assert answer.status_code == 401
        assert "The email or the password is wrong." in answer.text
        assert "meterbook_session" not in answer.headers.get("set-cookie", "")


def test_the_cookies_are_out_of_reach(client: Browser) -> None:
    set_now = sign_in(client).headers.get_list("set-cookie")
    session = next(cookie for cookie in set_now if cookie.startswith("meterbook_session="))
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Max-Age=43200"} <= set(session.split("; "))
    assert "Secure" not in session


def test_over_https_the_cookies_insist_on_it(client: Browser) -> None:
    client.http.base_url = httpx.URL("https://testserver")
    set_now = sign_in(client).headers.get_list("set-cookie")
    session = next(cookie for cookie in set_now if "meterbook_session=" in cookie)
    assert session.startswith("__Host-meterbook_session=")
    assert {"Secure", "HttpOnly", "Path=/"} <= set(session.split("; "))
    assert "Domain" not in session
    assert client.get("/invoice-preview").status_code == 200


def test_signing_out_ends_the_session_itself(client: Browser) -> None:
    sign_in(client)
    kept = client.cookies["meterbook_session"]
    token = token_of(client.get("/invoice-preview"))
    assert client.post("/sign-out", data={"form_token": "x.y"}).status_code == 403
    assert client.post("/sign-out", data={"form_token": token}).headers["location"] == "/sign-in"
    client.cookies.set("meterbook_session", kept)
    assert client.get("/invoice-preview").headers["location"].startswith("/sign-in")


def test_a_form_of_another_site_is_refused(client: Browser) -> None:
    form = {"email": "two@acme.example", "password": PASSWORD}
    assert client.post("/sign-in", data=form).status_code == 403
    good = form | {"form_token": token_of(client.get("/sign-in"))}
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ):
        assert client.post("/sign-in", data=good, headers=headers).status_code == 403
    assert client.post("/sign-in", data=good, headers={"origin": "http://testserver"}).status_code == 303


def test_a_form_token_of_another_browser_is_refused(client: Browser) -> None:
    token = token_of(client.get("/sign-in"))
    client.cookies.clear()
    client.get("/sign-in")
    form = {"email": "two@acme.example", "password": PASSWORD, "form_token": token}
    assert client.post("/sign-in", data=form).status_code == 403


def test_the_way_back_after_signing_in_is_never_another_site(client: Browser) -> None:
    assert sign_in(client, next="https://evil.example/").headers["location"] == "/"


def test_guessing_passwords_is_slowed_down(client: Browser) -> None:
    for _ in range(10):
        assert sign_in(client, password="guess guess guess").status_code == 401
    refused = sign_in(client)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "300"
    assert "Too many attempts" in refused.text
    assert sign_in(client, "all@acme.example").status_code == 303


def test_signing_in_often_is_no_guessing(client: Browser) -> None:
    for _ in range(12):
        client.cookies.clear()
        assert sign_in(client).status_code == 303


def test_every_answer_carries_the_security_headers(client: Browser) -> None:
    sign_in(client)
    answers = [client.get(path) for path in ("/invoice-preview", "/nowhere", "/", static_url("console.js"))]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answers[0].headers["cache-control"] == "no-store"


def test_pages_hold_nothing_inline_that_runs_or_styles(client: Browser) -> None:
    form, missing = client.get("/sign-in").text, client.get("/nowhere").text
    sign_in(client)
    for page in (form, missing, client.get("/invoice-preview?open=*").text):
        scripts = re.findall(r"<script([^>]*)>", page)
        assert all("src=" in script or 'type="application/json"' in script for script in scripts)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)


def test_built_files_may_be_kept_and_come_compressed(client: Browser) -> None:
    answer = client.get(static_url("console.css"), headers={"accept-encoding": "gzip"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert client.get("/static/console.css").headers["cache-control"] == "no-cache"
    assert client.get("/static/../pages.py").status_code == 404


def test_an_unknown_page_is_a_page(client: Browser) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "This page does not exist" in answer.text
