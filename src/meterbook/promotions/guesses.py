"""How often codes that do not exist may be tried for one account: who guesses has to wait (DOMAIN 5)."""

from __future__ import annotations

from typing import Final

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from meterbook.errors import Busy

# Codes that do not exist, tried for one account.
_GUESSES: Final = parse("10 per 10 minutes")
_RETRY_AFTER: Final = 600


class Guesses:
    """How often codes that do not exist were tried lately, in this process, whichever door they came through."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, account: str) -> None:
        """Raise `Busy` ("too-many-guesses") when an account (by its code) has guessed too often."""
        if not self._limiter.test(_GUESSES, account):
            raise Busy(
                "Too many codes that do not exist were tried: try again in ten minutes.",
                "too-many-guesses",
                retry_after=_RETRY_AFTER,
            )

    def note(self, account: str) -> None:
        """Count a guess."""
        self._limiter.hit(_GUESSES, account)
