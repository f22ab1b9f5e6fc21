"""Since when accounts use anything at all: of the roll-up's days, and of the events that are not rolled up yet."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from meterbook.core.period import BillingZone
from meterbook.usage.connection import Parameter, statement
from meterbook.usage.rolled import Days
from meterbook.usage.store import UsageStore

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = 86_400


def first_use(store: UsageStore, account_ids: Collection[int], zone: BillingZone) -> dict[int, datetime]:
    """Return by account a time that none of its events is before, on the day of the first; those without are left out.

    Days are told on the zone's clocks as they are at the beginning of the year, so that it may be a day early where
    these change. Events are read where the roll-up does not know of them, all of them while it has not begun.
    """
    if not account_ids:
        return {}
    days = store.rolled(account_ids, zone)
    if days is not None:
        found = _of_days(store, account_ids, days)
        for account_id, first in _of_events(store, account_ids, days.received_through).items():
            found[account_id] = min(first, found.get(account_id, first))
        if store.is_rolled(days):
            return found
    return _of_events(store, account_ids, _EPOCH)


def _of_days(store: UsageStore, account_ids: Collection[int], days: Days) -> dict[int, datetime]:
    asked: dict[str, Parameter] = {"accounts": sorted(account_ids), "utc_offset": days.utc_offset}
    rows = store.read_rolled(days, statement("first_days"), asked).to_pylist()
    return {row["account_id"]: _EPOCH + timedelta(seconds=row["first_day"] * _DAY - days.shift) for row in rows}


def _of_events(store: UsageStore, account_ids: Collection[int], received_after: datetime) -> dict[int, datetime]:
    if store.earliest_since(account_ids, received_after) is None:
        return {}
    asked: dict[str, Parameter] = {"accounts": sorted(account_ids), "received": received_after}
    rows = store.read(statement("first_events"), asked).to_pylist()
    return {row["account_id"]: row["first_at"].astimezone(UTC) for row in rows}
