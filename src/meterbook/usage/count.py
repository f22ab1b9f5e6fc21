"""Counts usage in ClickHouse: what projects used of meters between boundaries, of the events or of their roll-up.

Both come to the same; the roll-up is read where it is kept.
"""

from __future__ import annotations

from typing import Final

from meterbook.core.metering import Meter
from meterbook.usage.count_events import EventsReading
from meterbook.usage.count_rolled import RolledReading
from meterbook.usage.question import Counted, Question
from meterbook.usage.store import UsageStore

# How often the roll-up is read while steps begin meanwhile.
_READINGS: Final = 2


def count(store: UsageStore, question: Question) -> list[Counted]:
    """Answer a question, one column set a meter; meters without usage are left out.

    A step of the roll-up may add events to it that came in after the reading had looked for new ones. So a reading in
    which one began is made again; the events alone are right whatever happens.
    """
    for _ in range(0 if question.by_resource else _READINGS):
        days = store.rolled(question.account_ids, question.zone)
        if days is None:
            break
        through = question.received_through or store.received_through()
        counted = RolledReading(store, question, days, through).counted()
        if store.is_rolled(days):
            return counted
    return EventsReading(store, question).counted()


def surpluses(store: UsageStore, question: Question, hours_max: int) -> dict[tuple[int, Meter, str | None], int]:
    """Return what was metered beyond `hours_max` hours; only presence and gauge have units that can be on."""
    return EventsReading(store, question).surpluses(hours_max)
