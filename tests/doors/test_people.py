"""A person's way in, through a server as an operator starts it: the invitation, its letter, a forgotten password."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from typing import Any

import httpx
import pytest
from pyotp import TOTP

from tests.doors.conftest import Served

EMAIL = "guest@people.example"
WAIT_SECONDS = 60


@pytest.fixture
def browser(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, verify=False, trust_env=False, timeout=60) as client:
        yield client


def link(served: Served, subject: str) -> str:
    """Wait for a letter of this subject to the guest, and return the link in it."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        for file in (served.folder / "mail").glob("*.eml"):
            letter: Any = message_from_bytes(file.read_bytes(), policy=default)
            if (letter["to"], letter["subject"]) == (EMAIL, subject):
                found = re.search(r"http\S+", letter.get_content())
                assert found is not None
                return found[0]
        time.sleep(0.05)
    raise AssertionError(f"no letter {subject!r} came")


def send(browser: httpx.Client, path: str, **form: str) -> httpx.Response:
    token = re.search(r'name="form_token" value="([^"]+)"', browser.get(path).text)
    assert token is not None
    return browser.post(
        path, data={"form_token": token[1], **form}, headers={"origin": str(browser.base_url).rstrip("/")}
    )


def test_an_invited_person_comes_in_and_back_in(served: Served, browser: httpx.Client) -> None:
    served.account("people", projects=["people-web"])
    told = served.run("user", "invite", EMAIL, "people-web", "--role", "admin", "--billing")
    assert told.output == f"{EMAIL} is invited.\n"
    invitation = link(served, "Your invitation to people")
    assert invitation.startswith(f"{served.url}/invitation/")
    came = send(browser, httpx.URL(invitation).path, name="Guest", password="a first long password")
    assert (came.status_code, came.headers["location"]) == (303, "/")
    assert "Guest" in browser.get("/account").text
    assert browser.get("/account/people?account=people").status_code == 200
    browser.cookies.clear()
    assert send(browser, "/forgotten-password", email=EMAIL).status_code == 303
    again = link(served, "Choose a new password")
    assert again.startswith(f"{served.url}/password/")
    chosen = send(browser, httpx.URL(again).path, password="a second long password")
    assert chosen.headers["location"] == "/sign-in?done=password"
    signed_in = send(browser, "/sign-in", email=EMAIL, password="a second long password")
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
    log = served.log
    assert not [address for address in (invitation, again) if address.rpartition("/")[2] in log]
    members = served.read("member", "list", "people")["items"]
    assert [(each["email"], each["project"], each["role"], each["billing"]) for each in members] == [
        (EMAIL, "people-web", "admin", True)
    ]


def test_somebody_of_the_staff_comes_and_goes(served: Served) -> None:
    email = "staff@people.example"
    told = served.run("user", "invite", email, "--operator")
    assert told.output == f"{email} is invited.\n"

    def standing() -> dict[str, bool]:
        return {each["email"]: each["operator"] for each in served.read("user", "list")["items"]}

    assert standing()[email] is True
    assert served.run("user", "change", email, "--no-operator").output == f"User {email} is changed.\n"
    assert standing()[email] is False
    moved = "moved@people.example"
    assert served.read("user", "change", email, "--email", moved)["email"] == moved
    assert email not in standing()
    email = moved
    assert served.run("user", "remove", email).output == f"User {email} is removed.\n"
    assert email not in standing()
    gone = served.run("user", "remove", email, ok=False)
    assert f"There is no user '{email}'" in str(gone.exception)


def test_who_lost_the_app_is_let_in_by_the_command(served: Served, browser: httpx.Client) -> None:
    email, password, page = "phone@people.example", "correct horse battery", "/account/two-factor"
    served.run("user", "add", email, "--password-stdin", stdin=f"{password}\n")
    send(browser, "/sign-in", email=email, password=password)
    secret = re.search(r'name="secret" value="(\w+)"', browser.get(page).text)
    assert secret is not None
    form = {"secret": secret[1], "code": TOTP(secret[1]).now(), "present_password": password}
    assert send(browser, page, step="on", **form).status_code == 201
    user = f"/users/{email}"
    assert served.api("PATCH", user, json={}).json()["two_factor"] is True
    assert served.api("PATCH", user, json={"two_factor": True}).status_code == 422
    browser.cookies.clear()
    began = send(browser, "/sign-in", email=email, password=password)
    assert began.headers["location"] == "/sign-in/code?next=%2F"
    assert served.read("user", "change", email, "--no-two-factor")["two_factor"] is False
    off, on, _ = served.get("/audit-log", subject=email)["items"]
    assert [(each["by"], list(each["changes"])) for each in (off, on)] == [
        ("local", ["totp_since"]),
        (email, ["totp_since"]),
    ]
    browser.cookies.clear()
    assert send(browser, "/sign-in", email=email, password=password).headers["location"] == "/"
    assert secret[1] not in served.log


@pytest.mark.parametrize(
    "body",
    [{"operator": True, "account": "people"}, {"operator": True, "role": "admin"}, {"account": "people"}],
    ids="-".join,
)
def test_an_invitation_says_one_place(served: Served, body: dict[str, object]) -> None:
    served.account("people", projects=["people-web"])
    before = served.read("user", "list")["items"]
    answer = served.api("POST", "/invitations", json={"email": "nobody@people.example", **body})
    assert answer.status_code == 422, answer.text
    assert served.read("user", "list")["items"] == before
