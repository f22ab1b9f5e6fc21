"""What a handler works with, and the form of a handler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from meterbook.database import Database
from meterbook.mail import Mailer
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore


@dataclass(frozen=True, slots=True)
class Workplace:
    """The stores, open and migrated, the way out for mail, and the clock that handlers are given the time from.

    `served_at` is the address of this process's own server, None where there is none.
    """

    settings: Settings
    database: Database
    usage: UsageStore
    mailer: Mailer
    clock: Callable[[], datetime]
    served_at: str | None = None


# handler(workplace, now, **arguments), the arguments being those of outbox.defer
Handler = Callable[..., None]
