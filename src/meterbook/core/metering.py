"""Metering: how raw events of a type become hourly units, and what a project used between two boundaries (DOMAIN 2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MeterKind(StrEnum):
    """What an hour of events counts as.

    presence: each resource seen in the hour counts 1. gauge: each resource counts its reported value. counter: the sum
    of values. stock: average lines a day x retention days are kept, hour by hour.
    """

    presence = "presence"
    gauge = "gauge"
    counter = "counter"
    stock = "stock"


class Hourly(StrEnum):
    """Which of a gauge's values of an hour counts for the hour."""

    max = "max"
    average = "average"
    last = "last"


@dataclass(frozen=True, slots=True)
class Meter:
    """How events of CloudEvents type `type` become hourly units.

    `retention_days` is set for stock meters alone.
    """

    type: str
    kind: MeterKind
    hourly: Hourly = Hourly.max
    retention_days: int | None = None

    def __post_init__(self) -> None:
        if (self.kind is MeterKind.stock) != (self.retention_days is not None):
            raise ValueError("retention_days belongs to a stock meter, and a stock meter needs it")
        if self.retention_days is not None and self.retention_days < 1:
            raise ValueError("retention_days is one day or more")
        if self.hourly is not Hourly.max and self.kind is not MeterKind.gauge:
            raise ValueError("hourly is a choice of gauge meters only")

    @property
    def is_time_based(self) -> bool:
        """Whether its quantity is unit-hours; a counter's is the sum itself."""
        return self.kind is not MeterKind.counter
