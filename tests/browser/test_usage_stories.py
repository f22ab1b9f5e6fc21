"""What readers do on the pages of usage, in every language, at both widths, with and without scripts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import DEVELOPER, FINANCE, VIEWER, VIEWS, WIDE, Desk, View
from tests.browser.soundness import unsound

EVERY_VIEW = pytest.mark.parametrize("view", VIEWS, ids=str)


def menu(page: Page, view: View, name: str) -> None:
    """Follow a link of the menu, which is a sheet at the bottom of narrow windows."""
    if view.width < WIDE:
        page.locator("details.bottom > summary").click()
    page.locator(".side" if view.width >= WIDE else "details.bottom").get_by_role("link", name=name, exact=True).click()


@EVERY_VIEW
def test_the_preview_opens_down_to_the_events_of_an_hour(desk: Desk, view: View) -> None:
    _ = view.words
    with desk.page(FINANCE, view, "/overview?account=acme") as page:
        menu(page, view, _("Invoice preview"))
        expect(page.get_by_role("heading", level=1)).to_have_text(_("Invoice preview"))
        bill = page.locator("#bill")

        page.get_by_role("link", name=_("By product"), exact=True).click()
        expect(page).to_have_url(re.compile("by=product"))
        page.locator("#toggle-server").click()
        expect(bill).to_contain_text(_("Several projects make up this row, so its hours do not open together."))
        bill.get_by_role("link", name=_("Split it by project")).click()

        expect(page).to_have_url(re.compile("by=project"))
        expect(page.locator("#toggle-shop")).to_have_attribute("aria-expanded", "false")
        page.locator("#toggle-shop").click()
        expect(page.locator("#toggle-shop")).to_have_attribute("aria-expanded", "true")
        assert unsound(page, view.language) == []
        metered = bill.locator("a.metered[href*='project=shop'][href*='product=server']").first
        metered.click()

        title = page.locator("#metering-title")
        expect(title).to_contain_text("Shop")
        days = page.locator("table.hours tbody.day")
        expect(days).to_have_count(20)
        expect(days.first.locator("tr.hour")).to_have_count(0)
        page.locator("#metering-all").click()
        expect(page.locator("#metering-all")).to_have_text(_("Collapse all"))
        expect(days.nth(1).locator("tr.hour")).to_have_count(24)

        page.locator("#metering-day").select_option("2026-11-18")
        if not view.scripts:
            page.get_by_role("button", name=_("Show"), exact=True).click()
        expect(days).to_have_count(1)
        expect(days.locator("tr.hour")).to_have_count(24)
        days.locator("tr.hour").nth(10).get_by_role("link").last.click()
        expect(page.locator("table.events tbody tr").first).to_contain_text("shop-web-")
        assert unsound(page, view.language) == []
        if view.scripts:
            page.get_by_role("button", name=_("Close"), exact=True).click()
            expect(page.locator("dialog")).to_be_hidden()
            expect(metered).to_be_focused()


@EVERY_VIEW
def test_usage_of_a_project_is_found_and_opens_by_day(desk: Desk, view: View) -> None:
    _ = view.words
    with desk.page(FINANCE, view, "/usage?account=acme") as page:
        if view.width < WIDE:
            page.locator(".chosen-name").click()
        page.fill("#find-project", "team=web")
        if not view.scripts:
            page.press("#find-project", "Enter")
        projects = page.locator(".project-list a")
        expect(projects).to_have_count(2)
        projects.filter(has_text="Shop").click()

        expect(page.locator(".project-head h2")).to_have_text("Shop")
        summary = page.locator("table.summary")
        expect(summary.locator("tbody tr")).to_have_count(7)
        days = page.locator("table.usage-days tbody.day")
        expect(days).to_have_count(20)
        expect(days.first).to_contain_text(_("not over yet"))
        days.nth(1).locator("a.toggle").click()
        expect(days.nth(1).locator("tr.hour")).to_have_count(24)
        expect(page).to_have_url(re.compile("open=2026-11-19"))

        assert unsound(page, view.language) == []
        page.get_by_role("link", name=_("Last month"), exact=True).click()
        expect(days).to_have_count(31)
        expect(page.locator(".facts")).to_contain_text(_("final"))


@EVERY_VIEW
def test_project_usage_has_every_project_and_hides_costs(desk: Desk, view: View) -> None:
    _ = view.words
    with desk.page(VIEWER, view, "/project-usage?account=acme") as page:
        expect(page.locator("#bill tbody.group")).to_have_count(2)
        expect(page.locator("#bill tbody.group .cost").first).to_contain_text("\N{EN DASH}")
        page.get_by_role("link", name=_("By product"), exact=True).click()
        expect(page.locator("#toggle-server")).to_be_visible()
        assert unsound(page, view.language) == []
        page.select_option("select[name=month]", "10")
        page.locator(".pick-month").get_by_role("button", name=_("Show"), exact=True).click()
        expect(page).to_have_url(re.compile("month=10|month=2026-10"))
        expect(page.locator(".facts")).to_contain_text(_("final"))


@EVERY_VIEW
def test_the_overview_answers_what_it_will_cost(desk: Desk, view: View) -> None:
    _ = view.words
    with desk.page(FINANCE, view, "/") as page:
        expect(page.get_by_role("heading", level=1)).to_have_text(_("Overview"))
        figures = page.locator(".figures")
        for name in ("So far", "Forecast", "Same hour last month", "Unpaid"):
            expect(figures).to_contain_text(_(name))
        expect(page.locator("[data-chart] svg.plot")).to_be_visible()
        page.locator("summary", has_text=_("Show as table")).click()
        expect(page.locator("table.days tbody tr").first).to_be_visible()
        assert unsound(page, view.language) == []


def test_without_the_billing_permission_projects_are_not_there(desk: Desk) -> None:
    with desk.page(DEVELOPER, View(), "/usage?account=acme") as page:
        expect(page.locator(".project-list a")).to_have_count(2)
        page.fill("#find-project", "Warehouse")
        expect(page.locator(".project-list a")).to_have_count(0)
        page.goto("/invoice-preview?account=acme")
        expect(page.locator("#bill tbody.group")).to_have_count(2)
        page.goto("/project-usage?account=acme")
        expect(page.locator("#bill tbody.group")).to_have_count(5)
        expect(page.locator(".side")).not_to_contain_text("Billing history")
        page.goto("/billing-history?account=acme")
        expect(page.locator("main")).to_contain_text("404")


def test_a_shared_address_opens_the_window(desk: Desk) -> None:
    with desk.page(FINANCE, View(), "/invoice-preview?account=acme&open=shop") as page:
        page.locator("a.metered[href*='product=server']").first.click()
        expect(page.locator("dialog #metering-title")).to_be_visible()
        page.locator("#metering-all").click()
        expect(page.locator("dialog tr.hour").first).to_be_visible()
        address = page.url
    with desk.page(FINANCE, View("ko"), address) as page:
        expect(page.locator("dialog tr.hour").first).to_be_visible()
        page.go_back()
        page.go_forward()
        expect(page.locator("dialog tr.hour").first).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("main h1")).to_be_focused()
