"""Change what of a promotion may change: its name, when it ends, and how often it may be registered."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from meterbook.accounts.unchanged import SAME, Unchanged
from meterbook.promotions.add_promotion import checked_count, checked_name, checked_period
from meterbook.promotions.queries import promotion_by_code
from meterbook.promotions.tables import PromotionRow


def change_promotion(
    session: Session,
    *,
    code: str,
    name: str | Literal[Unchanged.same] = SAME,
    ends_at: datetime | Literal[Unchanged.same] | None = SAME,
    redemptions_max: int | Literal[Unchanged.same] | None = SAME,
) -> PromotionRow:
    """Change a promotion and return it; an end holds for usage of every month that is not issued.

    A credit that was granted keeps the end it was granted with. Nobody registers the code meanwhile. Raises `NotFound`,
    `Invalid` naming the field.
    """
    row = promotion_by_code(session, code, locked=True)
    if name is not SAME:
        row.name = checked_name(name)
    if ends_at is not SAME:
        checked_period(row.starts_at, ends_at)
        row.ends_at = ends_at
    if redemptions_max is not SAME:
        row.redemptions_max = checked_count(redemptions_max)
    session.flush()
    return row
