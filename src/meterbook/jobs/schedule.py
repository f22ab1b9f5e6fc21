"""The schedule: which jobs the worker queues by itself, and when.

With several workers each run is queued once: the database keeps the last time of each task. A run that was missed
while no worker lived is made up for at the next start, once. Of one task one run waits and one works at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Periodic:
    """A handler without arguments, by name, and its times as five fields of cron, in UTC."""

    task: str
    cron: str


SCHEDULE: Final = (
    Periodic("delete_finished_jobs", "17 3 * * *"),
    Periodic("close_due", "7 * * * *"),
    Periodic("remind_overdue", "37 8 * * *"),
    Periodic("watch_budgets", "12 * * * *"),
    Periodic("end_card_forms", "27 * * * *"),
)
