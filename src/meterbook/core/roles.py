"""Who may do what, and where a project stands: scopes of keys, roles of members, project status (DOMAIN 1)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """What a key is for.

    events: send usage for an account's projects, read nothing. account: read and act for one
    account. operator: everything.
    """

    events = "events"
    account = "account"
    operator = "operator"


class Role(StrEnum):
    """What a member does in a project; the billing permission is separate from it."""

    viewer = "viewer"
    member = "member"
    admin = "admin"


class Plan(StrEnum):
    """What a project is on when it is in no trial and not limited."""

    free = "free"
    subscribed = "subscribed"


class ProjectStatus(StrEnum):
    """A project's subscription status as customers read it."""

    free = "free"
    trial = "trial"
    limited = "limited"
    subscribed = "subscribed"


def project_status(
    plan: Plan | str, trial_until: datetime | None, limited_at: datetime | None, now: datetime
) -> ProjectStatus:
    """Return where a project stands at `now`.

    A limit outweighs a running trial, and a running trial the plan; a trial ends at `trial_until`.
    """
    if limited_at is not None and limited_at <= now:
        return ProjectStatus.limited
    if trial_until is not None and now < trial_until:
        return ProjectStatus.trial
    return ProjectStatus(Plan(plan).value)
