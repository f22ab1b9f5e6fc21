"""Who is in the demo: accounts, projects and users with what they may see (DOMAIN 1).

Two accounts are generated and say so in their names; the third holds recorded usage.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from meterbook.core.roles import Plan, Role

GENERATED: Final = "acme"
GENERATED_WON: Final = "saebom"
RECORDED: Final = "cloudwatch"
_TRIAL_DAYS_LEFT: Final = 12


@dataclass(frozen=True, slots=True)
class DemoProject:
    """A project to create; `trial_until` is `None` when it is in no trial."""

    code: str
    name: str
    labels: dict[str, str]
    plan: Plan = Plan.subscribed
    trial_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account to create with its projects; `tax_percent` is a plain number such as "10"."""

    code: str
    name: str
    currency: str
    time_zone: str
    language: str
    tax_percent: str
    billing_email: str
    projects: tuple[DemoProject, ...]


@dataclass(frozen=True, slots=True)
class DemoMembership:
    """What a user belongs to; `project` is `None` for every project of the account."""

    account: str
    project: str | None
    role: Role
    billing: bool


@dataclass(frozen=True, slots=True)
class DemoUser:
    """A person who can sign in; `sees` says in a sentence what the sign-in shows."""

    email: str
    name: str
    language: str
    sees: str
    memberships: tuple[DemoMembership, ...]
    is_operator: bool = False


def demo_accounts(now: datetime) -> tuple[DemoAccount, ...]:
    """Return the demo's accounts; one project is in a trial that ends twelve days after the day of `now`."""
    trial_until = datetime(now.year, now.month, now.day, 10, tzinfo=UTC) + timedelta(days=_TRIAL_DAYS_LEFT)
    return (_acme(trial_until), _saebom(), _cloudwatch())


def _acme(trial_until: datetime) -> DemoAccount:
    return DemoAccount(
        GENERATED,
        "Acme Observability (generated)",
        "USD",
        "UTC",
        "en",
        "8.25",
        "billing@acme.example",
        (
            DemoProject("shop", "Shop", {"team": "web", "env": "prod"}),
            DemoProject("api", "Public API", {"team": "platform", "env": "prod"}),
            DemoProject("warehouse", "Warehouse", {"team": "data", "env": "prod"}),
            DemoProject("office", "Office network", {"team": "it", "env": "prod"}),
            DemoProject("mobile", "Mobile app", {"team": "web", "env": "beta"}, trial_until=trial_until),
            DemoProject("sandbox", "Sandbox", {"team": "platform", "env": "dev"}, plan=Plan.free),
        ),
    )


def _saebom() -> DemoAccount:
    return DemoAccount(
        GENERATED_WON,
        "Saebom Games (generated)",
        "KRW",
        "Asia/Seoul",
        "ko",
        "10",
        "billing@saebom.example",
        (
            DemoProject("saebom-game", "게임 서버", {"env": "prod"}),
            DemoProject("saebom-web", "웹사이트", {"env": "prod"}),
        ),
    )


def _cloudwatch() -> DemoAccount:
    return DemoAccount(
        RECORDED,
        "CloudWatch 2014 (recorded)",
        "USD",
        "UTC",
        "en",
        "0",
        "billing@cloudwatch.example",
        (
            DemoProject("cw-web", "Hosts and load balancer", {"source": "recorded"}),
            DemoProject("cw-data", "Database instances", {"source": "recorded"}),
        ),
    )


_ACME_TEAM: Final = ("shop", "api", "warehouse", "mobile", "sandbox")
_DEVELOPER_BILLING: Final = frozenset({"shop", "api"})

DEMO_USERS: Final = (
    DemoUser("staff@meterbook.example", "Staff", "en", "everything, as the operator's staff", (), is_operator=True),
    DemoUser(
        "finance@acme.example",
        "Finance",
        "en",
        "every project of all three accounts, with amounts",
        tuple(DemoMembership(code, None, Role.viewer, billing=True) for code in (GENERATED, GENERATED_WON, RECORDED)),
    ),
    DemoUser(
        "developer@acme.example",
        "Developer",
        "en",
        "five projects of Acme Observability, amounts of Shop and Public API only",
        tuple(DemoMembership(GENERATED, code, Role.member, billing=code in _DEVELOPER_BILLING) for code in _ACME_TEAM),
    ),
    DemoUser(
        "viewer@acme.example",
        "Viewer",
        "en",
        "the usage of Shop and Warehouse in Acme Observability, no amounts",
        tuple(DemoMembership(GENERATED, code, Role.viewer, billing=False) for code in ("shop", "warehouse")),
    ),
    DemoUser(
        "admin@acme.example",
        "Administrator",
        "en",
        "all of Acme Observability, and manages its people and keys",
        (DemoMembership(GENERATED, None, Role.admin, billing=True),),
    ),
)
