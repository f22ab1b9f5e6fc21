"""A reader's browser without JavaScript, before an application on real stores whose clock stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import httpx
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from sqlalchemy import delete

from meterbook.house import House
from meterbook.main import begin, create_app
from meterbook.tries import RecentTry

PASSWORD = "correct horse battery"
# Applications that nobody browses: building one takes longer than most of what is asked of it.
_idle: list[FastAPI] = []


class Browser:
    """A reader's browser without JavaScript: keeps cookies, and shows redirects instead of following them."""

    def __init__(self, app: FastAPI, call: Callable[..., Any]) -> None:
        self.key = {"authorization": f"Bearer {app.state.local_token}"}
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(base_url="http://testserver", transport=transport)
        self._call = call

    @property
    def cookies(self) -> httpx.Cookies:
        return self.http.cookies

    def get(self, path: str, **how: Any) -> httpx.Response:
        answer: httpx.Response = self._call(partial(self.http.get, path, **how))
        return answer

    def send(self, method: str, path: str, **how: Any) -> httpx.Response:
        answer: httpx.Response = self._call(partial(self.http.request, method, path, **how))
        return answer

    def post(self, path: str, **how: Any) -> httpx.Response:
        answer: httpx.Response = self._call(partial(self.http.post, path, **how))
        return answer


@contextmanager
def browsing(house: House, now: datetime) -> Iterator[Browser]:
    """Give a browser that nobody has used yet, before a server that was just started at a moment that stays.

    Nobody tried anything lately.
    """
    with house.database.transaction() as session:
        session.execute(delete(RecentTry))
    if _idle:
        begin(app := _idle.pop(), house, lambda: now)
    else:
        app = create_app(house, lambda: now)
    with start_blocking_portal() as portal:
        browser = Browser(app, portal.call)
        yield browser
        portal.call(browser.http.aclose)
    _idle.append(app)


def token_of(page: httpx.Response) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def sign_in(client: Browser, email: str = "two@acme.example", password: str = PASSWORD, **more: str) -> httpx.Response:
    form = {"email": email, "password": password, "form_token": token_of(client.get("/sign-in"))}
    return client.post("/sign-in", data=form | more)
