"""Who is of the staff, and who signs in at all: colleagues invited, rights given and taken, people removed."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.policy import default
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from meterbook.accounts.create_key import create_key
from meterbook.house import House
from tests.console.browser import Browser, browsing, sign_in
from tests.console.staff import CUSTOMER, STAFF, at_the_desk, customer_of, done, form_of, send, words
from tests.office import Office

PEOPLE = "/operator/people"
COLLEAGUE = "col@operator.example"


def page_of(staff: Browser, email: str) -> httpx.Response:
    """Open somebody's page by the list that finds them."""
    found = re.search(
        rf'href="(/operator/people/\d+)">{re.escape(email)}<', staff.get(f"{PEOPLE}?who=all&q={email}").text
    )
    assert found, email
    return staff.get(found[1])


def press(staff: Browser, whom: str, step: str, **fields: str) -> httpx.Response:
    page = page_of(staff, whom)
    return send(staff, page, page.url.path, step=step, **fields)


def counted(office: Office, table: str) -> int:
    with office.database.transaction() as session:
        return int(session.scalar(text(f"select count(*) from {table}")) or 0)


def test_a_colleague_comes_in_by_the_letter(staff: Browser, office: Office, house: House) -> None:
    form = {"email": f" {COLLEAGUE.upper()} "}
    assert done(send(staff, staff.get(PEOPLE), PEOPLE, **form)) == f"{PEOPLE}?done=colleague-invited"
    shown = words(staff.get(PEOPLE))
    assert COLLEAGUE in shown
    assert "invited" in shown
    assert office.work() > 0
    letters: list[Any] = [message_from_bytes(path.read_bytes(), policy=default) for path in office.letters()]
    (letter,) = [each for each in letters if each["to"] == COLLEAGUE]
    assert letter["subject"] == f"Your invitation to the staff of {office.settings.legal_entity_name}"
    said = letter.get_content()
    assert STAFF in said
    path = re.search(r"(/invitation/\S+)", said)
    assert path is not None
    with browsing(house, office.now) as browser:
        browser.get(path[1])
        assert done(send(browser, browser.get(path[1]), path[1], name="Col", password="a first long password")) == "/"
        assert browser.get(PEOPLE).status_code == 200
    refused = send(staff, staff.get(PEOPLE), PEOPLE, **form)
    assert refused.status_code == 409
    assert "of the staff already" in words(refused)
    # a page that was opened before they came in still has the button
    stale = press(staff, COLLEAGUE, "invite")
    assert stale.status_code == 409
    assert "of the staff already" in words(stale)


def test_rights_of_the_staff_end_with_the_next_request(staff: Browser, office: Office, house: House) -> None:
    code = office.account()
    customer_of(office, code)
    assert done(press(staff, CUSTOMER, "staff")).endswith("?done=user-staff")
    with at_the_desk(office, house, CUSTOMER) as browser:
        assert browser.get("/operator/accounts").status_code == 200
        press(staff, CUSTOMER, "no-staff")
        assert browser.get("/operator/accounts").status_code == 404
        assert browser.get(f"/overview?account={code}").status_code == 200
        press(staff, CUSTOMER, "sign-out")
        assert browser.get(f"/overview?account={code}").status_code == 303


def test_who_is_removed_is_nobody(staff: Browser, office: Office, house: House) -> None:
    code, leaver = office.account(), "leaver@customer.example"
    customer_of(office, code, leaver)
    with at_the_desk(office, house, leaver) as browser:
        before = counted(office, '"user"'), counted(office, "membership")
        refused = press(staff, leaver, "remove")
        assert (refused.status_code, counted(office, '"user"')) == (422, before[0])
        assert done(press(staff, leaver, "remove", confirm="1")) == f"{PEOPLE}?done=user-remove"
        assert (counted(office, '"user"'), counted(office, "membership")) == (before[0] - 1, before[1] - 1)
        assert browser.get(f"/overview?account={code}").status_code == 303
        assert sign_in(browser, leaver).status_code == 401
    customer_of(office, code, leaver)
    with at_the_desk(office, house, leaver) as browser:
        assert browser.get(f"/overview?account={code}").status_code == 200


def test_who_has_another_email_signs_in_with_it(staff: Browser, office: Office, house: House) -> None:
    old, new = "old@customer.example", "new@customer.example"
    code = office.account()
    customer_of(office, code, old)
    with at_the_desk(office, house, old) as browser:
        for wrong, status, message in (("nothing", 422, "is not an e-mail address"), (STAFF, 409, "of somebody else")):
            refused = press(staff, old, "email", email=wrong)
            assert refused.status_code == status
            assert message in words(refused)
        assert done(press(staff, old, "email", email=f" {new.upper()}")).endswith("?done=user-email")
        assert browser.get(f"/overview?account={code}").status_code == 200
    with browsing(house, office.now) as browser:
        assert sign_in(browser, old).status_code == 401
        assert sign_in(browser, new).status_code == 303
        assert browser.get(f"/overview?account={code}").status_code == 200


@pytest.mark.parametrize("step", ["no-staff", "remove"])
def test_nobody_takes_their_own_rights(staff: Browser, step: str) -> None:
    page = page_of(staff, STAFF)
    assert "This is you" in words(page)
    assert not re.search(r'name="step" value="(no-staff|remove)"', page.text)
    other = staff.get(PEOPLE)
    token = re.search(r'name="form_token" value="([^"]+)"', other.text)
    assert token
    refused = staff.post(page.url.path, data={"form_token": token[1], "step": step, "confirm": "1"})
    assert refused.status_code == 409
    assert "These are your own rights" in words(refused)
    assert staff.get("/operator").status_code == 200


def test_a_key_that_may_do_everything_is_ended(staff: Browser, office: Office) -> None:
    with office.database.transaction() as session:
        made = create_key(session, office.now, scope="operator", name="deploys")
        others = create_key(session, office.now, scope="events", account=office.row(office.account()))
    asked = "/api/v1/accounts", {"Authorization": f"Bearer {made.secret}"}
    assert staff.get(asked[0], headers=asked[1]).status_code == 200
    page = staff.get(PEOPLE)
    assert f"{made.key.prefix} deploys" in words(page)
    assert others.key.prefix not in page.text
    path = f"/operator/keys/{made.key.prefix}"
    assert done(send(staff, page, path)) == f"{PEOPLE}?done=key-ended"
    assert staff.get(asked[0], headers=asked[1]).status_code == 401
    assert made.key.prefix not in words(staff.get(PEOPLE))
    form = form_of(page, path)
    assert staff.post(f"/operator/keys/{others.key.prefix}", data=form).status_code == 404


def test_the_list_parts_the_staff_from_everybody(staff: Browser, office: Office) -> None:
    customer_of(office, office.account())
    assert CUSTOMER not in words(staff.get(PEOPLE))
    everybody = words(staff.get(f"{PEOPLE}?who=all"))
    assert CUSTOMER in everybody
    assert STAFF in everybody
    assert STAFF not in words(staff.get(f"{PEOPLE}?who=all&q=ann@"))
    assert staff.get(f"{PEOPLE}/999999").status_code == 404


def test_who_is_removed_gets_no_letter(staff: Browser, office: Office) -> None:
    gone = "gone@operator.example"
    done(send(staff, staff.get(PEOPLE), PEOPLE, email=gone))
    done(press(staff, gone, "remove", confirm="1"))
    assert office.work() > 0
    assert [path for path in office.letters() if gone.encode() in path.read_bytes()] == []
