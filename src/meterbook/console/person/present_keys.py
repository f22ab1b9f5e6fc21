"""Keys as those who manage them read them: what each is for, and whether anything still uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from meterbook.accounts.tables import ApiKey, Project
from meterbook.console.formats import formats
from meterbook.console.person.present_sign_ins import written_day
from meterbook.core.period import BillingZone


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key of the list; days are written out. `project` is none for every project, `last_used` for never."""

    prefix: str
    name: str
    scope: str
    project: str | None
    created: str
    last_used: str | None
    expires: str | None
    is_over: bool


def present_keys(
    found: Sequence[tuple[ApiKey, Project | None]], now: datetime, language: str, zone: BillingZone
) -> list[KeyRow]:
    """Present keys in the order they come in; days are those of the zone, the last use's that of UTC."""
    return [
        KeyRow(
            prefix=key.prefix,
            name=key.name,
            scope=key.scope,
            project=None if project is None else project.name,
            created=written_day(key.created_at, language, zone),
            last_used=None if key.last_used_on is None else formats(language).date(key.last_used_on, "medium"),
            expires=None if key.expires_at is None else written_day(key.expires_at, language, zone),
            is_over=key.expires_at is not None and key.expires_at <= now,
        )
        for key, project in found
    ]
