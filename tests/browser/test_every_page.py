"""Every page in the browser: axe, focus, width, calm, weight and paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from playwright.sync_api import Page

from meterbook.console.door import mount
from tests.browser.desk import HEIGHT, NARROW, WIDE, Desk, View
from tests.browser.pages import NOT_PAGES, PAGES, Places
from tests.browser.soundness import axe, settle, shift, sideways, unseen_focus

MOST_BYTES = 150_000
BETWEEN = (820, 1024)
PAPER = 794  # an A4 sheet without margins
CONTROLS = "button:not(.legend-item), [role=button], input, select, textarea, form:not(:has(table)), .switch, .chevron"
WHITE = ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_sound(desk: Desk, places: Places, name: str) -> None:
    """At both widths, each in a theme, on paper, and light on the first look; the languages have the other themes.

    No page is wider than its window between the widths either.
    """
    person, path = places.of(name)
    with desk.page(person, View()) as page, watch_bytes(page) as received:
        page.goto(path)
        settle(page)
        weight = sum(received)
        faults = [] if 5_000 < weight < MOST_BYTES else [f"{weight} bytes on the first look"]
        faults += [*shift(page), *sideways(page), *axe(page)]
        page.emulate_media(color_scheme="dark")
        faults += [*unseen_focus(page), *on_paper(page)]
        for width in BETWEEN:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            faults += [f"at {width} px, {fault}" for fault in sideways(page)]
        page.set_viewport_size({"width": NARROW, "height": HEIGHT})
        faults += [*sideways(page), *axe(page)]
    assert not faults, "\n".join(faults)


@contextmanager
def watch_bytes(page: Page) -> Iterator[list[int]]:
    """Yield a list that grows by the bytes, compressed as they come, of all that a browser which kept nothing loads."""
    received = list[int]()
    protocol = page.context.new_cdp_session(page)
    protocol.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
    protocol.send("Network.enable")
    protocol.send("Network.setCacheDisabled", {"cacheDisabled": True})
    yield received
    protocol.detach()


def on_paper(page: Page) -> list[str]:
    """Return what is wrong with a page as it is printed; it looks as before when this returns."""
    page.emulate_media(media="print")
    page.set_viewport_size({"width": PAPER, "height": HEIGHT})
    faults = [f"print: {fault}" for fault in sideways(page)]
    if page.locator(".top-end, .side, details.bottom").filter(visible=True).count():
        faults.append("print: the menu is on it")
    if controls := page.locator(CONTROLS).filter(visible=True).count():
        faults.append(f"print: {controls} controls are on it")
    said = page.locator(".freshness").all_text_contents()
    if said and not page.get_by_text(said[0].strip(), exact=True).filter(visible=True).count():
        faults.append("print: how far the data reaches is not on it")
    if not page.locator("h1").first.is_visible():
        faults.append("print: no heading is on it")
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    if ground not in WHITE:
        faults.append(f"print: on {ground}")
    page.set_viewport_size({"width": WIDE, "height": HEIGHT})
    page.emulate_media(media="screen")
    return faults


def test_every_address_of_a_page_is_looked_at() -> None:
    looked_at = [path.partition("?")[0] for _, path in PAGES.values()]
    addresses = list(pages_of_the_console())
    assert len(addresses) > 40
    assert [address for address in addresses if not any(matches(address, path) for path in looked_at)] == []


def pages_of_the_console() -> Iterator[str]:
    """Yield the addresses that answer a GET with a page, with the names of their places."""
    console = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    mount(console)
    for route in iter_route_contexts(console.routes):
        path = str(route.path)
        if "GET" in (route.methods or ()) and path not in NOT_PAGES and not path.endswith((".csv", "/pdf")):
            yield path


def matches(path: str, address: str) -> bool:
    return re.fullmatch(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path)), address) is not None
