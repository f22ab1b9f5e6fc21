"""Every page in the browser: axe, colours, focus, width, calm, weight, print and language."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import iter_route_contexts
from playwright.sync_api import Page

from meterbook.console.my_usage.routes import router as my_usage
from meterbook.console.operator.routes import router as operator
from meterbook.console.person.routes import router as person
from tests.browser.desk import HEIGHT, NARROW, WIDE, Desk, View
from tests.browser.pages import MY_USAGE, NOT_PAGES, PAGES, Places
from tests.browser.soundness import WATCH_SHIFT, axe, colours, left_english, settle, shift, sideways, unseen_focus

MOST_BYTES = 150_000
# Between them every width in every theme; English goes through the other width and theme as well.
VIEWS = [View(), View("ko", NARROW), View("ja", WIDE, "dark")]


@pytest.mark.parametrize("view", VIEWS, ids=str)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_sound(desk: Desk, places: Places, name: str, view: View) -> None:
    person, path = places.of(name)
    with desk.page(person, view) as page:
        page.add_init_script(WATCH_SHIFT)
        page.goto(path)
        settle(page)
        faults = [*shift(page), *left_english(page, view.language), *sideways(page), *axe(page)]
        if view == View():
            page.emulate_media(color_scheme="dark")
            faults += [*colours(page), *unseen_focus(page)]
            page.set_viewport_size({"width": NARROW, "height": HEIGHT})
            faults += [*sideways(page), *axe(page)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", MY_USAGE)
def test_a_first_look_is_light(desk: Desk, places: Places, name: str) -> None:
    person, path = places.of(name)
    with desk.fresh_page(person, View()) as page:
        received = watch_bytes(page)
        page.goto(path)
        settle(page)
        assert 5_000 < sum(received) < MOST_BYTES


def watch_bytes(page: Page) -> list[int]:
    """Return a list that grows by the bytes, compressed as they come, of everything the page loads."""
    received = list[int]()
    protocol = page.context.new_cdp_session(page)
    protocol.send("Network.enable")
    protocol.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
    return received


@pytest.mark.parametrize("name", MY_USAGE)
def test_a_page_prints_without_its_frame(desk: Desk, places: Places, name: str) -> None:
    person, path = places.of(name)
    with desk.page(person, View(theme="dark"), path) as page:
        page.emulate_media(media="print")
        assert page.locator(".top, .side, details.bottom").filter(visible=True).count() == 0
        assert page.locator("h1").first.is_visible()
        assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") in (
            "rgb(255, 255, 255)",
            "rgba(0, 0, 0, 0)",
        )
        assert page.pdf(format="A4").startswith(b"%PDF-")


def test_every_address_of_a_page_is_looked_at() -> None:
    looked_at = [path.partition("?")[0] for _, path in PAGES.values()]
    addresses = list(pages_of_the_console())
    assert len(addresses) > 40
    assert [address for address in addresses if not any(matches(address, path) for path in looked_at)] == []


def pages_of_the_console() -> Iterator[str]:
    """Yield the addresses that answer a GET with a page, with the names of their places."""
    for room in (my_usage, operator, person):
        for route in iter_route_contexts(room.routes):
            path = str(route.path)
            if "GET" in (route.methods or ()) and path not in NOT_PAGES and not path.endswith((".csv", "/pdf")):
                yield path


def matches(path: str, address: str) -> bool:
    return re.fullmatch(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path)), address) is not None
