"""Addresses that no page leads to: whatever is written into them, none makes a page fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from meterbook.console.door import mount
from tests.console.browser import Browser
from tests.office import Office

# What the store can neither compare nor hold: a null byte, a number of 65 bits; what looks empty or like digits, and
# the first month there is, before which lies none.
STRANGE = ("a\0", str(2**63), " ", "\uff15", "1970-01")


def pages() -> Iterator[tuple[str, set[str]]]:
    """Yield the path of every page and sheet, and the names that its address may carry."""
    console = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    mount(console)
    for route in iter_route_contexts(console.routes):
        if "GET" in (route.methods or ()):
            yield str(route.path), set(names(route.dependant))


def names(dependant: Any) -> Iterator[str]:
    yield from (each.alias for each in dependant.query_params)
    for each in dependant.dependencies:
        yield from names(each)


def filled(path: str, places: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)[^}]*\}", lambda place: quote(places.get(place[1], "1"), safe=""), path)


def test_no_page_fails_whatever_its_address_says(office: Office, staff: Browser) -> None:
    code = office.account()
    office.register(code)
    places = {"code": code, "number": str(office.issued(code, "10").number)}
    about = {"account": code, "project": code, "product": "calls", "month": "2027-06"}
    asked, failed = 0, []
    for path, known in pages():
        usual = {name: value for name, value in about.items() if name in known}
        addresses = [(filled(path, places), usual | {name: strange}) for name in known for strange in STRANGE]
        addresses += [
            (filled(path, places | {place: strange}), usual)
            for place in re.findall(r"\{(\w+)", path)
            for strange in STRANGE
        ]
        for address, query in addresses:
            asked += 1
            if staff.get(address, params=query).status_code >= 500:
                failed.append((address, query))
    assert asked > 300
    assert failed == []
