"""Every page in the other languages: nothing is left in English, and what is longer or drawn otherwise still fits."""

from __future__ import annotations

import pytest

from tests.browser.desk import NARROW, WIDE, Desk, View
from tests.browser.pages import PAGES, Places
from tests.browser.soundness import axe, left_english, settle, shift, sideways


# Between them the other width and the other theme, as they are first drawn.
@pytest.mark.parametrize("view", [View("ko", NARROW), View("ja", WIDE, "dark")], ids=str)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_in_its_language_and_sound(desk: Desk, places: Places, name: str, view: View) -> None:
    person, path = places.of(name)
    with desk.page(person, view) as page:
        page.goto(path)
        settle(page)
        # colours are those of the theme in every language, and test_every_page looks at both themes
        faults = [*shift(page), *left_english(page, view.language), *sideways(page), *axe(page, contrast=False)]
    assert not faults, "\n".join(faults)
