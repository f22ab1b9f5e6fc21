from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from meterbook.accounts.access import Access
from meterbook.accounts.add_account import add_account
from meterbook.accounts.add_member import add_member
from meterbook.accounts.add_project import add_project
from meterbook.accounts.add_user import add_user
from meterbook.accounts.create_key import create_key
from meterbook.accounts.prove import prove_key, prove_local, prove_session
from meterbook.accounts.sign_in import sign_in
from meterbook.accounts.tables import Account, Project
from meterbook.database import Database

NOW = datetime(2026, 6, 10, 9, 20, tzinfo=UTC)
PASSWORD = "correct horse battery"


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.transaction() as session:
        yield session


@dataclass(frozen=True)
class World:
    """Two accounts: acme with five projects, other with one."""

    session: Session
    acme: Account
    other: Account
    projects: dict[str, Project]

    def person(self, *memberships: tuple[str, str | None, bool]) -> Access:
        """Sign in as someone with memberships of (account, project, billing)."""
        user = add_user(self.session, NOW, email="ann@example.com", password=PASSWORD)
        for account, project, billing in memberships:
            add_member(
                self.session,
                NOW,
                user=user,
                account=self.acme if account == "acme" else self.other,
                project=None if project is None else self.projects[project],
                role="viewer",
                billing=billing,
            )
        return prove_session(self.session, sign_in(self.session, user.email, PASSWORD, NOW).token, NOW)[0]

    def key(self, scope: str, project: str | None = None) -> Access:
        """Return what a key of acme (or the operator) gives access to."""
        account = None if scope == "operator" else self.acme
        place = None if project is None else self.projects[project]
        made = create_key(self.session, NOW, scope=scope, account=account, project=place)
        return prove_key(self.session, made.secret, NOW)

    def operator(self) -> Access:
        """Return the access of the command line to its own server."""
        return prove_local("a", "a")


@pytest.fixture
def world(session: Session) -> World:
    acme = add_account(session, NOW, code="acme", currency="USD")
    other = add_account(session, NOW, code="other", currency="KRW", time_zone="Asia/Seoul")
    projects = {code: add_project(session, NOW, account=acme, code=code) for code in ("p1", "p2", "p3", "p4", "p5")}
    projects["far"] = add_project(session, NOW, account=other, code="far")
    return World(session, acme, other, projects)
