"""Whether, and when, a job that failed is tried again."""

from __future__ import annotations

from typing import Final

from meterbook.errors import Busy, MeterbookError

# With these waits the last attempt is a day after the first: a mail server may be away for a night.
ATTEMPTS_MAX: Final = 30
FIRST_WAIT_SECONDS: Final = 15
LONGEST_WAIT_SECONDS: Final = 3_600


def wait_seconds(error: BaseException, attempts: int) -> int | None:
    """Return how long to wait before the next attempt; None for no other. `attempts` were made before this one.

    `Busy` and what is none of our errors (a mistake, a store that went away) may pass; other errors of the world
    say that asking again cannot help.
    """
    if attempts + 1 >= ATTEMPTS_MAX or (isinstance(error, MeterbookError) and not isinstance(error, Busy)):
        return None
    # the exponent is bounded by the attempts, the wait by the longest
    wait = min(FIRST_WAIT_SECONDS << attempts, LONGEST_WAIT_SECONDS)
    return max(wait, error.retry_after) if isinstance(error, Busy) else wait
