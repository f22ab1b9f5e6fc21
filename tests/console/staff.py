"""What the tests of the operator's pages share: an installation with staff and customers, and forms that are sent."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from meterbook.accounts.add_member import add_member
from meterbook.accounts.add_user import add_user
from meterbook.accounts.prove import prove_local
from meterbook.accounts.queries import account_by_code
from meterbook.database import Database
from meterbook.house import House
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore, open_usage
from tests.console.browser import PASSWORD, Browser, browsing, sign_in
from tests.office import Office

STAFF = "staff@operator.example"
CUSTOMER = "ann@customer.example"


@contextmanager
def staffed(database: Database, folder: Path) -> Iterator[tuple[Office, House]]:
    """An installation with one of the staff, who may do everything, on a database that was emptied."""
    store = open_usage(folder)
    try:
        yield _furnished(database, store, folder)
    finally:
        store.close()


def _furnished(database: Database, store: UsageStore, folder: Path) -> tuple[Office, House]:
    settings = Settings(data_dir=folder, public_url="http://testserver")
    office = Office(database, store, settings)
    with database.transaction() as session:
        add_user(session, office.now, email=STAFF, password=PASSWORD, is_operator=True)
    return office, House(settings, database, store)


def customer_of(office: Office, code: str, email: str = CUSTOMER) -> int:
    """Let somebody sign in who administers an account and holds its billing; return their id."""
    with office.database.transaction() as session:
        user = add_user(session, office.now, email=email, password=PASSWORD)
        account = account_by_code(session, code, prove_local("a", "a"))
        add_member(session, office.now, user=user, account=account, project=None, role="admin", billing=True)
        return user.id


@contextmanager
def at_the_desk(office: Office, house: House, email: str = STAFF) -> Iterator[Browser]:
    """A browser in which one of the staff is signed in, at the office's present moment."""
    with browsing(house, office.now) as browser:
        assert sign_in(browser, email).status_code == 303
        yield browser


def form_of(page: httpx.Response, action: str) -> dict[str, Any]:
    """Return the hidden fields of the form of a page that posts to an address."""
    for attributes, inside in re.findall(r"<form([^>]*)>(.*?)</form>", page.text, re.DOTALL):
        if 'method="post"' in attributes and f'action="{html.escape(action)}"' in attributes:
            fields: dict[str, Any] = {}
            for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', inside):
                fields.setdefault(name, []).append(html.unescape(value))
            for name, value in re.findall(
                r'<textarea[^>]* ?name="([^"]+)"[^>]*>\n?(.*?)</textarea>', inside, re.DOTALL
            ):
                fields[name] = [html.unescape(value)]
            return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
    raise AssertionError(f"no form posts to {action}: {page.text}")


def send(browser: Browser, page: httpx.Response, action: str, **fields: Any) -> httpx.Response:
    """Send a form of a page, with what is typed into it."""
    return browser.post(action, data=form_of(page, action) | fields)


def done(answer: httpx.Response) -> str:
    """Return where a form that was accepted leads."""
    assert answer.status_code == 303, words(answer)
    return answer.headers["location"]


def confirmed(staff: Browser, path: str, **asked: str) -> str:
    """Fill in the form of an act of money, look at what it comes to, confirm it; return where it leads."""
    page = staff.get(path, params={"look": "1", **asked})
    assert page.status_code == 200, words(page)
    return done(send(staff, page, path))


def words(page: httpx.Response) -> str:
    """Return a page's main part as text."""
    main = page.text.partition("<main")[2].partition("</main>")[0] or page.text
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", main)))
