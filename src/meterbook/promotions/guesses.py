"""How often codes that do not exist may be tried for one account: who guesses has to wait (DOMAIN 5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from meterbook.errors import Busy
from meterbook.tries import Limit, Tries

# Codes that do not exist, tried for one account.
_GUESSES: Final = Limit("promotion code", 10, timedelta(minutes=10))


class Guesses:
    """How often codes that do not exist were tried lately, whichever door they came through."""

    def __init__(self, tries: Tries) -> None:
        self._tries = tries

    def check(self, now: datetime, account: str) -> None:
        """Raise `Busy` ("too-many-guesses") when an account (by its code) has guessed too often."""
        if not self._tries.may(now, _GUESSES, account):
            raise Busy(
                "Too many codes that do not exist were tried: try again in ten minutes.",
                "too-many-guesses",
                retry_after=int(_GUESSES.within.total_seconds()),
            )

    def note(self, now: datetime, account: str) -> None:
        """Count a guess."""
        self._tries.take(now, _GUESSES, account)
