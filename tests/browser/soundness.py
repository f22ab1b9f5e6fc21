"""What every page has to be, looked at in the browser: each function returns the faults it sees on an open page."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po
from playwright.sync_api import Browser, Page

from meterbook.demo.accounts import DEMO_USERS

ROOT = Path(__file__).parents[2]
AXE = (ROOT / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
AXE_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
MOST_SHIFT = 0.01
# What people of the demo are called is no text of ours, in whatever language.
NAMES = {user.name for user in DEMO_USERS}
SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)
NOT_TRANSLATED = re.compile(r"%\(\w+\)s")

_SIDEWAYS = """
    () => {
        const root = document.documentElement;
        if (root.scrollWidth <= root.clientWidth) return [];
        const wide = [...document.body.querySelectorAll("*")].filter((element) => {
            const box = element.getBoundingClientRect();
            return box.right > root.clientWidth + 0.5 && box.width && !element.parentElement.closest(".scroll");
        });
        return [`${root.scrollWidth} px wide`, ...wide.slice(0, 5).map((element) => element.outerHTML.slice(0, 120))];
    }
"""

_TEXTS = """
    () => {
        const texts = [];
        const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const parent = walker.currentNode.parentElement;
            // a code is a name, in whatever language
            if (!parent.closest("script, style, .code, [lang]:not(html)")) texts.push(walker.currentNode.data);
        }
        for (const name of ["aria-label", "title", "placeholder", "alt", "aria-roledescription"])
            for (const element of document.querySelectorAll(`[${name}]`)) texts.push(element.getAttribute(name));
        return texts;
    }
"""

# Elements that take the focus and look the same with it as without.
_FOCUS_UNSEEN = """
    () => {
        const look = (element) => {
            const style = getComputedStyle(element), before = getComputedStyle(element, "::before");
            const outline = style.outlineStyle === "none" ? "" : style.outlineWidth + style.outlineColor;
            return [outline, style.boxShadow, style.borderColor, style.backgroundColor, before.boxShadow].join();
        };
        const takes = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
        const all = [...document.querySelectorAll(takes)];
        const seen = { visibilityProperty: true };
        const shown = all.filter((element) => !element.disabled && element.checkVisibility(seen));
        document.activeElement?.blur();
        // of an element of no size, such as a checkbox drawn by its label, the label shows the focus
        const shows = (element) => {
            const clipped = getComputedStyle(element).clipPath !== "none" || element.getBoundingClientRect().width <= 1;
            return [...(clipped ? [] : [element]), element.closest("label")].filter(Boolean);
        };
        const unseen = shown.filter((element) => {
            const before = shows(element).map(look).join();
            element.focus({ focusVisible: true, preventScroll: true });
            const same = document.activeElement === element && shows(element).map(look).join() === before;
            element.blur();
            return same;
        });
        return unseen.map((element) => element.outerHTML.slice(0, 160));
    }
"""


def settle(page: Page) -> None:
    """Wait until what a page loaded is drawn, for half a second at most."""
    page.evaluate(
        """() => new Promise((drawn) => {
            requestAnimationFrame(() => requestAnimationFrame(drawn));
            setTimeout(drawn, 500);
        })"""
    )


def unsound(page: Page, language: str) -> list[str]:
    """Return what is wrong with a page as it stands in a story, in whatever language and with or without scripts."""
    return [*sideways(page), *left_english(page, language), *axe(page, contrast=False)]


def axe(page: Page, contrast: bool = True) -> list[str]:
    """Return what axe finds against WCAG 2.2 AA and its own best practice; contrast takes it half of its time."""
    options = {
        "runOnly": {"type": "tag", "values": list(AXE_TAGS)},
        "rules": {"target-size": {"enabled": True}, "color-contrast": {"enabled": contrast}},
        "resultTypes": ["violations"],
    }
    document = _running_scripts(page)
    if not document.evaluate("() => 'axe' in window"):
        document.evaluate(f"() => {{ {AXE} }}")
    # bars that stay at the window's edge lie over whatever is scrolled beneath them
    document.evaluate("() => scrollTo(0, 0)")
    found = document.evaluate(f"async () => (await axe.run(document, {json.dumps(options)})).violations")
    return [_violation(violation) for violation in found]


def _running_scripts(page: Page) -> Page:
    """Return the page; where its scripts are off, its elements and styles as they stand in a page where axe can run."""
    if page.evaluate("() => matchMedia('(scripting: enabled)').matches"):
        return page
    browser, elements = page.context.browser, SCRIPT.sub("", page.content())
    assert browser is not None
    copy = _copies(browser)
    assert page.viewport_size is not None
    copy.set_viewport_size(page.viewport_size)
    copy.route(page.url, lambda route: route.fulfill(body=elements, content_type="text/html; charset=utf-8"), times=1)
    copy.goto(page.url)
    return copy


@lru_cache(maxsize=1)
def _copies(browser: Browser) -> Page:
    return browser.new_page()


def _violation(violation: dict[str, Any]) -> str:
    nodes = violation["nodes"]
    shown = "; ".join(f"{node['html'][:160]} ({node['failureSummary'].splitlines()[1].strip()})" for node in nodes[:3])
    return f"axe {violation['id']} x{len(nodes)}: {shown}"


def sideways(page: Page) -> list[str]:
    """Return what makes the document wider than its window."""
    return [f"sideways: {fault}" for fault in page.evaluate(_SIDEWAYS)]


def shift(page: Page) -> list[str]:
    """Return how far the page moved after it was drawn, if it did; the desk counts it (`WATCH_SHIFT`)."""
    seen = page.evaluate("() => window.layoutShift")
    return [f"layout shift of {seen['sum']:.3f}: {'; '.join(seen['moved'][:5])}"] if seen["sum"] >= MOST_SHIFT else []


def unseen_focus(page: Page) -> list[str]:
    """Return the elements on which the focus cannot be seen."""
    return [f"focus unseen: {element}" for element in page.evaluate(_FOCUS_UNSEEN)]


def left_english(page: Page, language: str) -> list[str]:
    """Return texts of the page that are a message of the catalog in English though a translation is there."""
    exact, patterns = _english(language)
    texts = {" ".join(text.split()) for text in page.evaluate(_TEXTS)}
    faults = sorted(text for text in texts if text in exact or any(pattern.fullmatch(text) for pattern in patterns))
    return [f"English: {text}" for text in faults]


@lru_cache
def _english(language: str) -> tuple[set[str], list[re.Pattern[str]]]:
    """Return the English messages that read otherwise in a language: whole texts, and patterns with places to fill."""
    with (ROOT / f"src/meterbook/console/locale/{language}/LC_MESSAGES/meterbook.po").open("rb") as file:
        catalog = read_po(file, locale=language)
    exact, patterns = set[str](), list[re.Pattern[str]]()
    for message in catalog:
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        for english in ids:
            if not english or english in strings or english in NAMES:
                continue
            if not NOT_TRANSLATED.search(english):
                exact.add(" ".join(english.split()))
            elif len(re.findall(r"[A-Za-z]{2,}", NOT_TRANSLATED.sub("", english))) >= 2:
                parts = NOT_TRANSLATED.split(" ".join(english.split()))
                patterns.append(re.compile(".+?".join(re.escape(part) for part in parts)))
    return exact, patterns
