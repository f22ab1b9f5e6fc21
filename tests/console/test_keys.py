"""Keys that an account's own administrators make: what each may make, sees and ends."""

from __future__ import annotations

import html
import re

import pytest

from tests.console.browser import Browser, token_of
from tests.console.company import SCRIPT, STAFF, Company, posting

KEYS = "/account/keys?account=acme"
BOSS, LEAD, WEB = "boss@acme.example", "lead@acme.example", "web@acme.example"
SECRET = re.compile(r"mbk_[eao]_[a-z2-7]{10}_[A-Za-z0-9]{40}")


def made(browser: Browser, scope: str = "events", project: str = "", **more: str) -> str:
    """Make a key by the form and return its secret."""
    answer = browser.post(
        KEYS, data={"form_token": token_of(browser.get(KEYS)), "scope": scope, "project": project, **more}
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    (secret,) = SECRET.findall(answer.text)
    return str(secret)


def prefix_of(secret: str) -> str:
    return secret.rpartition("_")[0]


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def test_a_key_is_made_shown_once_and_revoked(company: Company) -> None:
    with company.open(BOSS) as browser:
        assert "No keys yet" in browser.get(KEYS).text
        secret = made(browser, "account", name=SCRIPT)
        page = browser.get(KEYS).text
        assert secret not in page
        assert prefix_of(secret) in page
        assert SCRIPT not in page
        assert SCRIPT in html.unescape(page)
        assert "never" in page
        assert browser.get("/api/v1/accounts", headers=bearer(secret)).json()["items"][0]["code"] == "acme"
        path = f"/account/keys/{prefix_of(secret)}/revoke?account=acme"
        assert posting(browser, KEYS, path).headers["location"] == "/account/keys?account=acme&done=revoked"
        assert browser.get("/api/v1/accounts", headers=bearer(secret)).status_code == 401
        assert prefix_of(secret) not in browser.get(KEYS).text
    kept = company.scalar("select encode(secret_sha256, 'hex') || prefix || name from api_key")
    assert secret not in kept


def test_one_form_makes_one_key(company: Company) -> None:
    with company.open(BOSS) as browser:
        page = browser.get(KEYS)
        form = re.search(r'name="form" value="([^"]+)"', page.text)
        assert form is not None
        sent = {"form_token": token_of(page), "form": form[1], "scope": "events"}
        first, again = (browser.post(KEYS, data=sent) for _ in range(2))
        assert SECRET.search(first.text)
        assert again.headers["location"] == "/account/keys?account=acme&done=made-before"
        assert "This form has made its key already" in browser.get(again.headers["location"]).text
    assert company.scalar("select count(*) from api_key") == 1


def test_a_key_for_the_account_needs_its_billing_too(company: Company) -> None:
    with company.open(LEAD) as browser:
        assert 'value="account"' not in re.sub(r'name="account"', "", browser.get(KEYS).text)
        made(browser, "events")
        for project in ("", "web"):
            answer = posting(browser, KEYS, KEYS, scope="account", project=project)
            assert answer.status_code == 409
            assert "You may not make a key of this kind here." in answer.text
    assert company.scalar("select count(*) from api_key") == 1


@pytest.mark.parametrize("email", [BOSS, LEAD, WEB, STAFF])
def test_nobody_makes_an_operators_key_here(company: Company, email: str) -> None:
    with company.open(email) as browser:
        for scope in ("operator", "", "x", "Events"):
            answer = posting(browser, KEYS, KEYS, scope=scope, project="web")
            assert answer.status_code in (409, 422)
    assert company.scalar("select count(*) from api_key") == 0


def test_an_administrator_of_a_project_makes_keys_that_send_for_it(company: Company) -> None:
    with company.open(WEB) as browser:
        page = browser.get(KEYS).text
        assert "The shop" not in page
        assert "Every project" not in page
        secret = made(browser, "events", "web")
        for scope, project, status in (
            ("events", "", 409),
            ("account", "web", 409),
            ("events", "shop", 422),
            ("events", "theirs", 422),
            ("events", "absent", 422),
        ):
            answer = posting(browser, KEYS, KEYS, scope=scope, project=project)
            assert answer.status_code == status, (scope, project)
        event = {"id": "1", "source": "s", "type": "t", "time": "2026-06-10T00:00:00Z"}
        sent = [{**event, "subject": project} for project in ("web", "shop")]
        reasons = browser.post("/api/v1/events", json=sent, headers=bearer(secret)).json()["rejected"]
        assert [each["reason"] for each in reasons] == [
            "unknown type, no product is metered by it: t",
            "unknown project: shop",
        ]
    assert company.scalar("select count(*) from api_key") == 1


def test_an_administrator_of_a_project_sees_no_other_keys(company: Company) -> None:
    with company.open(BOSS) as boss, company.open(WEB) as web, company.open("boss@other.example") as other:
        hidden = [prefix_of(made(boss, *key)) for key in (("events",), ("events", "shop"), ("account", "web"))]
        shown = prefix_of(made(boss, "events", "web"))
        page = web.get(KEYS).text
        assert shown in page
        assert not [prefix for prefix in hidden if prefix in page]
        absent = "mbk_e_aaaaaaaaaa"
        for prefix in hidden:
            answers = [posting(web, KEYS, f"/account/keys/{each}/revoke?account=acme") for each in (prefix, absent)]
            assert [each.status_code for each in answers] == [404, 404]
            assert answers[0].text.replace(prefix, absent) == answers[1].text
        theirs = "/account/keys?account=other"
        for prefix in (*hidden, shown):
            answer = posting(other, theirs, f"/account/keys/{prefix}/revoke?account=other")
            assert answer.status_code == 404
        assert company.scalar("select count(*) from api_key where revoked_at is not null") == 0
        assert posting(web, KEYS, f"/account/keys/{shown}/revoke?account=acme").status_code == 303


@pytest.mark.parametrize("email", ["member@acme.example", "finance@acme.example", "boss@other.example"])
@pytest.mark.parametrize("page", ["keys", "people"])
def test_to_others_the_pages_do_not_exist(company: Company, email: str, page: str) -> None:
    with company.open(email) as browser:
        answers = [browser.get(f"/account/{page}?account={code}") for code in ("acme", "absent")]
        assert [each.status_code for each in answers] == [404, 404]
        assert answers[0].text.replace("acme", "absent") == answers[1].text
        token = token_of(browser.get("/account"))
        form = {"form_token": token, "scope": "events", "email": "x@y.example", "place": "*", "role": "viewer"}
        assert browser.post(f"/account/{page}?account=acme", data=form).status_code == 404
    assert company.scalar("select count(*) from api_key") == 0
    assert company.scalar("select count(*) from membership") == 7


def test_the_first_account_that_one_manages_is_shown(company: Company) -> None:
    with company.open("boss@other.example") as browser:
        assert "Other Inc" in browser.get("/account/keys").text
    with company.open("nobody@nowhere.example") as browser:
        assert browser.get("/account/keys").status_code == 404


def test_a_key_ends_with_its_last_day(company: Company) -> None:
    with company.open(BOSS) as browser:
        secret = made(browser, expires_on="2026-06-12")
        assert company.scalar("select expires_at::text from api_key") == "2026-06-13 00:00:00+00"
        for wrong in ("2026-06-11", "tomorrow", "9999-12-31"):
            answer = posting(browser, KEYS, KEYS, scope="events", expires_on=wrong)
            assert answer.status_code == 422
            assert "Choose a day that is still to come." in answer.text
            assert f'value="{wrong}"' in answer.text
    with company.open(BOSS, days=1) as browser:
        page = browser.get(KEYS).text
        assert prefix_of(secret) in page
        assert "expired" in page


def test_keys_come_page_by_page(company: Company) -> None:
    company.scalar(
        "insert into api_key (prefix, secret_sha256, scope, account_id, name, created_at)"
        " select 'mbk_e_' || n, decode(lpad(n::text, 8, '0'), 'hex'), 'events', account.id, '', now()"
        " from account, generate_series(1, 101) as n where code = 'acme' returning 1"
    )
    with company.open(BOSS) as browser:
        page = browser.get(KEYS).text
        assert page.count("<code>") == 100
        older = re.search(r'href="([^"]+before=\d+)"', page)
        assert older is not None
        assert re.findall(r"<code>(.+?)</code>", browser.get(html.unescape(older[1])).text) == ["mbk_e_1"]
        for strange in ("x", "9" * 30):
            assert browser.get(f"{KEYS}&before={strange}").status_code == 422
