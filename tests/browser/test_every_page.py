"""Every page in the browser: axe, colours, focus, width, calm, weight and language."""

from __future__ import annotations

import pytest

from tests.browser.desk import NARROW, WIDE, Desk, View
from tests.browser.pages import PAGES, Places
from tests.browser.soundness import (
    WATCH_SHIFT,
    axe,
    contrast,
    left_english,
    shift,
    sideways,
    unseen_focus,
)

MOST_BYTES = 150_000


@pytest.mark.parametrize("language", ["en", "ko", "ja"])
@pytest.mark.parametrize("name", PAGES)
def test_page(desk: Desk, places: Places, name: str, language: str) -> None:
    person, path = places.of(name)
    # each language begins with another width and theme, and goes through the others
    narrow_first, theme = {"en": (False, "light"), "ko": (True, "light"), "ja": (False, "dark")}[language]
    widths = (NARROW, WIDE) if narrow_first else (WIDE, NARROW)
    with desk.page(person, View(language, widths[0], theme)) as page:
        page.add_init_script(WATCH_SHIFT)
        page.goto(path)
        page.wait_for_load_state("networkidle")
        faults = [*shift(page), *left_english(page, language), *sideways(page), *axe(page)]
        page.emulate_media(color_scheme="light" if theme == "dark" else "dark")
        faults += [*contrast(page), *unseen_focus(page)]
        page.set_viewport_size({"width": widths[1], "height": 800})
        faults += [*sideways(page), *axe(page)]
    assert not faults, "\n".join(faults)
