"""What people do about themselves: sign in and out, by the code of an app too, choose a new password by a letter."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from pyotp import TOTP

from tests.browser.desk import FEW_VIEWS, FINANCE, VIEWS, Demo, Desk, View, sign_in
from tests.browser.soundness import unsound

EVERY_VIEW = pytest.mark.parametrize("view", VIEWS, ids=str)
IN_FEW_VIEWS = pytest.mark.parametrize("view", FEW_VIEWS, ids=str)


@EVERY_VIEW
def test_signing_in_leads_to_the_page_that_was_asked_for(desk: Desk, demo: Demo, view: View) -> None:
    _ = view.words
    with desk.fresh_page(None, view, "/balance?account=saebom") as page:
        expect(page.get_by_role("heading", level=1)).to_have_text(_("Sign in"))
        sign_in(page, FINANCE, "a wrong password")
        expect(page.get_by_role("alert")).to_have_text(_("The email or the password is wrong."))
        faults = unsound(page, view.language)
        sign_in(page, FINANCE, demo.passwords[FINANCE])
        expect(page).to_have_url(re.compile(r"/balance\?account=saebom"))
        expect(page.get_by_role("heading", level=1)).to_have_text(_("Balance"))

        page.locator("details.user > summary").click()
        page.get_by_role("button", name=_("Sign out")).click()
        expect(page).to_have_url(re.compile("/sign-in"))
        page.goto("/balance?account=saebom")
        expect(page).to_have_url(re.compile("/sign-in"))
    assert faults == []


@EVERY_VIEW
def test_a_forgotten_password_is_chosen_anew_by_a_letter(desk: Desk, demo: Demo, view: View) -> None:
    _ = view.words
    email = demo.person("forgetful", view.language)
    with desk.fresh_page(None, view, "/sign-in") as page:
        page.get_by_role("link", name=_("Forgot your password?")).click()
        page.fill("#email", email)
        page.get_by_role("button", name=_("Send the link")).click()
        expect(page.get_by_role("status").first).to_be_visible()

        page.goto(f"/password/{demo.link(email, 'password')}")
        page.fill("#password-new", "short")
        page.press("#password-new", "Enter")
        expect(page).to_have_url(re.compile("/password/"))
        faults = unsound(page, view.language)
        page.fill("#password-new", "a longer one than before")
        page.press("#password-new", "Enter")
        expect(page).to_have_url(re.compile("/sign-in"))
        sign_in(page, email, demo.passwords[email])
        expect(page.get_by_role("alert")).to_be_visible()
        sign_in(page, email, "a longer one than before")
        expect(page).not_to_have_url(re.compile("/sign-in"))
    assert faults == []


@IN_FEW_VIEWS
def test_two_factor_authentication_is_turned_on_and_asked_for(desk: Desk, demo: Demo, view: View) -> None:
    _ = view.words
    email = demo.person("careful", view.language)
    with desk.fresh_page(email, view, "/account") as page:
        page.locator("section", has=page.locator("#two-factor-title")).get_by_role("button").click()
        secret = str(page.locator("input[name=secret]").get_attribute("value"))
        expect(page.get_by_role("img").first).to_be_visible()
        page.fill("#code", TOTP(secret).at(demo.now()))
        page.fill("#on-present", demo.passwords[email])
        page.press("#on-present", "Enter")
        codes = page.locator(".recovery-codes code")
        expect(codes).to_have_count(10)
        faults = unsound(page, view.language)
        code = codes.nth(4).inner_text()
        page.get_by_role("link", name=_("I have kept them")).click()
        faults += unsound(page, view.language)
    with desk.fresh_page(None, view, "/balance?account=acme") as page:
        sign_in(page, email, demo.passwords[email])
        expect(page.get_by_role("heading", level=1)).to_have_text(_("Code of your app"))
        faults += unsound(page, view.language)
        for written in ("123 456", code):
            page.fill("#code", written)
            page.press("#code", "Enter")
            if written != code:
                expect(page.get_by_role("alert")).to_be_visible()
        expect(page).not_to_have_url(re.compile("/sign-in"))
        page.goto("/account/two-factor")
        page.fill("#off-present", demo.passwords[email])
        page.press("#off-present", "Enter")
        expect(page.get_by_role("status").first).to_be_visible()
        expect(page.locator("#on-present")).to_be_visible()
    assert faults == []


@pytest.mark.parametrize("view", [View(), View("en", 390)], ids=str)
def test_the_language_changes_and_the_page_stays(desk: Desk, view: View) -> None:
    with desk.fresh_page(FINANCE, view, "/invoice-preview?account=acme&by=product&open=server") as page:
        for code, title in (("ko", "청구서 미리보기"), ("ja", "請求書プレビュー"), ("en", "Invoice preview")):
            page.locator("details.menu", has=page.locator(f"a[hreflang={code}]")).locator("summary").first.click()
            page.locator(f"a[hreflang={code}]").click()
            expect(page.locator("html")).to_have_attribute("lang", code)
            expect(page.get_by_role("heading", level=1)).to_have_text(title)
            expect(page.locator("#toggle-server")).to_have_attribute("aria-expanded", "true")
        page.goto("/balance?account=acme")
        expect(page.locator("html")).to_have_attribute("lang", "en")


def test_the_theme_is_kept(desk: Desk) -> None:
    with desk.fresh_page(FINANCE, View(), "/balance?account=acme") as page:
        page.locator("details.user > summary").click()
        page.get_by_role("link", name="Dark", exact=True).click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.goto("/invoice-preview?account=acme")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
