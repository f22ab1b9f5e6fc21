"""What the ingest route has to know of each event, remembered for some seconds: projects by code, types of meters."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from meterbook.accounts.access import Access
from meterbook.accounts.queries import Place, deleted_projects, projects_by_codes
from meterbook.catalog.queries import current_catalog
from meterbook.core.metering import MeterKind
from meterbook.database import Database
from meterbook.usage.ingest import CLOSED, Destination

# A project deleted, or a product taken away, in another process is still sent to for this long.
KEPT_FOR: Final = timedelta(seconds=5)
MOST_KEPT: Final = 100_000


class Types(NamedTuple):
    """The types of events that any product meters, and those that only count presence and need no value."""

    known: frozenset[str]
    presence: frozenset[str]


class Places:
    """Only what exists is remembered: a project or a type added a moment ago is found at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._projects: dict[str, Place] = {}
        self._types = Types(frozenset(), frozenset())
        self._since: datetime | None = None

    def destinations(self, codes: Collection[str], access: Access, now: datetime) -> dict[str, Destination]:
        """Return where usage of these projects belongs, of those the caller may send to; `CLOSED` for deleted ones."""
        self._age(now)
        closed: dict[str, Place] = {}
        if missing := [code for code in codes if code not in self._projects]:
            with self._database.transaction() as session:
                self._projects |= projects_by_codes(session, missing)
                closed = deleted_projects(session, [code for code in missing if code not in self._projects])
        found = {code: self._projects[code] for code in codes if code in self._projects}
        return {
            code: CLOSED if code in closed else Destination(place.project_id, place.account_id)
            for code, place in (found | closed).items()
            if access.may_send_to(place.project_id, place.account_id)
        }

    def types(self, wanted: Collection[str], now: datetime) -> Types:
        """Return the types of meters, read again when one of `wanted` is not among them."""
        self._age(now)
        if not self._types.known.issuperset(wanted):
            with self._database.transaction() as session:
                meters = [product.meter for product in current_catalog(session)]
            known = frozenset(meter.type for meter in meters)
            self._types = Types(known, known - {meter.type for meter in meters if meter.kind != MeterKind.presence})
        return self._types

    def _age(self, now: datetime) -> None:
        if self._since is None or not self._since <= now < self._since + KEPT_FOR or len(self._projects) > MOST_KEPT:
            self._since, self._projects = now, {}
            self._types = Types(frozenset(), frozenset())
