"""The audit log: what was changed of accounts, people, keys, prices and promotions, by whom, from what to what.

The tables write it themselves, by triggers (docs/decisions/0028): nothing that changes them is missed. It is
append-only. Money is in the journal, with who had it posted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, Select, Text, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from meterbook.accounts import check
from meterbook.accounts.tables import Account
from meterbook.core.money import Money, currency
from meterbook.database import Base

_ROWS_AT_ONCE: Final = 1_000
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00")


class Kind(StrEnum):
    """What was changed."""

    account = auto()
    payment_information = auto()
    project = auto()
    user = auto()
    membership = auto()
    api_key = auto()
    product = auto()
    price = auto()
    promotion = auto()
    redemption = auto()
    budget = auto()
    unbilled_month = auto()


class Action(StrEnum):
    """What was done to it."""

    added = auto()
    changed = auto()
    removed = auto()


class AuditEntry(Base):
    """That something was changed.

    `acted_at` is by the database's clock; nobody in person acted where `acted_by` is None. `subject` is the thing's
    code, e-mail or key prefix, `account` and `project` are the codes of where it is. `changes` has by name what was
    and what came, either left out for nothing.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        CheckConstraint("action in ('added', 'changed', 'removed')", "action_known"),
        Index(None, "account", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    acted_at: Mapped[datetime]
    acted_by: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    account: Mapped[str | None] = mapped_column(Text)
    project: Mapped[str | None] = mapped_column(Text)
    changes: Mapped[dict[str, dict[str, Any]]] = mapped_column(JSONB)


@dataclass(frozen=True, slots=True)
class Sought:
    """Which entries are meant: those that fit all that is given. A `subject` stands for its prices too."""

    account: str | None = None
    kind: Kind | None = None
    subject: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What of a thing was changed: from what, None for nothing, to what. A password is never told."""

    name: str
    was: Any
    came: Any


@dataclass(frozen=True, slots=True)
class Told:
    """An entry and what it tells was changed, by name; amounts with the decimals of the account's currency."""

    entry: AuditEntry
    changes: list[Change]


def entries(session: Session, sought: Sought, *, before: int | None, limit: int) -> list[Told]:
    """Return entries, the newest first, from the one before a number on."""
    query = _query(sought)
    if before:
        query = query.where(AuditEntry.id < before)
    return [_told(entry, code) for entry, code in session.execute(query.limit(limit))]


def every_entry(reading: Callable[[], AbstractContextManager[Session]], sought: Sought) -> Iterator[Told]:
    """Yield all entries, the newest first, in a transaction that `reading` opens; memory does not grow with the log."""
    with reading() as session:
        for entry, code in session.execute(_query(sought), execution_options={"yield_per": _ROWS_AT_ONCE}):
            yield _told(entry, code)


def written(value: Any) -> str:
    """Return what was or came as a text: lists with commas, names by language as JSON, nothing for nothing."""
    match value:
        case None:
            return ""
        case str():
            return value
        case list() if all(isinstance(each, str) for each in value):
            return ", ".join(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _query(sought: Sought) -> Select[AuditEntry, str]:
    query = select(AuditEntry, Account.currency).outerjoin(Account, Account.code == AuditEntry.account)
    if sought.account:
        query = query.where(AuditEntry.account == check.comparable(sought.account))
    if sought.kind:
        query = query.where(AuditEntry.kind == sought.kind)
    if sought.by:
        query = query.where(AuditEntry.acted_by == check.comparable(sought.by))
    if sought.subject:
        subject = check.comparable(sought.subject)
        of_it = AuditEntry.subject.startswith(f"{subject} ", autoescape=True)
        query = query.where(or_(AuditEntry.subject == subject, of_it))
    return query.order_by(AuditEntry.id.desc())


def _told(entry: AuditEntry, code: str | None) -> Told:
    changes = [
        Change(name, _told_value(each.get("from")), _told_value(each.get("to")))
        for name, each in sorted(entry.changes.items())
    ]
    if entry.kind == Kind.budget and code is not None:
        changes = [Change("amount", _amount(each.was, code), _amount(each.came, code)) for each in changes]
    return Told(entry, changes)


def _told_value(value: Any) -> Any:
    return value.replace("+00:00", "Z") if isinstance(value, str) and _INSTANT.fullmatch(value) else value


def _amount(minor: str | None, code: str) -> str | None:
    return None if minor is None else str(Money(int(minor), currency(code)))
