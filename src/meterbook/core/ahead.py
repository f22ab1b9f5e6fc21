"""The rest of a month that is not over: what each use comes to if it goes on at its pace, for the forecast."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Final

from meterbook.core.metering import MeterKind
from meterbook.core.money import half_up_whole
from meterbook.core.period import hour_count
from meterbook.core.promotion import Promotion
from meterbook.core.rating import Frame, Part
from meterbook.core.terms import AccountTerms, Use, use_boundaries

_CAPPED: Final = (MeterKind.presence, MeterKind.gauge)
QUANTITY_PLACES: Final = 9  # what usage is metered to
_ONE: Final = 10**QUANTITY_PLACES


class Ahead:
    """What is left of the month, cut wherever the terms change."""

    def __init__(
        self, uses: Sequence[Use], promotions: Sequence[Promotion], frame: Frame, account: AccountTerms
    ) -> None:
        products = {use.product.code: use.product for use in uses}
        projects = {use.project.code: use.project for use in uses}
        cuts = use_boundaries(frame, products.values(), projects.values(), account.currency, promotions)
        self._cuts, self._ends_at = sorted(cuts), frame.ends_at
        self._hours_max = frame.month.reference_hours
        self._is_longer = hour_count(frame.starts_at, frame.ends_at) > self._hours_max
        self._intervals: dict[datetime, list[tuple[datetime, datetime, int]]] = {}

    def parts(self, use: Use) -> tuple[Part, ...]:
        """Return the parts of a use to the month's end: those known, and those to come."""
        pace = use.pace
        return use.parts + tuple(
            [
                Part(begin, end, Fraction(half_up_whole(pace, hours * _ONE), _ONE), hours if pace else 0)
                for begin, end, hours in self._ahead_of(use)
            ]
        )

    def quantity(self, use: Use) -> tuple[int, int]:
        """Return what a use comes to by the month's end, as a ratio not in lowest terms, which take a while to find."""
        parts, pace = use.parts, use.pace
        numerator, denominator = parts[0].quantity.as_integer_ratio()
        for part in parts[1:]:
            above, below = part.quantity.as_integer_ratio()
            numerator, denominator = numerator * below + above * denominator, denominator * below
        billionths = 0
        for _, _, hours in self._ahead_of(use):
            billionths += half_up_whole(pace, hours * _ONE)
        return numerator * _ONE + billionths * denominator, denominator * _ONE

    def _ahead_of(self, use: Use) -> list[tuple[datetime, datetime, int]]:
        """Return the intervals to come with their hours, in which no unit comes to more than a month has (DOMAIN 2)."""
        found = self._from(use.parts[-1].ends_at)
        if not self._is_longer or use.product.meter.kind not in _CAPPED or not found:
            return found
        known, to_come = sum(part.usage_hours for part in use.parts), sum(hours for _, _, hours in found)
        over = max(0, known + to_come - self._hours_max)
        begin, end, hours = found[-1]
        return [*found[:-1], (begin, end, max(0, hours - over))]

    def _from(self, start: datetime) -> list[tuple[datetime, datetime, int]]:
        found = self._intervals.get(start)
        if found is None:
            ends = [*(cut for cut in self._cuts if cut > start), self._ends_at]
            bounds = zip([start, *ends], ends, strict=False)
            found = self._intervals[start] = [(begin, end, hour_count(begin, end)) for begin, end in bounds]
        return found
