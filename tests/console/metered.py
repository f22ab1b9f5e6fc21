"""An installation with usage of every kind, for the pages that show it: a price change, a trial, an issued month.

It is 20 July 2026, 06:00 UTC. Acme counts in UTC and dollars, and its June is issued; Hanok in Seoul's hours and won.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from meterbook.accounts.add_account import add_account
from meterbook.accounts.add_member import add_member
from meterbook.accounts.add_project import add_project
from meterbook.accounts.add_user import add_user
from meterbook.accounts.change_project import change_project
from meterbook.accounts.prove import prove_local
from meterbook.accounts.queries import account_by_code, project_by_code
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.database import Database
from meterbook.house import House
from meterbook.settings import Settings
from meterbook.usage.store import open_usage
from tests.conftest import emptied
from tests.console.browser import PASSWORD, Browser, browsing

NOW = datetime(2026, 7, 20, 6, 25, 30, 123_456, tzinfo=UTC)  # in the middle of an hour, as in life
HOUR = timedelta(hours=1)
SCRIPT = "<script>alert('project')</script>"
RESOURCE = "<script>alert('resource')</script>"
CATALOG = (Path(__file__).parents[1] / "doors" / "catalog.toml").read_text(encoding="utf-8")
# E-mail: account, project (None: all), billing permission.
SEES: dict[str, list[tuple[str, str | None, bool]]] = {
    "all@acme.example": [("acme", None, True), ("hanok", None, True)],
    "two@acme.example": [("acme", "web", True), ("acme", "shop", True), ("acme", "hidden", False)],
    "none@acme.example": [("acme", "web", False)],
}
PROJECTS: list[tuple[str, str, str, dict[str, str]]] = [
    ("acme", "web", SCRIPT, {"team": "web", "env": "prod"}),
    ("acme", "shop", "Shop 100%", {"team": "web"}),
    ("acme", "hidden", "Hidden API", {"team": "secret"}),
    ("acme", "gone", "Gone but named", {}),
    ("hanok", "hanok-app", "한옥", {}),
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def event(project: str, type_: str, resource: str, at: datetime, value: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{type_}/{resource}/{at.isoformat()}",
        "source": f"test/{project}",
        "type": type_,
        "subject": project,
        "time": at.isoformat(),
        "data": {"value": value, "resource": resource, **more},
    }


def hourly(project: str, type_: str, resource: str, begins: str, ends: str, value: str = "1") -> list[dict[str, Any]]:
    """A reading five minutes past every hour."""
    start, end = utc(begins), utc(ends)
    hours = [start + HOUR * number for number in range((end - start) // HOUR)]
    return [event(project, type_, resource, at + timedelta(minutes=5), value) for at in hours]


def july() -> list[dict[str, Any]]:
    now = "2026-07-20T06:00Z"
    return [
        *hourly("web", "host.seen", "host-a", "2026-07-01T00:00Z", now),
        *hourly("web", "host.seen", "host-b", "2026-07-09T14:00Z", now),
        *hourly("web", "host.seen", RESOURCE, "2026-07-10T00:00Z", "2026-07-10T02:00Z"),
        *hourly("web", "apm.cores", "api-1", "2026-07-02T00:00Z", "2026-07-02T10:00Z", "4"),
        *hourly("web", "apm.cores", "api-2", "2026-07-02T05:00Z", "2026-07-02T10:00Z", "8"),
        *hourly("web", "request.count", "gateway", "2026-07-03T00:00Z", "2026-07-05T00:00Z", "1000.5"),
        *hourly("web", "log.lines", "syslog", "2026-07-03T00:00Z", "2026-07-05T00:00Z", "0.25"),
        *hourly("shop", "host.seen", "shop-1", "2026-07-01T00:00Z", now),
        *hourly("hidden", "host.seen", "secret-host", "2026-07-01T00:00Z", now),
        *hourly("gone", "host.seen", "old", "2026-07-01T00:00Z", "2026-07-02T00:00Z"),
        # Two hosts from the start of July in Seoul, of which the first 82 hours are trial.
        *hourly("hanok-app", "host.seen", "h1", "2026-07-01T00:00+09:00", now),
        *hourly("hanok-app", "host.seen", "h2", "2026-07-01T00:00+09:00", now),
    ]


def june() -> list[dict[str, Any]]:
    return [
        *hourly("web", "host.seen", "host-a", "2026-06-01T00:00Z", "2026-06-11T00:00Z"),
        *hourly("web", "request.count", "gateway", "2026-06-02T00:00Z", "2026-06-02T03:00Z", "7"),
        *hourly("hidden", "host.seen", "secret-host", "2026-06-01T00:00Z", "2026-06-03T00:00Z"),
    ]


def late() -> list[dict[str, Any]]:
    """What comes after June was issued: a day of another host."""
    return hourly("web", "host.seen", "late-host", "2026-06-05T00:00Z", "2026-06-06T00:00Z")


def send(browser: Browser, events: list[dict[str, Any]]) -> None:
    answer = browser.post("/api/v1/events", json=events, headers=browser.key)
    assert answer.json()["accepted"] == len(events), answer.text


def furnish(database: Database) -> None:
    with database.transaction() as session:
        apply_catalog(session, parse_catalog(CATALOG), NOW, lambda *_: False)
        acme = add_account(session, NOW, code="acme", currency="USD", name="Acme")
        hanok = add_account(session, NOW, code="hanok", currency="KRW", name="Hanok", time_zone="Asia/Seoul")
        accounts = {"acme": acme, "hanok": hanok}
        projects = {}
        for account, code, name, labels in PROJECTS:
            trial = utc("2026-07-04T10:00+09:00") if code == "hanok-app" else None
            projects[code] = add_project(
                session, NOW, account=accounts[account], code=code, name=name, labels=labels, trial_until=trial
            )
        for email, held in SEES.items():
            user = add_user(session, NOW, email=email, password=PASSWORD)
            for account, project, billing in held:
                add_member(
                    session,
                    NOW,
                    user=user,
                    account=accounts[account],
                    project=projects[project] if project else None,
                    role="viewer",
                    billing=billing,
                )


@contextmanager
def metered_house(database: Database, folder: Path) -> Iterator[House]:
    """Give the installation, with June issued and then some usage of June that came late."""
    emptied(database)
    furnish(database)
    store = open_usage(folder)
    house = House(Settings(data_dir=folder), database, store)
    try:
        with browsing(house, NOW) as browser:
            send(browser, june() + july())
            body = {"month": "2026-06", "account": "acme", "confirm": True}
            answer = browser.post("/api/v1/closes", json=body, headers=browser.key)
            assert len(answer.json()["issued"]) == 1, answer.text
            send(browser, late())
            with database.transaction() as session:
                access = prove_local("a", "a")
                gone = project_by_code(session, "gone", access)
                change_project(
                    session, NOW, account=account_by_code(session, "acme", access), project=gone, deleted=True
                )
        yield house
    finally:
        store.close()
