"""The browser's tests: the demo in a server of its own on a clock that begins on a set day, and one Chromium.

Both end with this folder's tests: while Playwright runs, nothing else may use an event loop of this thread.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from scripts.find_chromium import ARGUMENTS, needed_chromium
from scripts.serve_demo import served_demo

from tests.browser.desk import MOMENT, Demo, Desk
from tests.browser.pages import Places, furnish


@pytest.fixture(scope="package")
def demo() -> Iterator[Demo]:
    # not in pytest's own folder, for the reason that tests/conftest.py gives
    with tempfile.TemporaryDirectory(prefix="meterbook-browser-") as folder:
        data = Path(folder, "data")
        with served_demo(data, MOMENT) as facts:
            yield Demo(data, facts["url"], {user["email"]: user["password"] for user in facts["users"]}, facts["keys"])


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    program = needed_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def desk(chromium: Browser, demo: Demo) -> Iterator[Desk]:
    with Desk(chromium, demo) as desk:
        yield desk


@pytest.fixture(scope="package")
def places(demo: Demo) -> Places:
    return furnish(demo)
