"""A company whose people manage themselves: real stores, letters in a folder, a clock each browser stands at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from meterbook.accounts.add_account import add_account
from meterbook.accounts.add_member import add_member
from meterbook.accounts.add_project import add_project
from meterbook.accounts.add_user import add_user
from meterbook.accounts.queries import membership_of, user_by_email
from meterbook.accounts.sign_in import password_hash
from meterbook.accounts.tables import Account, Project
from meterbook.house import House
from meterbook.jobs.worker import drain
from meterbook.jobs.workplace import Workplace
from meterbook.mail import FolderMailer, Mailer
from tests.console.browser import PASSWORD, Browser, browsing, sign_in, token_of

NOW = datetime(2026, 6, 12, 6, tzinfo=UTC)
SERVED_AT = "http://127.0.0.1:8123"
SCRIPT = "<script>alert('name')</script>"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
# email -> (account, project, role, billing)
PEOPLE: dict[str, list[tuple[str, str | None, str, bool]]] = {
    "boss@acme.example": [("acme", None, "admin", True)],
    "lead@acme.example": [("acme", None, "admin", False)],
    "web@acme.example": [("acme", "web", "admin", False), ("acme", "shop", "viewer", True)],
    "member@acme.example": [("acme", "web", "member", True)],
    "finance@acme.example": [("acme", None, "viewer", True)],
    "boss@other.example": [("other", None, "admin", True)],
    "nobody@nowhere.example": [],
}
STAFF = "staff@meterbook.example"


@dataclass
class Company:
    """The house of two accounts; `letters` are read as they come in."""

    house: House
    read: set[str] = field(default_factory=set)

    def furnish(self) -> None:
        with self.house.database.transaction() as session:
            accounts = {
                code: add_account(session, NOW, code=code, currency="USD", name=name)
                for code, name in (("acme", "Acme Corp"), ("other", "Other Inc"))
            }
            projects: dict[str | None, Project | None] = {None: None}
            for account, code in (("acme", "web"), ("acme", "shop"), ("other", "theirs")):
                projects[code] = add_project(session, NOW, account=accounts[account], code=code, name=f"The {code}")
            for email, held in PEOPLE.items():
                user = add_user(session, NOW, email=email)
                user.password_hash = known_hash()
                for account, project, role, billing in held:
                    place = projects[project]
                    add_member(
                        session,
                        NOW,
                        user=user,
                        account=accounts[account],
                        project=place,
                        role=role,
                        billing=billing,
                    )
            staff = add_user(session, NOW, email=STAFF, is_operator=True)
            staff.password_hash = known_hash()

    @contextmanager
    def open(self, email: str | None = None, **later: float) -> Iterator[Browser]:
        """Give a browser before a server that was just started, signed in as somebody, so much later."""
        with browsing(self.house, NOW + timedelta(**later)) as browser:
            browser.http.headers["user-agent"] = FIREFOX
            if email is not None:
                assert sign_in(browser, email).status_code == 303
            yield browser

    def work(self, served_at: str | None = SERVED_AT, mailer: Mailer | None = None, **later: float) -> int:
        """Do the jobs that are due; return how many ran."""
        house = self.house
        mailer = mailer or FolderMailer(self.mail, house.settings.mail_from)
        clock = lambda: NOW + timedelta(**later)  # noqa: E731 - a clock that stands
        return drain(Workplace(house.settings, house.database, house.usage, mailer, clock, served_at), alone=True)

    @property
    def mail(self) -> Path:
        return self.house.settings.data_dir / "mail"

    def letters(self, **how: Any) -> list[EmailMessage]:
        """Do the jobs, and return the letters that were not read yet."""
        self.work(**how)
        files = [file for file in sorted(self.mail.glob("*.eml")) if file.name not in self.read]
        self.read |= {file.name for file in files}
        found = [message_from_bytes(file.read_bytes(), policy=default) for file in files]
        return [each for each in found if isinstance(each, EmailMessage)]

    def link(self, kind: str, **how: Any) -> str:
        """Return the path of the link in the one new letter."""
        (letter,) = self.letters(**how)
        return link_in(letter, kind)

    def scalar(self, statement: str, **values: object) -> Any:
        with self.house.database.transaction() as session:
            return session.scalar(text(statement), values)

    def membership(self, email: str, account: str = "acme", project: str | None = None) -> int:
        with self.house.database.transaction() as session:
            payer = session.query(Account).filter_by(code=account).one()
            place = session.query(Project).filter_by(code=project).one().id if project else None
            return membership_of(session, user_by_email(session, email), payer.id, place).id


@cache
def known_hash() -> str:
    """Return the hash of everybody's password, which is slow to make, and meant to be."""
    return password_hash(PASSWORD)


def link_in(letter: EmailMessage, kind: str) -> str:
    found = re.search(rf"https?://[^/\s]+(/{kind}/[\w-]+)\s", letter.get_content())
    assert found, letter.get_content()
    return found[1]


def posting(browser: Browser, page: str, path: str, **form: object) -> httpx.Response:
    """Send a form that a page showed."""
    sent = {name: str(value) for name, value in form.items() if value is not None}
    return browser.post(path, data={"form_token": token_of(browser.get(page)), **sent})
