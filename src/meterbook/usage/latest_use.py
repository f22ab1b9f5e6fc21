"""Until when projects used anything at all, for pages of a time in which they used nothing."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from meterbook.core.period import BillingZone
from meterbook.usage.connection import Parameter, statement
from meterbook.usage.store import UsageStore

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = 86_400


def latest_use(store: UsageStore, account_id: int, project_ids: Collection[int], zone: BillingZone) -> datetime | None:
    """Return the beginning of the newest day on which projects of an account used something; None for none.

    Only what the roll-up has counts: the events of the last minutes do not, and nothing while it has not begun.
    """
    days = store.rolled([account_id], zone)
    if days is None or not project_ids:
        return None
    asked: dict[str, Parameter] = {
        "account": account_id,
        "projects": sorted(project_ids),
        "utc_offset": days.utc_offset,
    }
    (row,) = store.read_rolled(days, statement("latest_day"), asked).to_pylist()
    return _EPOCH + timedelta(seconds=row["latest_day"] * _DAY - days.shift) if row["days"] else None
