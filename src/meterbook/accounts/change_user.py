"""What people change about themselves: the name they are shown by, their language, their theme."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy.orm import Session

from meterbook.accounts import check
from meterbook.accounts.tables import User


class Theme(StrEnum):
    """The colours of the console: as the browser asks for them, light, or dark."""

    auto = "auto"
    light = "light"
    dark = "dark"


def change_user(session: Session, *, user: User, name: str, language: str, theme: str) -> None:
    """Write a user's name, language and theme; raises `Invalid` naming the field."""
    checked = check.name(name), check.language(language), check.choice(Theme, theme, "theme").value
    user.name, user.language, user.theme = checked
    session.flush()
