"""Rows of budgets and of the alerts they gave. Amounts are minor units of the account's currency."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from meterbook.database import Base


class Budget(Base):
    """What an account means to spend in a month, tax included; `set_by` is who set it last."""

    __tablename__ = "budget"
    __table_args__ = (CheckConstraint("amount_minor > 0", "amount_sign"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), unique=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    set_by: Mapped[str] = mapped_column(Text)
    set_at: Mapped[datetime]


class BudgetAlert(Base):
    """A threshold (`percent`) that a month reached: the budget, what was spent and the forecast at that moment."""

    __tablename__ = "budget_alert"

    budget_id: Mapped[int] = mapped_column(ForeignKey("budget.id", ondelete="cascade"), primary_key=True)
    month: Mapped[str] = mapped_column(Text, primary_key=True)
    percent: Mapped[int] = mapped_column(Integer, primary_key=True)
    reached_at: Mapped[datetime]
    budget_minor: Mapped[int] = mapped_column(BigInteger)
    spent_minor: Mapped[int] = mapped_column(BigInteger)
    forecast_minor: Mapped[int] = mapped_column(BigInteger)
