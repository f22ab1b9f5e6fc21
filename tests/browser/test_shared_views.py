"""What a view keeps in its address and in the history: a plot as a reader made it, the window, the names of an hour."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import FINANCE, NARROW, Desk, View
from tests.browser.soundness import axe, settle, shift

BOTH = pytest.mark.parametrize("view", [View(), View("ko", NARROW, "dark", scripts=False)], ids=str)
PREVIEW = "/invoice-preview?account=acme&open=shop"
MANY = "/metering?account=acme&project=shop&product=server&month=2026-11"


def heights(page: Page, place: int) -> set[float]:
    """Return how tall the bars of the product at a place are drawn, in percent."""
    bars = page.locator(f'rect.bar[data-series="{place}"]')
    tall: list[str] = bars.evaluate_all("(bars) => bars.map((bar) => bar.getAttribute('height'))")
    return {float(each.rstrip("%")) for each in tall}


@BOTH
@pytest.mark.parametrize("path", ["/overview?account=acme", PREVIEW, "/usage?account=acme&project=shop"])
def test_a_plot_is_shared_as_its_reader_made_it(desk: Desk, view: View, path: str) -> None:
    with desk.fresh_page(FINANCE, view, path) as page:
        figures = page.locator("main").locator(".figures, .summary").first.inner_text()
        top = page.locator(".amounts text:not([hidden])").last.text_content()
        steps = page.evaluate("() => history.length") if view.scripts else 0
        page.locator(".legend-item[data-product=apm], button.legend-item", has_text="APM").click()
        expect(page).to_have_url(re.compile("hide=apm"))
        if view.scripts:
            page.locator(".figures-table > summary").click()
            expect(page).to_have_url(re.compile("table=1"))
            assert page.evaluate("() => history.length") == steps
        else:
            page.goto(page.url.replace("hide=apm", "hide=apm&table=1"))
        scale = page.locator(".amounts text:not([hidden])").all_text_contents()
        if view.scripts:
            page.reload()
        expect(page.locator("table.days")).to_be_visible()
        expect(page.locator(".legend-item.off")).to_have_count(1)
        names = page.locator("li:has(> .legend-item)").all_text_contents()
        place = next(place for place, name in enumerate(names) if name.startswith("APM"))
        assert heights(page, place) == {0}
        if view.scripts:
            settle(page)
            assert shift(page) == []
        assert axe(page) == []
        assert page.locator(".amounts text:not([hidden])").all_text_contents() == scale
        assert scale[-1] != top
        assert page.locator("main").locator(".figures, .summary").first.inner_text() == figures
        expect(page.locator("table.days thead")).to_contain_text("APM")


def test_links_forms_and_swaps_keep_the_plot(desk: Desk) -> None:
    with desk.fresh_page(FINANCE, View(), PREVIEW) as page:
        page.locator("button.legend-item", has_text="APM").click()
        page.locator(".figures-table > summary").click()
        page.locator("#by-product").click()
        expect(page).to_have_url(re.compile("by=product.*hide=apm&table=1"))
        page.locator("button.legend-item", has_text="APM").click()
        page.locator("button.legend-item", has_text="Log").click()
        page.fill("#find-product", "server")
        expect(page).to_have_url(re.compile("hide=log.*q=server|q=server.*hide=log"))
        page.get_by_role("link", name="October 2026").click()
        expect(page).to_have_url(re.compile("month=2026-10.*hide=log"))
        expect(page.locator("button.legend-item.off")).to_have_text("Log")
        expect(page.locator("table.days")).to_be_visible()

        page.goto("/usage?account=acme&project=shop")
        page.locator("button.legend-item", has_text="APM").click()
        page.locator("table.usage-days a.toggle").nth(1).click()
        expect(page).to_have_url(re.compile("open=2026-11-19.*hide=apm"))
        page.fill("#find-project", "shop")
        expect(page).to_have_url(re.compile("q=shop.*hide=apm"))
        page.get_by_role("link", name="Last month", exact=True).click()
        expect(page).to_have_url(re.compile("period=last-month.*hide=apm"))


def test_the_last_product_that_is_left_out_leaves_no_bar(desk: Desk) -> None:
    with desk.fresh_page(FINANCE, View(), "/overview?account=acme") as page:
        items = page.locator("button.legend-item")
        for place in range(items.count()):
            items.nth(place).click()
        assert {height for place in range(items.count()) for height in heights(page, place)} == {0}
        assert page.locator(".amounts text:not([hidden])").all_text_contents() == ["0", "1"]
        page.reload()
        assert page.locator(".amounts text:not([hidden])").all_text_contents() == ["0", "1"]
        items.first.click()
        assert min(heights(page, 0)) > 0


CLOSES: dict[str, Callable[[Page], None]] = {
    "Escape": lambda page: page.keyboard.press("Escape"),
    "button": lambda page: page.locator("dialog .close").click(),
    "backdrop": lambda page: page.mouse.click(5, 400),
    "back": lambda page: page.go_back() and None,
}


@pytest.mark.parametrize(("how", "is_swapped"), list(zip(CLOSES, [True, False, False, True], strict=True)))
def test_a_window_that_is_closed_leaves_no_step_behind(desk: Desk, how: str, is_swapped: bool) -> None:
    with desk.fresh_page(FINANCE, View(), "/billing-history?account=acme") as page:
        page.goto(PREVIEW)
        if is_swapped:
            page.locator("#toggle-api").click()
            expect(page).to_have_url(re.compile("open=api,shop"))
        before = page.url
        page.evaluate("() => { window.isTheSame = true; }")
        opener = page.locator("a.metered[href*='project=shop']").first
        for _again in range(2):
            opener.click()
            expect(page.locator("dialog tbody.day").first).to_be_visible()
            page.locator("#metering-all").click()
            expect(page.locator("dialog tr.hour").first).to_be_visible()
            CLOSES[how](page)
            expect(page.locator("dialog")).to_be_hidden()
            expect(page).to_have_url(before)
            expect(opener).to_be_focused()
        assert page.evaluate("() => window.isTheSame === true"), "the page beneath was loaded again"
        page.go_forward()
        expect(page.locator("dialog tr.hour").first).to_be_visible()
        page.keyboard.press("Escape")
        expect(page).to_have_url(before)
        page.go_back()
        expect(page).to_have_url(re.compile("/billing-history"))
        expect(page.locator("dialog")).to_have_count(0)


def test_a_shared_window_that_is_closed_leaves_its_page(desk: Desk) -> None:
    with desk.fresh_page(FINANCE, View(), PREVIEW) as page:
        page.locator("a.metered").first.click()
        expect(page.locator("dialog tbody.day").first).to_be_visible()
        address = page.url
        page.reload()
        expect(page.locator("dialog tbody.day").first).to_be_visible()
        page.keyboard.press("Escape")
        expect(page).to_have_url(re.compile("/invoice-preview\\?account=acme&open=shop$"))
        expect(page.locator("main h1")).to_be_focused()
    with desk.fresh_page(FINANCE, View(), "/billing-history?account=acme") as page:
        page.goto(address)
        expect(page.locator("dialog tbody.day").first).to_be_visible()
        page.keyboard.press("Escape")
        expect(page).not_to_have_url(re.compile("metering="))
        expect(page.locator("#bill")).to_be_visible()
        page.go_back()
        expect(page).to_have_url(re.compile("/billing-history"))


@BOTH
def test_every_resource_of_an_hour_is_named(desk: Desk, view: View) -> None:
    _ = view.words
    with desk.fresh_page(FINANCE, view, f"{MANY}&open=*") as page:
        hour = page.locator("tr.hour", has=page.locator(".resources .more a")).first
        named = hour.locator(".resources .name")
        few = named.count()
        more = hour.locator(".resources .more a")
        box = more.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 24
        link = page.locator(f"[id='{more.get_attribute('id')}']")
        more.focus()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("named="))
        expect(link).to_have_attribute("aria-expanded", "true")
        units = int(link.locator("xpath=ancestor::tr").locator("td.num").first.inner_text())
        assert units > few
        expect(link.locator("xpath=ancestor::tr").locator(".resources .name")).to_have_count(units)
        assert axe(page) == []
        link.click()
        expect(link).to_have_attribute("aria-expanded", "false")
        expect(page).not_to_have_url(re.compile("named="))


def test_an_hour_of_usage_leads_to_the_names_of_its_resources(desk: Desk) -> None:
    with desk.fresh_page(FINANCE, View(), "/usage?account=acme&project=shop&open=2026-11-18") as page:
        more = page.locator("table.usage-days .resources .more a").last
        box = more.bounding_box()
        assert box is not None
        assert box["height"] >= 24
        more.click()
        names = page.locator("dialog [id^=names-]")
        expect(names).to_be_focused()
        expect(names).to_be_in_viewport()
        address = page.url
        page.keyboard.press("Escape")
        expect(more).to_be_focused()
        page.goto(address)
        expect(names).to_be_in_viewport()
