"""Rows of the usage room in the money store: what the processes on one ClickHouse server agree on. Never usage."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from meterbook.database import Base


class UsageTurn(Base):
    """Whose turn it is to record events and to roll up, and how far both have come; one row.

    Moments are microseconds since 1970: every event received through `received_through` is in ClickHouse, `events` of
    them in all. `moment` is that of the group that `holder` is inserting. `step_holder` makes a step of the roll-up;
    `additions` were made in all, and while `is_adding`, one more by it is on its way. `forgotten` counts, twice, how
    often all of the roll-up was thrown away.
    """

    __tablename__ = "usage_turn"
    __table_args__ = (CheckConstraint("id = 1", "one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    received_through: Mapped[int] = mapped_column(BigInteger)
    events: Mapped[int] = mapped_column(BigInteger)
    holder: Mapped[str | None] = mapped_column(Text)
    moment: Mapped[int | None] = mapped_column(BigInteger)
    step_holder: Mapped[str | None] = mapped_column(Text)
    additions: Mapped[int] = mapped_column(BigInteger)
    is_adding: Mapped[bool]
    forgotten: Mapped[int] = mapped_column(BigInteger)
