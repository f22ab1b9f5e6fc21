"""An installation for tests of money below the doors: both real stores, one product by count, a clock that is set.

It lives in 2027, ahead of the database's clock, so that jobs wait for the moment that a test moves to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path

from meterbook.accounts.add_account import add_account
from meterbook.accounts.add_project import add_project
from meterbook.accounts.prove import prove_local
from meterbook.accounts.queries import account_by_code, projects_by_codes
from meterbook.accounts.tables import Account
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.core.money import Money, currency
from meterbook.core.period import BillingMonth
from meterbook.database import Database
from meterbook.invoicing.close import Closed, close_month
from meterbook.invoicing.queries import invoices_of_month
from meterbook.invoicing.tables import Invoice
from meterbook.invoicing.verify import verify
from meterbook.jobs.worker import drain
from meterbook.jobs.workplace import Workplace
from meterbook.mail import FolderMailer
from meterbook.payments.gateways.fake import FakeGateway
from meterbook.payments.gateways.open import fake_secret
from meterbook.payments.register import checked, register
from meterbook.settings import Settings
from meterbook.usage.events import read_events
from meterbook.usage.ingest import Destination, ingest
from meterbook.usage.store import UsageStore

CATALOG = """
version = 1
[[products]]
code = "calls"
name = { en = "Calls", ko = "호출", ja = "呼び出し" }
unit = "call"
meter = { type = "calls", kind = "counter" }
prices = [{ currency = "USD", from = 2010-01-01T00:00:00Z, model = "per_unit", per = "quantity", unit_price = "1" }]
"""
USD = currency("USD")
_numbers = count(1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def usd(text: str) -> Money:
    return Money.parse(text, USD)


@dataclass
class Office:
    """Acts as the doors would, at the moment `now`."""

    database: Database
    usage: UsageStore
    settings: Settings
    now: datetime = field(default_factory=lambda: utc("2027-07-03T00:17:42.123Z"))

    def __post_init__(self) -> None:
        with self.database.transaction() as session:
            apply_catalog(session, parse_catalog(CATALOG), self.now, lambda *_: False)

    @property
    def place(self) -> Workplace:
        mailer = FolderMailer(self.settings.data_dir / "mail", self.settings.mail_from)
        return Workplace(self.settings, self.database, self.usage, mailer, lambda: self.now)

    def account(self, tax: str = "0", language: str = "en") -> str:
        """Add an account with a project of its code."""
        code = f"office-{next(_numbers)}"
        with self.database.transaction() as session:
            account = add_account(
                session, self.now, code=code, currency="USD", tax_percent=Decimal(tax), language=language
            )
            add_project(session, self.now, account=account, code=code)
        return code

    def row(self, code: str) -> Account:
        with self.database.transaction() as session:
            return account_by_code(session, code, prove_local("a", "a"))

    def register(self, code: str, method: str = "send_invoice", token: str | None = None) -> None:
        with self.database.transaction() as session:
            account = account_by_code(session, code, prove_local("a", "a"))
            information = checked(
                account,
                method=method,
                company=None,
                registration_number=None,
                recipient=None,
                email=f"{code}@money.example",
                cc=[],
                language=None,
            )
            card = None if token is None else self.gateway().attach(code, information.email, token, f"attach/{code}")
            gateway = None if card is None else "fake"
            register(session, self.now, account=account, information=information, gateway=gateway, card=card)

    def gateway(self) -> FakeGateway:
        return FakeGateway(self.database, fake_secret(self.settings.data_dir))

    def use(self, code: str, amount: str, at: str = "2027-06-10T10:00:00Z") -> None:
        """Meter calls for so many dollars."""
        body = {
            "specversion": "1.0",
            "id": str(next(_numbers)),
            "source": "office",
            "type": "calls",
            "subject": code,
            "time": at,
            "data": {"value": amount},
        }
        decoded = read_events(json.dumps(body).encode(), "application/cloudevents+json", None)

        def resolve(codes: AbstractSet[str]) -> Mapping[str, Destination]:
            with self.database.transaction() as session:
                return {code: Destination(*place) for code, place in projects_by_codes(session, codes).items()}

        receipt = ingest(self.usage, decoded, resolve, frozenset({"calls"}), self.now).result()
        assert receipt.accepted == 1, receipt

    def close(self, code: str, month: str = "2027-06", confirm: bool = True) -> Closed:
        return close_month(
            self.database.transaction,
            self.usage,
            self.settings,
            BillingMonth.parse(month),
            self.now,
            account_ids=[self.row(code).id],
            confirm=confirm,
        )

    def issued(self, code: str, amount: str | None = None, month: str = "2027-06") -> Invoice:
        """Close a month (used for so much) and return its invoice."""
        if amount is not None:
            self.use(code, amount, f"{month}-10T10:00:00Z")
        self.close(code, month)
        with self.database.transaction() as session:
            account_id = self.row(code).id
            return invoices_of_month(session, [account_id], BillingMonth.parse(month))[account_id]

    def work(self, at: str | None = None) -> int:
        """Do the jobs that are due, at a later moment if one is named."""
        if at is not None:
            self.now = utc(at)
        return drain(self.place, alone=True)

    def letters(self) -> list[Path]:
        return sorted((self.settings.data_dir / "mail").glob("*.eml"))

    def check(self) -> None:
        _, faults = verify(self.database.transaction, self.usage)
        assert faults == []
