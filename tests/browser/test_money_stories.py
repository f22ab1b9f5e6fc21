"""What readers do on the pages of money, in every language, at both widths, with and without scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.desk import FEW_VIEWS, FINANCE, STAFF, VIEWS, Demo, Desk, View, close
from tests.browser.soundness import unsound

EVERY_VIEW = pytest.mark.parametrize("view", VIEWS, ids=str)
IN_FEW_VIEWS = pytest.mark.parametrize("view", FEW_VIEWS, ids=str)
CODE = "BROWSER10"


@pytest.fixture(scope="module", autouse=True)
def code(demo: Demo) -> None:
    """A code that every account may register."""
    promotion = {"code": CODE, "name": "Ten off", "kind": "percent", "value": "10", "applies_to": "invoice"}
    demo.api("POST", "/promotion-codes", {**promotion, "from": "2026-01-01T00:00:00Z"})


@EVERY_VIEW
def test_a_promotion_code_needs_payment_information_first(desk: Desk, demo: Demo, view: View) -> None:
    _ = view.words
    customer = demo.customer(language=view.language)
    with desk.fresh_page(customer.email, view, "/payment-information") as page:
        promotions = page.locator("#promotions")
        expect(promotions.get_by_role("button", name=_("Apply"))).to_be_disabled()
        reason = _("Register payment information first: then you can apply a promotion code.")
        expect(promotions).to_contain_text(reason)

        page.check("#method-send_invoice")
        page.fill("#company", "Customer Ltd.")
        page.fill("#recipient", "Accounts payable")
        page.fill("#email", customer.email)
        page.get_by_role("button", name=_("Register"), exact=True).click()
        expect(page.get_by_role("status").first).to_have_text(_("Payment information is saved."))

        page.fill("#code", "NO SUCH CODE")
        page.get_by_role("button", name=_("Apply")).click()
        expect(page.get_by_role("alert").first).to_be_visible()
        expect(page.locator("#code")).to_have_value("NO SUCH CODE")
        page.fill("#code", f" {CODE.lower()} ")
        page.get_by_role("button", name=_("Apply")).click()
        expect(page.locator(f"#code-{CODE}")).to_contain_text("Ten off")
        expect(page.locator(f"#code-{CODE}")).to_contain_text(_("active"))
        assert unsound(page, view.language) == []


@IN_FEW_VIEWS
def test_a_budget_is_set_from_the_overview(desk: Desk, demo: Demo, view: View) -> None:
    _ = view.words
    customer = demo.customer(language=view.language)
    with desk.fresh_page(customer.email, view, "/overview") as page:
        page.get_by_role("link", name=_("Set a budget")).click()
        page.fill("#amount", "0")
        page.get_by_role("button", name=_("Save"), exact=True).click()
        expect(page.get_by_role("alert")).to_have_text(_("The amount has to be above zero."))
        expect(page.locator("#amount")).to_be_focused()
        assert unsound(page, view.language) == []
        page.fill("#amount", "1000000")
        page.get_by_role("button", name=_("Save"), exact=True).click()
        expect(page.get_by_role("status")).to_have_text(_("The budget is saved."))
        expect(page.get_by_role("progressbar", name=_("Budget used"))).to_be_visible()
        page.locator(".page-head").get_by_role("button", name=_("Overview")).click()
        expect(page.get_by_role("progressbar", name=_("Budget used"))).to_be_visible()
        page.get_by_role("link", name=_("Change"), exact=True).click()
        page.get_by_role("button", name=_("Remove the budget")).click()
        expect(page.get_by_role("status")).to_have_text(_("The budget is removed."))


@EVERY_VIEW
def test_a_card_is_entered_at_the_gateway_and_pays(desk: Desk, demo: Demo, view: View) -> None:
    _ = view.words
    customer = demo.customer(language=view.language)
    number = demo.issued_without_card(customer)
    with desk.fresh_page(customer.email, view, "/payment-information?edit=1") as page:
        page.check("#method-card")
        page.fill("#company", "Customer Ltd.")
        page.get_by_role("button", name=_("Save"), exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(_("Choose a test card"))
        page.get_by_role("button", name=_("Use this card")).click()
        expect(page.get_by_role("status").first).to_have_text(_("Your card is registered."))

        page.goto("/billing-history")
        page.get_by_role("link", name=f"{_('Pay')}: {number}").click()
        page.locator("main form [type=submit]").click()
        expect(page.get_by_role("status").first).to_have_text(_("Thank you: your card was charged."))
        expect(page.locator("h1")).to_contain_text(_("Paid"))
        assert unsound(page, view.language) == []


@EVERY_VIEW
def test_billing_history_leads_to_an_invoice_and_its_paper(desk: Desk, view: View, tmp_path: Path) -> None:
    _ = view.words
    with desk.page(FINANCE, view, "/billing-history?account=acme") as page:
        expect(page.locator(".figures")).to_contain_text(_("Unpaid"))
        expect(page.locator("#payments tbody tr").first).to_be_visible()
        expect(page.locator("#invoices thead th").last).to_have_text(_("Invoice"))
        assert unsound(page, view.language) == []
        row = page.locator("#invoices tbody tr").first
        number = row.get_attribute("id")
        row.get_by_role("link", name=_("Detail")).click()

        expect(page.get_by_role("heading", level=1)).to_contain_text(str(number))
        for words in ("Unpaid at issue", "Unpaid now", "Invoice amount (incl. unpaid)"):
            expect(page.locator(".figures")).to_contain_text(_(words))
        with page.expect_download() as download:
            page.get_by_role("button", name=_("Download invoice")).click()
        paper = tmp_path / "invoice.pdf"
        download.value.save_as(paper)
        assert paper.read_bytes().startswith(b"%PDF-")
        assert str(number) in download.value.suggested_filename

        page.locator("#bill a.toggle").first.click()
        page.locator("#bill a.metered").first.click()
        expect(page.locator("table.hours tbody.day").first).to_be_visible()
        assert unsound(page, view.language) == []


@EVERY_VIEW
def test_the_balance_says_which_invoice_took_what(desk: Desk, view: View) -> None:
    _ = view.words
    with desk.page(FINANCE, view, "/balance?account=acme") as page:
        moved = page.locator("#moved tbody tr")
        expect(moved.filter(has_text=_("Promotional credit used")).first).to_be_visible()
        assert unsound(page, view.language) == []
        moved.get_by_role("link", name=re.compile(r"^INV-")).first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("INV-")
        expect(page.locator("#settled")).to_contain_text(_("Promotional credit"))
        assert unsound(page, view.language) == []


@IN_FEW_VIEWS
def test_the_operator_closes_a_month_and_the_customer_sees_the_invoice(desk: Desk, demo: Demo, view: View) -> None:
    _ = view.words
    customer = demo.customer(language=view.language)
    demo.api("POST", "/closes", close(customer, confirm=False))
    with desk.page(STAFF, view, f"/operator/closes?month=2026-10&q={customer.code}") as page:
        page.get_by_role("link", name=_("Review the draft")).click()
        expect(page.locator("main")).to_contain_text("27.50")  # 2 hosts at 12.50 and 10% tax
        page.go_back()
        page.check(f"input[name=account][value={customer.code}]")
        page.get_by_role("button", name=_("Review and issue the chosen ones")).click()
        expect(page.locator("main")).to_contain_text("27.50")
        page.locator("main form").get_by_role("button").click()
        issued = page.get_by_role("link", name=re.compile(r"^INV-"))
        for _attempt in range(40):
            page.goto(f"/operator/closes?month=2026-10&q={customer.code}")
            if issued.count():
                break
            page.wait_for_timeout(250)
        number = issued.first.inner_text()
    with desk.fresh_page(customer.email, view, "/billing-history") as page:
        expect(page.locator("#invoices")).to_contain_text(number)
        expect(page.locator("#invoices")).to_contain_text("27.50")
