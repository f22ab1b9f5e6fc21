"""Finds projects by name, code or label among those that the access may see, a page at a time."""

from __future__ import annotations

import unicodedata
from typing import Final

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from meterbook.accounts.access import ALL, Access
from meterbook.accounts.tables import Project

_MOST_WORDS: Final = 10
_ESCAPE: Final = "\\"


def find_projects(
    session: Session, account_id: int, access: Access, text: str = "", *, offset: int = 0, limit: int
) -> tuple[list[Project], int]:
    """Return projects on which the access holds the billing permission, by code, and how many there are in all.

    Each word of `text` has to be part of the name, of the code or of a label ("team=web"), in whatever case.
    """
    conditions = [*_visible(account_id, access), *(_holds(word) for word in _words(text))]
    matching = select(Project).where(*conditions)
    count = session.scalar(select(func.count(Project.id)).where(*conditions)) or 0
    rows = session.scalars(matching.order_by(Project.code).offset(offset).limit(limit))
    return list(rows), count


def count_projects(session: Session, account_id: int, access: Access) -> int:
    """Return on how many projects the access holds the billing permission."""
    return session.scalar(select(func.count(Project.id)).where(*_visible(account_id, access))) or 0


def _visible(account_id: int, access: Access) -> list[ColumnElement[bool]]:
    allowed = access.billing_projects(account_id)
    own = [Project.account_id == account_id]
    return own if allowed is ALL else [*own, Project.id.in_(allowed)]


def _words(text: str) -> list[str]:
    composed = unicodedata.normalize("NFC", text)
    return "".join(each if each.isprintable() else " " for each in composed).split()[:_MOST_WORDS]


def _holds(word: str) -> ColumnElement[bool]:
    part = word.replace(_ESCAPE, _ESCAPE * 2).replace("%", _ESCAPE + "%").replace("_", _ESCAPE + "_")
    pattern = f"%{part}%"
    label = func.jsonb_each_text(Project.labels).table_valued("key", "value")
    written = func.concat(label.c.key, "=", label.c.value)
    return or_(
        Project.name.ilike(pattern, escape=_ESCAPE),
        Project.code.ilike(pattern, escape=_ESCAPE),
        select(1).select_from(label).where(written.ilike(pattern, escape=_ESCAPE)).exists(),
    )
