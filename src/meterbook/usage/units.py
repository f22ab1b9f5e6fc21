"""What a resource counts for in an hour, by the rule of its meter (DOMAIN 2): in decimals, never in binary floats."""

from __future__ import annotations

from typing import Final

from meterbook.core.metering import Meter, MeterKind

COUNTER: Final = "counter"
STOCK: Final = "stock"
# By rule, of the events of one resource in one hour. A roll-up keeps the sums of all of these, in this order.
UNITS: Final = {
    "presence": "toUInt8(1)",
    "gauge_max": "max(value)",
    # Most hours of a resource have one value, and dividing takes long.
    "gauge_average": "if(count() = 1, sum(value),"
    " toDecimal128(round(divideDecimal(sum(value), toDecimal128(count(), 0), 10), 9), 9))",
    # The latest, of several at one moment the greatest: one wide number compares faster than a pair.
    "gauge_last": "argMax(value, bitOr(bitShiftLeft(toUInt256(toUnixTimestamp64Micro(at)), 128),"
    " toUInt256(reinterpretAsUInt128(value))))",
    COUNTER: "sum(value)",
}
_HOURS_OF_DAY: Final = 24


def rule_of(meter: Meter) -> str:
    """Return the rule that a meter counts by: one of `UNITS`, or a stock's own."""
    return f"gauge_{meter.hourly}" if meter.kind is MeterKind.gauge else str(meter.kind)


def units_of_hour(meter: Meter) -> str:
    """Return the SQL of what a resource's events of an hour count for; a stock's are the lines received."""
    return UNITS[COUNTER if meter.kind is MeterKind.stock else rule_of(meter)]


def factor_of(meter: Meter) -> int:
    """Return how many unit-hours one of what is summed makes: of a stock, a line is kept for days of 24 hours."""
    return meter.retention_days * _HOURS_OF_DAY if meter.retention_days else 1
