"""Pages behind a link in a letter: how they keep its token to themselves, and what they say when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import Request
from fastapi.responses import Response

from meterbook.console.person.visitor import show_card

# The address holds a secret, so no page of ours tells it to another. With "no-referrer" browsers would name no origin
# when the form is sent, by which forms of other sites are told from ours.
LINK_HEADERS: Final[Mapping[str, str]] = {"referrer-policy": "strict-origin"}


def link_over(request: Request) -> Response:
    """Return the one answer to a link that is wrong, used, expired or replaced."""
    return show_card(request, "link_over.html", 404, LINK_HEADERS)
