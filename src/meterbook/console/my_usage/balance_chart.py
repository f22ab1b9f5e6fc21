"""The plot of prepaid money over time: how much there was between the movements that the page lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from meterbook.console.chart import HIGH, Tick, ticks
from meterbook.core.money import Money
from meterbook.core.period import BillingZone
from meterbook.payments.balance import Moved

_WIDE: Final = 1000
_SHORTEST: Final = timedelta(days=1)  # what moved within less is told by the list alone


@dataclass(frozen=True, slots=True)
class Level:
    """The balance from one movement to the next: `left` and `width` are of 1000, `top` and `height` of `HIGH`."""

    since: datetime
    balance: Money
    left: int
    width: int
    top: int
    height: int


@dataclass(frozen=True, slots=True)
class BalanceChart:
    """Levels, oldest first, from `first` to `last` on the account's clock, and the lines across them."""

    first: datetime
    last: datetime
    levels: tuple[Level, ...]
    ticks: tuple[Tick, ...]


def present_balance(moved: Sequence[Moved], until: datetime, zone: BillingZone) -> BalanceChart | None:
    """Present what movements, newest first, left from each to the next and to `until`; None within a day."""
    steps = [(each.at, each.balance_after) for each in reversed(moved) if each.balance_change.minor]
    if not steps or steps[-1][0] < steps[0][0] + _SHORTEST:
        return None
    first, last = steps[0][0], max(until, steps[-1][0])
    most, lines = ticks([balance for _, balance in steps])
    ends = [at for at, _ in steps[1:]] + [last]
    places = [(at - first) * _WIDE // (last - first) for at in (first, *ends)]
    levels = []
    for (since, balance), left, right in zip(steps, places[:-1], places[1:], strict=True):
        height = max(0, balance.minor) * HIGH // most
        levels.append(Level(zone.local(since), balance, left, right - left, HIGH - height, height))
    return BalanceChart(zone.local(first), zone.local(last), tuple(levels), lines)
