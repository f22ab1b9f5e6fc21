"""Every page of the operator's: to a customer there is none, a visitor signs in first, a post needs its form."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute

from meterbook.console.operator import routes
from meterbook.database import Database
from meterbook.house import House
from tests.conftest import emptied
from tests.console.browser import Browser, browsing
from tests.console.staff import CUSTOMER, at_the_desk, customer_of, staffed, words
from tests.office import Office

# What stands in an address for each part that varies; the account and the invoice are the customer's own.
PLACES = {
    "project": "own",
    "member": "1",
    "prefix": "mbk_e_abcdefghij",
    "payment": "1",
    "letter": "1",
    "month": "2027-06",
    "promotion": "OWN",
    "task": "deliver",
    "credit": "1",
}


def addresses(number: str, user: int) -> list[tuple[str, str]]:
    """Return method and address of every route under /operator, about what is there."""
    found = []
    for route in [route for router in routes.ROUTERS for route in router.routes]:
        assert isinstance(route, APIRoute)
        is_promotion = route.path.startswith("/promotions/")
        places = PLACES | {"code": "OWN" if is_promotion else "own", "number": number, "user": str(user)}
        path = re.sub(r"\{(\w+)[^}]*\}", lambda part, places=places: places[part[1]], routes.PREFIX + route.path)
        found += [(method, path) for method in route.methods]
    return found


@pytest.fixture(scope="module")
def installation(
    migrated: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Office, House, list[tuple[str, str]]]]:
    with staffed(emptied(migrated), tmp_path_factory.mktemp("access")) as (office, house):
        code = office.account()
        office.register(code)
        number = office.issued(code, "10").number
        assert number is not None
        user = customer_of(office, code)
        walked = [(method, path.replace("/own", f"/{code}")) for method, path in addresses(number, user)]
        yield office, house, walked


def ask(browser: Browser, method: str, path: str) -> tuple[int, str, str]:
    answer = browser.get(path) if method == "GET" else browser.post(path, data={})
    return answer.status_code, answer.headers.get("location", ""), words(answer)


def test_there_are_routes_to_walk(installation: tuple[Office, House, list[tuple[str, str]]]) -> None:
    walked = installation[2]
    assert len([path for method, path in walked if method == "GET"]) > 20
    assert len([path for method, path in walked if method == "POST"]) > 15
    assert all(path.startswith("/operator") and "{" not in path for _, path in walked)


def test_to_a_customer_no_page_exists(installation: tuple[Office, House, list[tuple[str, str]]]) -> None:
    office, house, walked = installation
    with at_the_desk(office, house, CUSTOMER) as browser:
        nothing = browser.get("/operator/no-such-page")
        assert nothing.status_code == 404
        told = {(method, path): ask(browser, method, path) for method, path in walked}
    assert {where: answer for where, answer in told.items() if answer != (404, "", words(nothing))} == {}


def test_a_visitor_signs_in_first(installation: tuple[Office, House, list[tuple[str, str]]]) -> None:
    office, house, walked = installation
    with browsing(house, office.now) as browser:
        for method, path in walked:
            status, location, _ = ask(browser, method, path)
            assert (status, location.partition("?")[0]) == (303, "/sign-in"), (method, path)


def test_a_post_needs_the_form_that_was_shown(installation: tuple[Office, House, list[tuple[str, str]]]) -> None:
    office, house, walked = installation
    with at_the_desk(office, house) as browser:
        posts = [path for method, path in walked if method == "POST"]
        assert {path: ask(browser, "POST", path)[0] for path in posts} == dict.fromkeys(posts, 403)
        forged = {path: browser.post(path, data={"form_token": "0.0"}).status_code for path in posts}
        assert forged == dict.fromkeys(posts, 403)


def test_the_staff_sees_every_page(installation: tuple[Office, House, list[tuple[str, str]]]) -> None:
    office, house, walked = installation
    with at_the_desk(office, house) as browser:
        told = {path: ask(browser, "GET", path)[0] for method, path in walked if method == "GET"}
    # there is no such payment, credit, promotion code or draft; what is issued is shown on its own page
    missing = {path for path, status in told.items() if status == 404}
    assert all(re.search("/(payments|credits|promotions/OWN)", path) for path in missing), missing
    # what is not written off is not reinstated
    refused = {path for path, status in told.items() if status == 409}
    assert all(path.endswith("/reinstatement") for path in refused), refused
    assert {status for path, status in told.items() if path not in missing | refused} <= {200, 303}


def test_the_first_page_leads_the_staff_here(installation: tuple[Office, House, list[tuple[str, str]]]) -> None:
    office, house, _ = installation
    with at_the_desk(office, house) as browser:
        assert browser.get("/").headers["location"] == "/operator"


def test_a_long_field_is_refused(installation: tuple[Office, House, list[tuple[str, str]]]) -> None:
    office, house, _ = installation
    with at_the_desk(office, house) as browser:
        page = browser.get("/operator/new-account")
        token = re.search(r'name="form_token" value="([^"]+)"', page.text)
        assert token
        answer = browser.post("/operator/new-account", data={"form_token": token[1], "code": "c" * 5_000})
        assert answer.status_code == 422
        assert "characters at most" in words(answer)
