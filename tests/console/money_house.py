"""A house whose accounts are billed and pay, for tests of the pages of money: acts go through the API as an operator's.

Each account is new, with one project and three people: `finance` holds its billing, `part` that of the project alone,
`stranger` belongs elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import text

from meterbook.accounts.add_member import add_member
from meterbook.accounts.add_user import add_user
from meterbook.accounts.tables import Account, Project
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.house import House
from meterbook.jobs.worker import drain
from meterbook.jobs.workplace import Workplace
from meterbook.mail import FolderMailer
from tests.console.browser import PASSWORD, Browser, browsing, sign_in

NOW = datetime(2026, 8, 5, 9, tzinfo=UTC)
CATALOG = (Path(__file__).parents[1] / "doors" / "catalog.toml").read_text(encoding="utf-8")
_numbers = count(1)


@dataclass
class Payer:
    """An account with its project of the same code, asked about through a browser's server."""

    browser: Browser
    house: House
    code: str

    def api(self, path: str, **query: object) -> Any:
        answer = self.browser.get(f"/api/v1{path}", params={"account": self.code, **query}, headers=self.browser.key)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def act(self, path: str, body: dict[str, Any], method: str = "POST") -> Any:
        headers = self.browser.key | {"idempotency-key": str(uuid4())}
        answer = self.browser.send(method, f"/api/v1{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    def use(self, kind: str, value: str, at: str, resource: str = "", project: str | None = None) -> None:
        event = {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": "money",
            "type": kind,
            "subject": project or self.code,
            "time": at,
            "data": {"value": value, "resource": resource},
        }
        assert self.act("/events", event)["accepted"] == 1

    def won(self, month: str) -> None:
        """Use what E09 uses."""
        for kind, value in (("won.a", "10005"), ("won.b", "20006"), ("won.c", "30007")):
            self.use(kind, value, f"{month}-03T10:00:00Z")

    def project(self, code: str, name: str) -> str:
        return str(self.act("/projects", {"account": self.code, "code": code, "name": name})["code"])

    def issue(self, month: str, at: str) -> Any:
        (row,) = self.act("/closes", {"month": month, "account": self.code, "confirm": True, "at": at})["issued"]
        return self.invoice(row["number"])

    def invoice(self, number: str) -> Any:
        answer = self.browser.get(f"/api/v1/invoices/{number}", headers=self.browser.key)
        return answer.json()

    def register(self, **more: Any) -> Any:
        body = {"account": self.code, "method": "send_invoice", "email": f"{self.code}@money.example", **more}
        return self.act("/payment-information", body, "PUT")

    def card(self, token: str = "fake_succeeds") -> Any:
        return self.register(method="card", gateway="fake", token=token)

    def top_up(self, amount: str, reference: str = "ahead") -> Any:
        return self.act("/balance/top-ups", {"account": self.code, "amount": amount, "reference": reference})

    def record(self, amount: str, reference: str = "wire", day: str = "2026-07-28") -> Any:
        body = {"account": self.code, "amount": amount, "received_on": day, "reference": reference}
        return self.act("/payments/record", body)

    def promote(self, kind: str, value: str, **more: Any) -> str:
        code = f"CODE-{next(_numbers)}"
        body = {"code": code, "kind": kind, "value": value, "from": "2026-01-01T00:00:00Z", **more}
        self.act("/promotion-codes", body)
        self.act("/promotions/redeem", {"account": self.code, "code": code})
        return code

    def credit(self, number: str, line: int, net: str, reason: str = "measured wrongly") -> Any:
        return self.act(f"/invoices/{number}/credit-notes", {"reason": reason, "lines": [{"line": line, "net": net}]})

    def work(self) -> None:
        """Do the jobs that are due."""
        mailer = FolderMailer(self.house.settings.data_dir / "mail", self.house.settings.mail_from)
        drain(Workplace(self.house.settings, self.house.database, self.house.usage, mailer, lambda: NOW), alone=True)

    def sign_in(self, who: str = "finance") -> Browser:
        assert sign_in(self.browser, f"{who}@{self.code}.example").status_code == 303
        return self.browser


def empty(house: House) -> None:
    """Take every row out of a house: numbers follow time, so an invoice of the past needs a series that is new."""
    with house.database.transaction() as session:
        session.execute(text("set local session_replication_role = replica"))
        tables = session.scalars(text("select quote_ident(tablename) from pg_tables where schemaname = 'public'")).all()
        rows = ", ".join(table for table in tables if table != "schema_version")
        session.execute(text(f"truncate {rows} cascade"))
        apply_catalog(session, parse_catalog(CATALOG), NOW, lambda *_: False)


@contextmanager
def paying(house: House, currency: str = "KRW", tax: str = "10", name: str = "") -> Iterator[Payer]:
    """Give a new account before a server that was just started."""
    code = f"payer-{next(_numbers)}"
    with browsing(house, NOW) as browser:
        payer = Payer(browser, house, code)
        body = {"code": code, "name": name or code, "currency": currency, "tax_percent": tax}
        payer.act("/accounts", {**body, "billing_email": f"{code}@money.example"})
        payer.project(code, code)
        people(house, code)
        yield payer


def people(house: House, code: str) -> None:
    with house.database.transaction() as session:
        account = session.query(Account).filter_by(code=code).one()
        project = session.query(Project).filter_by(code=code).one()
        for who, place in (("finance", None), ("part", project), ("stranger", None)):
            user = add_user(session, NOW, email=f"{who}@{code}.example", password=PASSWORD)
            if who != "stranger":
                add_member(session, NOW, user=user, account=account, project=place, role="viewer", billing=True)


def figures(page: httpx.Response) -> dict[str, str]:
    """Return the figures of a page by name."""
    found = re.findall(r"<dt>([^<]+)</dt>\s*<dd>([^<]+)</dd>", page.text)
    return {name: value.strip() for name, value in found}


def cells(page: httpx.Response, table: str) -> list[list[str]]:
    """Return the rows of a section's table as plain text."""
    body = page.text.partition(f'id="{table}"')[2].partition("<tbody>")[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.DOTALL)
    return [[plain(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)] for row in rows]


def plain(cell: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split())
