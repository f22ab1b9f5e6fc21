"""An account whose month has what makes sums hard: promotions, a price change, a trial that ends, five projects."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from meterbook.accounts.add_account import add_account
from meterbook.accounts.add_member import add_member
from meterbook.accounts.add_project import add_project
from meterbook.accounts.add_user import add_user
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.database import Database
from meterbook.house import House
from meterbook.settings import Settings
from meterbook.usage.store import open_usage
from tests.console.browser import PASSWORD, Browser, browsing, sign_in

BEGIN = datetime(2026, 4, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 25, 6, 30, tzinfo=UTC)
TRIAL_ENDS = datetime(2026, 6, 20, 10, tzinfo=UTC)
SCRIPT = "<script>alert('project')</script>"
CATALOG = """
version = 1
[[products]]
code = "server"
name = { en = "Server", ko = "서버", ja = "サーバー" }
unit = "host"
meter = { type = "host.seen", kind = "presence" }
[[products.prices]]
currency = "USD"
from = 2010-01-01T00:00:00Z
model = "per_unit"
per = "month"
unit_price = "12.37"
[[products.prices]]
currency = "USD"
from = 2026-06-16T00:00:00Z
model = "per_unit"
per = "month"
unit_price = "15.11"
[[products]]
code = "calls"
name = "Calls"
unit = "call"
meter = { type = "calls", kind = "counter" }
[[products.prices]]
currency = "USD"
from = 2010-01-01T00:00:00Z
model = "per_unit"
per = "quantity"
unit_price = "0.0333"
[[products]]
code = "logs"
name = { en = "Log", ko = "로그", ja = "ログ" }
unit = "million lines"
[products.meter]
type = "lines"
kind = "stock"
retention_days = 3
[[products.prices]]
currency = "USD"
from = 2010-01-01T00:00:00Z
model = "graduated"
per = "month"
tiers = [{ up_to = "1", unit_price = "5" }, { unit_price = "3" }]
"""
# code: name, labels, hosts from the first of May; the last two are projects that `two` takes part in without billing
PROJECTS = {
    "web": (SCRIPT, {"team": "front"}, 3),
    "shop": ("Shop", {"team": "front", "env": "prod"}, 2),
    "beta": ("Beta", {}, 1),
    "quiet-one": ("Quiet one", {"team": "secretive"}, 5),
    "quiet-two": ("Quiet two", {}, 4),
}
HIDDEN = ("quiet-one", "Quiet one", "secretive", "quiet-two", "Quiet two")
SEES: dict[str, list[tuple[str | None, bool]]] = {
    "all@acme.example": [(None, True)],
    "two@acme.example": [(code, code in ("web", "shop")) for code in PROJECTS],
    "none@acme.example": [("web", False)],
}


@dataclass
class Shop:
    """The furnished installation."""

    house: House

    @contextmanager
    def open(self, email: str, at: datetime = NOW) -> Iterator[Browser]:
        """Give the browser of somebody who signed in, before a server whose clock stands."""
        with browsing(self.house, at) as browser:
            assert sign_in(browser, email).status_code == 303
            yield browser

    def told(self, path: str, now: datetime = NOW, **query: str) -> Any:
        """Return what the API says, to a key that may see everything."""
        with browsing(self.house, now) as browser:
            answer = call(browser, "GET", path, account="acme", **query)
            assert answer.status_code == 200, answer.text
            return answer.json()

    def send(self, events: list[dict[str, Any]], at: datetime) -> None:
        with browsing(self.house, at) as browser:
            assert call(browser, "POST", "/events", events).json()["accepted"] == len(events)

    def close(self, month: str, at: datetime) -> str:
        """Close a month and return the invoice's number."""
        with browsing(self.house, at) as browser:
            answer = call(browser, "POST", "/closes", {"month": month, "account": "acme", "confirm": True})
            assert answer.is_success, answer.text
            (row,) = answer.json()["issued"]
            number: str = row["number"]
            return number

    def leave_unbilled(self, month: str, at: datetime) -> None:
        """Leave a month before the first one that is closed unbilled."""
        with browsing(self.house, at) as browser:
            asked = {"month": month, "account": "acme", "reason": "Before we began to bill"}
            assert call(browser, "POST", "/closes/unbilled", asked).is_success

    def furnish(self, database: Database) -> None:
        with database.transaction() as session:
            apply_catalog(session, parse_catalog(CATALOG), BEGIN, lambda *_: False)
            account = add_account(session, BEGIN, code="acme", currency="USD", name="Acme", tax_percent=Decimal(10))
            other = add_account(session, BEGIN, code="other", currency="USD", name="Other")
            add_project(session, BEGIN, account=other, code="theirs")
            for email, role in (("boss@other.example", "admin"), ("reader@other.example", "viewer")):
                user = add_user(session, BEGIN, email=email, password=PASSWORD)
                add_member(session, BEGIN, user=user, account=other, project=None, role=role, billing=True)
            projects = {
                code: add_project(
                    session,
                    BEGIN,
                    account=account,
                    code=code,
                    name=name,
                    labels=labels,
                    trial_until=TRIAL_ENDS if code == "beta" else None,
                )
                for code, (name, labels, _) in PROJECTS.items()
            }
            for email, held in SEES.items():
                user = add_user(session, BEGIN, email=email, password=PASSWORD)
                for code, billing in held:
                    place = projects[code] if code else None
                    add_member(
                        session, BEGIN, user=user, account=account, project=place, role="viewer", billing=billing
                    )
        with browsing(self.house, NOW) as browser:
            information = {"account": "acme", "method": "send_invoice", "email": "pay@acme.example"}
            assert call(browser, "PUT", "/payment-information", information).is_success
            for number, (kind, value, applies_to) in enumerate(
                [("percent", "7", "line"), ("percent", "11", "invoice")]
            ):
                code = f"OFF-{number}"
                body = {"code": code, "kind": kind, "value": value, "applies_to": applies_to, "from": BEGIN.isoformat()}
                if applies_to == "line":
                    body["products"] = ["server"]  # type: ignore[assignment]  # JSON
                assert call(browser, "POST", "/promotion-codes", body).is_success
                assert call(browser, "POST", "/promotions/redeem", {"account": "acme", "code": code}).is_success
            events = list(self._events())
            for start in range(0, len(events), 5_000):
                answer = call(browser, "POST", "/events", events[start : start + 5_000]).json()
                assert answer["rejected"] == []

    def _events(self) -> Iterator[dict[str, Any]]:
        hour = datetime(2026, 5, 1, tzinfo=UTC)
        while hour < NOW:
            for code, (_, _, hosts) in PROJECTS.items():
                # one more host since the ninth of June
                more = 1 if code == "web" and hour >= datetime(2026, 6, 9, tzinfo=UTC) else 0
                for host in range(hosts + more):
                    yield event("host.seen", code, hour, f"host-{host}")
                if hour.hour % 6 == 0:
                    yield event("calls", code, hour, "gate", str(100 + hour.day + 7 * hosts))
            if hour.hour == 9:
                yield event("lines", "shop", hour, "stream", "0.713")
            hour += timedelta(hours=1)


def call(browser: Browser, method: str, path: str, body: object = None, **query: str) -> httpx.Response:
    """Call the API with a key that may do everything."""
    request = partial(browser.http.request, method, f"/api/v1{path}", json=body, params=query, headers=browser.key)
    answer: httpx.Response = browser._call(request)
    return answer


def event(kind: str, project: str, at: datetime, resource: str, value: str = "1") -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{kind}/{resource}/{at.isoformat()}",
        "source": f"test/{project}",
        "type": kind,
        "subject": project,
        "time": at.isoformat(),
        "data": {"value": value, "resource": resource},
    }


@contextmanager
def furnished(database: Database, folder: Path) -> Iterator[Shop]:
    """Give the installation on real stores, for the tests of one module."""
    with database.transaction() as session:
        session.execute(text("set local session_replication_role = replica"))
        tables = 'account, "user", product, promotion, invoice, journal_entry, number_series'
        session.execute(text(f"truncate {tables} cascade"))
    store = open_usage(folder)
    try:
        shop = Shop(House(Settings(data_dir=folder), database, store))
        shop.furnish(database)
        yield shop
    finally:
        store.close()


def figures(page: httpx.Response) -> list[str]:
    """The figures in large letters."""
    found = re.search(r'<dl class="figures.*?</dl>', page.text, re.DOTALL)
    assert found, page.text
    texts = re.findall(r"<dd>(.*?)</dd>", found[0], re.DOTALL)
    return [plain(each) for each in texts]


def plain(markup: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", markup))).strip()


def rows(page: httpx.Response, table: str = "bill") -> list[list[str]]:
    """The cells of a table, row by row."""
    found = re.search(rf'<table class="{table}".*?</table>', page.text, re.DOTALL)
    assert found, page.text
    lines = re.findall(r"<tr[^>]*>(.*?)</tr>", found[0], re.DOTALL)
    return [[plain(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL)] for line in lines]
