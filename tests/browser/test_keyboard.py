"""The console by keyboard: the way past the menu, menus, the window, and what a script swaps."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import FINANCE, NARROW, STAFF, Desk, View

MOST_STEPS = 200


def focused(page: Page) -> str:
    """Return what has the focus, as far as its opening tag says."""
    html: str = page.evaluate("() => document.activeElement.cloneNode(false).outerHTML")
    return html


@pytest.mark.parametrize("view", [View(), View("ja", NARROW)], ids=str)
def test_the_first_stop_leads_past_the_menu(desk: Desk, view: View) -> None:
    with desk.page(FINANCE, view, "/billing-history?account=acme") as page:
        page.keyboard.press("Tab")
        skip = page.locator("a.skip")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.locator("#content")).to_be_focused()


@pytest.mark.parametrize("person", [FINANCE, STAFF])
def test_every_stop_can_be_seen_and_left(desk: Desk, person: str) -> None:
    path = "/invoice-preview?account=acme&open=*" if person == FINANCE else "/operator/closes?month=2026-10"
    with desk.page(person, View(), path) as page:
        seen = []
        for _step in range(MOST_STEPS):
            page.keyboard.press("Tab")
            if page.evaluate("() => document.activeElement === document.body"):
                break
            # nothing that has the focus is under the bars that stay at the window's edge
            covered = page.evaluate(
                """() => {
                    const box = document.activeElement.getBoundingClientRect();
                    const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
                    return !!top && !document.activeElement.contains(top) && !top.contains(document.activeElement)
                        && !document.activeElement.labels?.[0]?.contains(top) && box.width > 1;
                }"""
            )
            assert not covered, focused(page)
            seen.append(focused(page))
        assert len(seen) > 10
        assert len(seen) < MOST_STEPS


@pytest.mark.parametrize("view", [View(), View("ko", NARROW)], ids=str)
def test_menus_open_and_close_by_keys(desk: Desk, view: View) -> None:
    with desk.page(FINANCE, view, "/billing-history?account=acme") as page:
        summary = page.locator("details.user > summary")
        summary.focus()
        page.keyboard.press("Enter")
        expect(page.locator("details.user")).to_have_attribute("open", "")
        page.keyboard.press("Tab")
        page.keyboard.press("Escape")
        expect(page.locator("details.user")).not_to_have_attribute("open", "")
        expect(summary).to_be_focused()


@pytest.mark.parametrize("view", [View(), View("ja", NARROW, "dark")], ids=str)
def test_the_window_keeps_the_focus_and_gives_it_back(desk: Desk, view: View) -> None:
    with desk.page(FINANCE, view, "/invoice-preview?account=acme&open=shop") as page:
        opener = page.locator("a.metered").first
        opener.focus()
        page.keyboard.press("Enter")
        expect(page.locator("dialog #metering-title")).to_be_focused()
        inside = "() => !!document.activeElement.closest('dialog') || document.activeElement === document.body"
        for _step in range(40):
            page.keyboard.press("Tab")
            assert page.evaluate(inside), focused(page)
        for _step in range(45):
            page.keyboard.press("Shift+Tab")
            assert page.evaluate(inside), focused(page)
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_be_hidden()
        expect(opener).to_be_focused()


def test_the_focus_stays_where_a_script_swaps(desk: Desk) -> None:
    with desk.page(FINANCE, View(), "/invoice-preview?account=acme") as page:
        for stop in ("#toggle-shop", "#toggle-all", "#by-product"):
            page.locator(stop).evaluate("(link) => { link.dataset.gone = ''; link.focus(); }")
            page.keyboard.press("Enter")
            expect(page.locator(f"{stop}[data-htmx-powered]:not([data-gone])")).to_be_focused()


def test_days_of_the_chart_are_read_by_arrow_keys(desk: Desk) -> None:
    with desk.page(FINANCE, View(), "/invoice-preview?account=acme") as page:
        page.locator("[data-chart]").focus()
        page.keyboard.press("End")
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#chart-reading")).to_contain_text("Nov 29")
        page.keyboard.press("Home")
        expect(page.locator("#chart-reading")).to_contain_text("Nov 1")
