"""Where a reader of the tests sits: the served demo, and pages of it as a person of it sees them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes as email_of
from email import policy
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Response

from meterbook.console.languages import translations

MOMENT = datetime(2026, 11, 20, 14, 10, tzinfo=UTC)
"""When the demo's clock begins: late in a month, the three months before are closed."""

STAFF, FINANCE, DEVELOPER, VIEWER = (
    f"{name}.example" for name in ("staff@meterbook", "finance@acme", "developer@acme", "viewer@acme")
)
HEIGHT = 800
WIDE, NARROW = 1280, 390
LETTER_SECONDS = 60
_numbers = count(1)

# Runs before the page's own scripts: counts how far parts of it move after they were first drawn.
WATCH_SHIFT = """
    window.layoutShift = { sum: 0, moved: [] };
    new PerformanceObserver((list) => {
        for (const { value, hadRecentInput, sources } of list.getEntries()) {
            if (hadRecentInput) continue;
            window.layoutShift.sum += value;
            for (const { node, previousRect: from, currentRect: to } of sources) {
                const way = `${from.x},${from.y} to ${to.x},${to.y}`;
                window.layoutShift.moved.push(`${node?.nodeName}.${node?.className} from ${way}`);
            }
        }
    }).observe({ type: "layout-shift", buffered: true });
"""


@dataclass(frozen=True)
class View:
    """How a page is looked at."""

    language: str = "en"
    width: int = WIDE
    theme: str = "light"
    scripts: bool = True

    def __str__(self) -> str:
        return f"{self.language}-{self.width}-{self.theme}{'' if self.scripts else '-noscript'}"

    @property
    def words(self) -> Callable[[str], str]:
        """What the page says for an English message of the catalog."""
        return translations(self.language).gettext


VIEWS = [
    View(language, width, scripts=scripts)
    for language in ("en", "ko", "ja")
    for width in (WIDE, NARROW)
    for scripts in (True, False)
]
# Every language, width, and with and without scripts, where a story is no part of what customers come for.
FEW_VIEWS = [View("en", WIDE), View("ko", NARROW, scripts=False), View("ja", NARROW)]


@dataclass(frozen=True)
class Demo:
    """The served demo; `passwords` are by e-mail, `keys` by scope."""

    folder: Path
    url: str
    passwords: dict[str, str]
    keys: dict[str, str]

    def api(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """Ask the API as the operator."""
        answer = httpx.request(
            method,
            f"{self.url}/api/v1{path}",
            json=body,
            params=query,
            headers={"Authorization": f"Bearer {self.keys['operator']}"},
            timeout=60,
            verify=False,
            trust_env=False,
        )
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def person(self, name: str, language: str | None = None) -> str:
        """Add somebody who signs in and belongs to nothing yet; return the e-mail."""
        email = f"{name}-{next(_numbers)}@person.example"
        self.passwords[email] = "correct horse battery"
        self.api("POST", "/users", {"email": email, "password": self.passwords[email], "language": language})
        return email

    def now(self) -> datetime:
        """Return the moment of the demo's clock."""
        email = self.person("of-now")
        return datetime.fromisoformat(self.api("PATCH", f"/users/{email}", {})["created_at"])

    def customer(self, currency: str = "USD", language: str = "en") -> Customer:
        """Add an account with two projects, hourly usage of this month and the last, and a person who pays."""
        email = self.person("customer", language)
        code = email.partition("@")[0]
        self.api("POST", "/accounts", {"code": code, "currency": currency, "language": language, "tax_percent": "10"})
        for name in ("web", "shop"):
            self.api("POST", "/projects", {"account": code, "code": f"{code}-{name}", "name": f"{code} {name}"})
        self.api("POST", "/members", {"email": email, "account": code, "role": "admin", "billing": True})
        self.api("POST", "/events", [*_events(f"{code}-web"), *_events(f"{code}-shop")])
        return Customer(code, email)

    def issued_without_card(self, customer: Customer) -> str:
        """Issue a customer's invoice of last month, unpaid and mailed, and return its number.

        Waits for the letter: until then the job that would charge a card may not have looked for one.
        """
        information = {"company": "Customer Ltd.", "recipient": "Accounts payable", "email": customer.email}
        self.api("PUT", "/payment-information", {"account": customer.code, "method": "send_invoice", **information})
        (invoice,) = self.api("POST", "/closes", close(customer, confirm=True))["issued"]
        self._wait(lambda: any(self._letters(customer.email)), f"no letter came to {customer.email}")
        number: str = invoice["number"]
        return number

    def ask_for_password(self, email: str) -> None:
        """Ask for the letter with which a person chooses a new password."""
        with self._visitor() as client:
            _post(client, "/forgotten-password", "/forgotten-password", {"email": email})

    def ask_for_email(self, who: str, email: str) -> None:
        """Ask for the letter by which somebody signs in with another e-mail."""
        with self._signed_in(who) as client:
            _post(client, "/account", "/account/email", {"email": email, "present_password": self.passwords[who]})

    def cookies(self, who: str) -> dict[str, str]:
        """Sign somebody in; return what a browser would keep of it, by name."""
        with self._signed_in(who) as client:
            return dict(client.cookies)

    @contextmanager
    def _signed_in(self, who: str) -> Iterator[httpx.Client]:
        with self._visitor() as client:
            _post(client, "/sign-in", "/sign-in", {"email": who, "password": self.passwords[who]})
            yield client

    def _visitor(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=False, trust_env=False)

    def link(self, to: str, kind: str) -> str:
        """Wait for somebody's letter with a link of a kind, and return the token in it."""
        tokens: list[str] = []

        def came() -> bool:
            tokens[:] = [link for letter in self._letters(to) for link in re.findall(rf"/{kind}/([\w-]+)", letter)]
            return bool(tokens)

        self._wait(came, f"no letter with a link for {kind} came to {to}")
        return tokens[-1]

    def _wait(self, happened: Callable[[], bool], complaint: str) -> None:
        until = time.monotonic() + LETTER_SECONDS
        while not happened():
            assert time.monotonic() < until, complaint
            time.sleep(0.1)

    def _letters(self, to: str) -> Iterator[str]:
        """Yield the text of the letters to somebody, oldest first."""
        for path in sorted((self.folder / "mail").glob("*.eml"), key=lambda path: path.stat().st_mtime_ns):
            letter = email_of(path.read_bytes(), policy=policy.default)
            if to in str(letter["to"]):
                text = letter.get_body(("plain",))
                assert text is not None, path
                yield text.get_content()


@dataclass(frozen=True)
class Customer:
    """An account of a test's own, and the person who holds its billing."""

    code: str
    email: str


def _post(client: httpx.Client, page: str, path: str, form: dict[str, str]) -> None:
    """Send a form of a page as a browser does."""
    found = re.search(r'name="form_token" value="([^"]+)"', client.get(page).text)
    assert found, page
    answer = client.post(path, data={**form, "form_token": found[1]})
    assert answer.status_code == 303, answer.text


def close(customer: Customer, confirm: bool) -> dict[str, object]:
    """Return what asks for the close of a customer's last month."""
    return {"month": "2026-10", "account": customer.code, "at": "2026-11-03T00:00:00Z", "confirm": confirm}


def _events(project: str) -> Iterator[dict[str, object]]:
    for month, last_day in (("2026-10", 31), ("2026-11", 19)):
        for day in range(1, last_day + 1):
            for hour in range(24):
                yield {
                    "specversion": "1.0",
                    "id": f"{project}-{month}-{day}-{hour}",
                    "source": "browser",
                    "type": "host.seen",
                    "subject": project,
                    "time": f"{month}-{day:02}T{hour:02}:05:00Z",
                    "data": {"resource": "host-1"},
                }


@dataclass
class Desk:
    """Opens pages of the demo; each person signs in once, and stays signed in everywhere."""

    chromium: Browser
    demo: Demo
    _cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    _pages: dict[tuple[str | None, View], Page] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    @contextmanager
    def page(self, person: str | None, view: View, path: str | None = None) -> Iterator[Page]:
        """Open a page as somebody (by e-mail, None: nobody); whatever the browser complains of fails the test.

        What the browser has kept of other pages of the same person and view is there, as it is in life; the window is
        the one they were shown in.
        """
        if (person, view) not in self._pages:
            self._pages[person, view] = self._context(person, view).new_page()
        with _watched(self._pages[person, view]) as page:
            page.set_viewport_size({"width": view.width, "height": HEIGHT})
            page.emulate_media(media="screen", color_scheme=view.theme)  # type: ignore[arg-type]  # light or dark
            if path is not None:
                page.goto(path)
            yield page

    @contextmanager
    def fresh_page(self, person: str | None, view: View, path: str | None = None) -> Iterator[Page]:
        """Open a page as `page` does, in a browser that has kept nothing but the sign-in."""
        context = self._context(person, view)
        with _watched(context.new_page()) as page:
            if path is not None:
                page.goto(path)
            yield page
        context.close()

    def _context(self, person: str | None, view: View) -> BrowserContext:
        context = self.chromium.new_context(
            base_url=self.demo.url,
            viewport={"width": view.width, "height": HEIGHT},
            locale=view.language,
            color_scheme=view.theme,  # type: ignore[arg-type]  # light or dark
            java_script_enabled=view.scripts,
            reduced_motion="reduce",
        )
        context.set_default_timeout(10_000)
        if person and person not in self._cookies:
            self._cookies[person] = self.demo.cookies(person)
        cookies = {**(self._cookies[person] if person else {}), "lang": view.language}
        context.add_cookies([{"name": name, "value": cookies[name], "url": self.demo.url} for name in cookies])
        context.add_init_script(WATCH_SHIFT)
        self._open.callback(context.close)
        return context


def sign_in(page: Page, email: str, password: str) -> None:
    page.fill("#email", email)
    page.fill("#password", password)
    page.press("#password", "Enter")


@contextmanager
def _watched(page: Page) -> Iterator[Page]:
    """Yield the page; afterwards fail if the browser reported an error, a refused script or an answer of 500."""
    complaints = list[str]()

    def heard(message: ConsoleMessage) -> None:
        # that a page answers 4xx is what the test looks at itself
        if message.type in ("error", "warning") and "status of 4" not in message.text:
            complaints.append(f"{message.type}: {message.text}")

    def failed(error: Error) -> None:
        complaints.append(str(error))

    def answered(response: Response) -> None:
        if response.status >= 500 or (response.status >= 400 and "/static/" in response.url):
            complaints.append(f"{response.status} from {response.url}")

    page.on("console", heard)
    page.on("pageerror", failed)
    page.on("response", answered)
    try:
        yield page
    finally:
        page.remove_listener("console", heard)
        page.remove_listener("pageerror", failed)
        page.remove_listener("response", answered)
    assert complaints == []
