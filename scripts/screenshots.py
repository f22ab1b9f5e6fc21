"""Take the pictures of the console that the documentation shows: `make screenshots` writes docs/images.

The demo is served from a folder of its own on a clock that begins on a set day, so that a page looks the same whenever
this runs; a picture that has not changed is left as it is.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from find_chromium import ARGUMENTS, find_chromium, install_chromium, install_package
from playwright.sync_api import Browser, sync_playwright
from serve_demo import served_demo

IMAGES = Path(__file__).resolve().parent.parent / "docs/images"
MOMENT = datetime(2026, 11, 20, 14, 10, tzinfo=UTC)
FONTS = "fonts-noto-cjk"
MOST_BYTES = 3_000_000
TALLEST = 1_500
FINANCE, STAFF = "finance@acme.example", "staff@meterbook.example"


@dataclass(frozen=True, slots=True)
class Picture:
    """A page to take: who looks at it, how, and what is clicked before."""

    name: str
    path: str
    person: str = FINANCE
    language: str = "en"
    width: int = 1280
    theme: Literal["light", "dark"] = "light"
    clicks: tuple[str, ...] = ()


PICTURES = (
    Picture("overview", "/overview?account=acme"),
    Picture("overview-dark", "/overview?account=acme", theme="dark"),
    Picture("budget", "/budget?account=acme"),
    Picture("usage", "/usage?account=acme&project=shop&open=2026-11-19"),
    Picture("usage-narrow", "/usage?account=saebom&project=saebom-game", language="ko", width=390),
    Picture("project-usage", "/project-usage?account=acme"),
    Picture("invoice-preview", "/invoice-preview?account=acme&open=shop"),
    Picture("invoice-preview-narrow", "/invoice-preview?account=acme", width=390, theme="dark"),
    Picture("invoice-preview-ja", "/invoice-preview?account=acme&by=product&open=server", language="ja"),
    Picture(
        "metering-window",
        "/invoice-preview?account=acme&open=shop",
        clicks=("a.metered[href*='product=server']", "dialog a.toggle >> nth=1"),
    ),
    Picture("billing-history", "/billing-history?account=acme"),
    Picture("invoice", "/invoices/{invoice}?open=shop"),
    Picture("balance", "/balance?account=acme"),
    Picture("payment-information", "/payment-information?account=acme"),
    Picture("account", "/account"),
    Picture("operator", "/operator", STAFF),
    Picture("operator-closes", "/operator/closes?month=2026-10", STAFF),
)


def main() -> None:
    """Serve the demo, take every picture, and say what they weigh."""
    _find_fonts()
    program = find_chromium() or install_chromium()
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="meterbook-screenshots-") as folder:
        data = Path(folder, "data")
        with served_demo(data, MOMENT) as facts, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=program, args=[*ARGUMENTS, "--font-render-hinting=none", "--hide-scrollbars"]
            )
            states = {person: _sign_in(browser, facts, person) for person in (FINANCE, STAFF)}
            invoice = _newest_invoice(browser, facts, states[FINANCE])
            for picture in PICTURES:
                _keep(picture.name, _take(browser, facts, states[picture.person], picture, invoice))
            browser.close()
    weight = sum(file.stat().st_size for file in IMAGES.glob("*.png"))
    sys.stdout.write(f"{len(PICTURES)} pictures in docs/images, {weight // 1024} KiB\n")
    if weight > MOST_BYTES:
        sys.exit(f"These are more than {MOST_BYTES} bytes: take fewer, or smaller ones.")


def _find_fonts() -> None:
    """Install fonts for Korean and Japanese where there are none; without them their pages are boxes."""
    command = ["fc-list", ":lang=ko"]
    try:
        found = subprocess.run(command, capture_output=True, check=False, timeout=60).stdout.strip()  # noqa: S603 - the command above
    except OSError:
        found = b""
    if not found and not install_package(FONTS):
        sys.stderr.write(f"There are no fonts for Korean and Japanese: install {FONTS} for pages without boxes.\n")


def _sign_in(browser: Browser, facts: dict[str, Any], person: str) -> Any:
    password = next(user["password"] for user in facts["users"] if user["email"] == person)
    context = browser.new_context(base_url=facts["url"])
    page = context.new_page()
    page.goto("/sign-in")
    page.fill("#email", person)
    page.fill("#password", password)
    page.press("#password", "Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    state = context.storage_state()
    context.close()
    return state


def _newest_invoice(browser: Browser, facts: dict[str, Any], state: Any) -> str:
    context = browser.new_context(base_url=facts["url"], storage_state=state)
    page = context.new_page()
    page.goto("/billing-history?account=acme")
    number = page.locator("#invoices tbody tr").first.get_attribute("id")
    context.close()
    return str(number)


def _take(browser: Browser, facts: dict[str, Any], state: Any, picture: Picture, invoice: str) -> bytes:
    context = browser.new_context(
        base_url=facts["url"],
        storage_state=state,
        viewport={"width": picture.width, "height": 900 if picture.width > 390 else 844},
        color_scheme=picture.theme,
        reduced_motion="reduce",
    )
    context.add_cookies([{"name": "lang", "value": picture.language, "url": facts["url"]}])
    page = context.new_page()
    page.goto(picture.path.format(invoice=invoice))
    for clicked in picture.clicks:
        page.locator(clicked).first.click()
        page.wait_for_load_state("networkidle")
    page.wait_for_load_state("networkidle")
    whole = not picture.clicks
    height = min(TALLEST, page.evaluate("() => document.documentElement.scrollHeight")) if whole else 900
    # as tall as what is shown, so that bars at the window's edge are where they belong
    page.set_viewport_size({"width": picture.width, "height": height if picture.width > 390 else 844})
    page.wait_for_timeout(200)
    taken = page.screenshot(animations="disabled", caret="hide", scale="css")
    context.close()
    return taken


def _keep(name: str, taken: bytes) -> None:
    file = IMAGES / f"{name}.png"
    if not file.exists() or file.read_bytes() != taken:
        file.write_bytes(taken)


if __name__ == "__main__":
    main()
