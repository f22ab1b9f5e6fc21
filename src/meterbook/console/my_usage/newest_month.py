"""The newest month in which anything was used: where an empty page leads."""

from __future__ import annotations

from collections.abc import Collection

from meterbook.console.account_page import AccountPage
from meterbook.core.period import BillingMonth
from meterbook.usage.latest_use import latest_use


def newest_month(at: AccountPage, project_ids: Collection[int]) -> BillingMonth | None:
    """Return the newest month in which some of the projects used anything, None when none did."""
    latest = latest_use(at.request.app.state.usage, at.account.id, project_ids, at.zone)
    return None if latest is None else BillingMonth.of(latest, at.zone)
