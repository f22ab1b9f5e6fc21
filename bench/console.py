"""The console's pages for an account of 1,000 projects x 3 products over 13 months, of an event an hour each.

Twelve months are closed, so that an invoice has 3,000 lines; then each page is read over HTTP by a person who holds
the account's billing, and by one who holds that of three of its projects. SIZE=small takes 20 projects.
The Metering window is read as the script does that opens it. Some pages are read again with a promotion, and some while
events come in, which the roll-up does not know yet.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
from sqlalchemy import text

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from bench.figures import SMALL, Figure, say
from bench.furnish import ROWS, arrow_stream, pour, repeated, roll_up
from bench.late import present
from bench.load import CATALOG, TYPES, event, fresh, percentile_ms, post, serving_as_it_is
from bench.machine import await_rest
from meterbook.accounts.add_member import add_member
from meterbook.accounts.add_user import add_user
from meterbook.accounts.prove import prove_local
from meterbook.accounts.queries import account_by_code, all_projects
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.core.period import BillingMonth, billing_zone
from meterbook.house import House, open_house
from meterbook.invoicing.close import close_month
from meterbook.settings import Settings

PROJECTS = 20 if SMALL else 1_000
MONTHS = 13
RESOURCES = 20  # of each product in the first project, from the beginning of last month
WARM_UP = 3
READS = 5 if SMALL else 50
LONGEST_SECONDS = 20.0  # of reading one page
TARGET_MS = 100
TARGET_WINDOW_MS = 50
TARGET_FIRST_LOAD_BYTES = 150_000
BURST = 300  # events that come in before each reading of these:
LIVE = ("overview", "usage", "invoice preview", "metering window")
# What is read again once a promotion takes something off every line of the account:
PROMOTED = ("overview", "project usage, by product", "invoice preview, all open")
PASSWORD = "a password of the bench"
ALL, SOME = "all@bench.example", "some@bench.example"
_ZONE = billing_zone("UTC")
_GRACE = timedelta(hours=48)
_HOUR = timedelta(hours=1)


def run(folder: Path) -> list[Figure]:
    folder.mkdir(parents=True)
    now = present()
    command = [sys.executable, "-m", "bench.console", str(folder)]
    subprocess.run(command, check=True)
    with serving_as_it_is(folder) as (host, port, token, _):
        await_rest()
        everything = _Reader(host, port, ALL)
        addresses = _pages(now, everything.newest_invoice())
        pages = {name: everything.measure(path) for name, path in addresses.items()}
        some = _Reader(host, port, SOME)
        pages |= {f"{name}, three projects": some.measure(path) for name, path in _pages(now, None).items()}
        with _promoted(host, port, token):
            pages |= {f"{name}, with a promotion": everything.measure(addresses[name]) for name in PROMOTED}
        agents = _Agents(host, port, token)
        live = {name: everything.measure(addresses[name], agents.send) for name in LIVE}
    windows = [name for name in pages if name.startswith("metering")]
    return [
        _slowest("slowest page", pages.keys() - windows, pages, TARGET_MS),
        _slowest("slowest metering window", windows, pages, TARGET_WINDOW_MS),
        _heaviest(pages),
        *(
            Figure(name=name, value=page["p95_ms"], unit="ms", how=f"p95 of {READS} reads over HTTP")
            for name, page in pages.items()
        ),
        *(
            Figure(
                name=f"{name}, events coming in",
                value=page["p95_ms"],
                unit="ms",
                how=f"p95 of {READS} reads over HTTP, {BURST} events acknowledged before each",
            )
            for name, page in live.items()
        ),
    ]


def _slowest(title: str, names: Iterable[str], pages: dict[str, dict[str, Any]], target: int) -> Figure:
    slowest = max(names, key=lambda name: pages[name]["p95_ms"])
    how = (
        f"p95 of {READS} reads over HTTP, of {PROJECTS:,} projects x {len(TYPES)} products, {MONTHS} months: {slowest}"
    )
    return Figure(name=title, value=pages[slowest]["p95_ms"], unit="ms", how=how, at_most=target)


def _heaviest(pages: dict[str, dict[str, Any]]) -> Figure:
    heaviest = max(pages, key=lambda name: pages[name]["first_load_bytes"])
    return Figure(
        name="heaviest first load",
        value=pages[heaviest]["first_load_bytes"],
        unit="bytes",
        how=f"page, style sheet and scripts, compressed, with nothing kept by the browser: {heaviest}",
        at_most=TARGET_FIRST_LOAD_BYTES,
    )


def _pages(now: datetime, invoice: str | None) -> dict[str, str]:
    """Return the addresses to read by name; without an invoice those that show projects alone."""
    last = str(BillingMonth.of(now, _ZONE).previous())
    day = (now - timedelta(days=1)).date().isoformat()

    def address(path: str, **state: str) -> str:
        return f"{path}?{urlencode({'account': 'bench', **state})}"

    server = {"project": "p0000", "product": "server"}
    pages = {
        "overview": address("/overview"),
        "usage": address("/usage"),
        "usage, a day open": address("/usage", project="p0000", open=day),
        "usage, search": address("/usage", q="p0001"),
        "usage, last month": address("/usage", period="last-month"),
        "project usage": address("/project-usage"),
        "project usage, by product": address("/project-usage", by="product"),
        "project usage, last month": address("/project-usage", month=last),
        "invoice preview": address("/invoice-preview"),
        "invoice preview, by product": address("/invoice-preview", by="product"),
        "invoice preview, all open": address("/invoice-preview", open="*"),
        "invoice preview, last month": address("/invoice-preview", month=last),
        "metering window": address("/metering", **server),
        "metering window, a day": address("/metering", day=day, **server),
        "metering window, all open": address("/metering", open="*", **server),
        "metering window, events": address("/metering", hour=f"{day}T10:00Z", **server),
    }
    if invoice is not None:
        pages |= {
            "metering window, an invoice's line": f"/invoices/{invoice}/lines/1/metering",
            "billing history": address("/billing-history"),
            "invoice": f"/invoices/{invoice}",
            "invoice, by product": f"/invoices/{invoice}?by=product",
            "balance": address("/balance"),
            "budget": address("/budget"),
            "payment information": address("/payment-information"),
        }
    return pages


class _Reader:
    """A person's browser: signed in, on a connection that stays open."""

    def __init__(self, host: str, port: int, email: str) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=120)
        self._cookies: dict[str, str] = {}
        _, page = self._ask("GET", "/sign-in")
        found = re.search(rb'name="form_token" value="([^"]+)"', page)
        assert found, "the sign-in page has a form"
        form = {"email": email, "password": PASSWORD, "form_token": found[1].decode()}
        status, _ = self._ask("POST", "/sign-in", urlencode(form))
        assert status == 303, status

    def newest_invoice(self) -> str:
        """Return the number of the newest invoice by the billing history."""
        _, page = self._ask("GET", "/billing-history?account=bench")
        numbers = re.findall(rb"/invoices/([A-Z]+-\d{4}-\d+)", page)
        return max(numbers).decode() if numbers else "INV-2026-000001"

    def measure(self, path: str, before_each: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """Read a page again and again; a slow one less often."""
        self._connection.close()  # the server does so with one that was idle for long; the next request opens it again
        for _ in range(WARM_UP):
            status, _ = self._ask("GET", path)
            assert status == 200, f"{status} from {path}"
        times: list[float] = []
        while len(times) < READS and sum(times) < LONGEST_SECONDS:
            before_each()
            begun = time.perf_counter()
            self._ask("GET", path)
            times.append(time.perf_counter() - begun)
        return {"p95_ms": percentile_ms(times, 95), "first_load_bytes": self._first_load(path)}

    def _first_load(self, path: str) -> int:
        """Return the bytes that a browser with nothing kept receives: the page and what its head names."""
        _, page = self._ask("GET", path)
        total = self._sent
        for name in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.decode()):
            self._ask("GET", name.replace("&amp;", "&"))
            total += self._sent
        return total

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        headers = {"Accept-Encoding": "gzip, deflate, br, zstd", "Accept": "text/html"}  # as browsers say
        if "/metering" in path:
            headers["HX-Request"] = "true"  # as the script asks for the inside of the window
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        for cookie in answer.headers.get_all("set-cookie") or []:
            name, _, rest = cookie.partition("=")
            self._cookies[name] = rest.partition(";")[0]
        self._sent = len(content)
        return answer.status, zstd.decompress(content) if answer.headers["content-encoding"] == "zstd" else content


class _Agents:
    """What sends the account's events, of the present minute."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=120)
        body = json.dumps({"scope": "events", "account": "bench"})
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection.request("POST", "/api/v1/keys", body, headers)
        self._key: str = json.loads(self._connection.getresponse().read())["key"]

    def send(self) -> None:
        """Send one event of each of some series."""
        now = present()
        events = [event(each, TYPES[each % 3], f"p{each % PROJECTS:04}", now, "1", "r-0") for each in range(BURST)]
        post(self._connection, self._key, fresh(json.dumps(events).encode()))


@contextmanager
def _promoted(host: str, port: int, token: str) -> Iterator[None]:
    """Register a promotion for the account that has held since before all of its usage, and take it back."""
    connection = http.client.HTTPConnection(host, port, timeout=120)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(method: str, path: str, body: dict[str, str]) -> None:
        connection.request(method, f"/api/v1/{path}", json.dumps(body), headers)
        answer = connection.getresponse()
        told = answer.read()
        assert answer.status < 300, told
        connection.close()  # the server does so with one that was idle for long

    terms = {"kind": "percent", "value": "10", "applies_to": "invoice", "from": "2020-01-01T00:00Z"}
    registered = {"account": "bench", "code": "BENCH10"}
    ask("PUT", "payment-information", {"account": "bench", "method": "send_invoice", "email": ALL})
    ask("POST", "promotion-codes", {"code": "BENCH10", **terms})
    ask("POST", "promotions/redeem", registered)
    yield
    ask("POST", "promotions/withdraw", {**registered, "reason": "measured"})


def _furnish(house: House, now: datetime) -> None:
    _add_people(house, now)
    with house.database.transaction() as session:
        codes = list(session.scalars(text("select code from project order by id")))
    months = _months(now)
    pour(house, codes, _bodies(codes, months[0].starts_at(_ZONE), now), now)
    roll_up(house, _ZONE)
    _close(house, months, now)


def _add_people(house: House, now: datetime) -> None:
    with house.database.transaction() as session:
        apply_catalog(session, parse_catalog(CATALOG), now, lambda *_: False)
        session.execute(
            text(
                "insert into account (code, name, currency, time_zone, language, tax_percent, created_at)"
                " values ('bench', 'Bench', 'USD', 'UTC', 'en', 10, now())"
            )
        )
        session.execute(
            text(
                "insert into project (account_id, code, name, labels, plan, created_at)"
                " select a.id, 'p' || to_char(n, 'FM0000'), 'Project ' || n, '{\"team\": \"web\"}', 'subscribed', now()"
                " from account a, generate_series(0, :count - 1) n"
            ),
            {"count": PROJECTS},
        )
    with house.database.transaction() as session:
        account = account_by_code(session, "bench", prove_local("bench", "bench"))
        projects = all_projects(session, [account.id])[account.id]
        for email, where in ((ALL, [None]), (SOME, projects[:3])):
            user = add_user(session, now, email=email, password=PASSWORD)
            for project in where:
                add_member(session, now, user=user, account=account, project=project, role="viewer", billing=True)


def _months(now: datetime) -> list[BillingMonth]:
    months = [BillingMonth.of(now, _ZONE)]
    while len(months) < MONTHS:
        months.insert(0, months[0].previous())
    return months


def _bodies(codes: list[str], begins: datetime, until: datetime) -> Iterator[bytes]:
    """Yield Arrow streams of events in the order of their hours: one of each product of each project in each hour.

    The first project has more resources, from the beginning of the month before that of `until`.
    """
    start, hours = int(begins.timestamp()), int((until - begins) / _HOUR)
    number = np.arange(len(codes) * len(TYPES))
    place, kind, resource = number // len(TYPES), number % len(TYPES), np.zeros_like(number)
    more = np.arange(len(TYPES) * (RESOURCES - 1))
    wide = (
        np.concatenate([place, np.zeros_like(more)]),
        np.concatenate([kind, more % len(TYPES)]),
        np.concatenate([resource, more // len(TYPES) + 1]),
    )
    last_month = BillingMonth.of(until, _ZONE).previous().starts_at(_ZONE)
    widens = int((last_month - begins) / _HOUR)
    at_once = max(1, ROWS // len(wide[0]))
    for first in range(0, hours, at_once):
        series = wide if first >= widens else (place, kind, resource)
        yield _body(codes, series, np.arange(first, min(first + at_once, hours)), start)


def _body(codes: list[str], series: tuple[Any, Any, Any], hours: Any, start: int) -> bytes:
    count = len(series[0])
    place, kind, resource = (np.tile(part, len(hours)) for part in series)
    hour = np.repeat(hours, count)
    rows = len(hour)
    return arrow_stream(
        {
            "project": repeated(codes, place),
            "type": repeated(list(TYPES), kind),
            "resource": repeated([f"r-{number}" for number in range(RESOURCES)], resource),
            "time": start + hour * 3600 + 60 * (resource % 60),
            "value": hour % 7 + place % 5 + 1,
            "source": repeated(["bench"], np.zeros(rows, np.int32)),
            "id": pa.array(hour * 1_000_000 + np.tile(np.arange(count), len(hours))).cast(pa.string()),
        }
    )


def _close(house: House, months: list[BillingMonth], now: datetime) -> None:
    for month in months[:-1]:
        at = month.ends_at(_ZONE) + _GRACE
        if at <= now:
            close_month(house.database.transaction, house.usage, house.settings, month, at, confirm=True)
            say(f"{month} closed")


def main() -> None:
    with open_house(Settings(data_dir=Path(sys.argv[1]))) as house:
        _furnish(house, present())


if __name__ == "__main__":
    main()
