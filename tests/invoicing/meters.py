"""What an account uses in a life: metered as it happens, late, or sent again; told to the test's own count too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from meterbook.accounts.queries import projects_by_codes
from meterbook.core.period import HOUR, BillingMonth, BillingZone, hour_floor
from meterbook.usage.events import read_events
from meterbook.usage.ingest import Destination, ingest
from tests.invoicing.lives import KINDS, TYPES, Use
from tests.invoicing.tally import Reading, Tally
from tests.office import Office


class Meters:
    """The meters of one account's projects."""

    def __init__(self, office: Office, zone: BillingZone, projects: Sequence[str], tally: Tally) -> None:
        self.office, self.zone, self.projects, self.tally = office, zone, projects, tally

    def use(self, spell: Use) -> BillingMonth | None:
        """Meter something in the running month, or late in one before it; return the month if anything was."""
        month = BillingMonth.of(self.office.now, self.zone)
        for _ in range(spell.back):
            month = month.previous()
        start = month.starts_at(self.zone)
        end = min(month.ends_at(self.zone), hour_floor(self.office.now, self.zone))
        first = start + HOUR * ((end - start) // HOUR * spell.place // 100)
        last = first + HOUR * (1 if KINDS[spell.product] == "counter" else spell.hours)
        readings = []
        while first < min(last, end):
            number = len(self.tally.readings) + len(readings)
            readings.append(
                Reading(
                    f"{self.projects[0]}/{number}",
                    self.projects[spell.project],
                    f"lives.{spell.product}",
                    spell.resource,
                    first + timedelta(minutes=number % 60),
                    Decimal({"presence": 1, "gauge": spell.units % 4 + 1}.get(KINDS[spell.product], spell.units)),
                )
            )
            first += HOUR
        if not readings:
            return None
        self.send(readings)
        return month

    def send_again(self, which: int) -> None:
        """Send an event again, with another time and value: the first one stays."""
        first = self.tally.readings[which % len(self.tally.readings)]
        self.send([replace(first, at=first.at - HOUR * which, value=first.value + 1)])

    def send(self, readings: Sequence[Reading]) -> None:
        body = [
            {
                "specversion": "1.0",
                "id": reading.id,
                "source": "life",
                "type": reading.type,
                "subject": reading.project,
                "time": reading.at.isoformat(),
                "data": {"value": str(reading.value), "resource": reading.resource},
            }
            for reading in readings
        ]
        decoded = read_events(json.dumps(body).encode(), "application/json", None)

        def resolve(codes: AbstractSet[str]) -> Mapping[str, Destination]:
            with self.office.database.transaction() as session:
                return {code: Destination(*place) for code, place in projects_by_codes(session, codes).items()}

        receipt = ingest(self.office.usage, decoded, resolve, TYPES, self.office.now).result()
        new = self.tally.take(readings)
        assert (receipt.accepted, receipt.duplicates, receipt.rejected) == (new, len(readings) - new, ())
