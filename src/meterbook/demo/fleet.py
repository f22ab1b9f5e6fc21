"""What the generated accounts run: hosts, containers, databases, sites, with how each one reports.

Values are in millionths of the product's unit, so that no binary float enters a quantity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

UNIT: Final = 1_000_000
_SEOUL_HOURS: Final = 9
# The campaign of every month: more hosts from the 9th until the month ends.
_CAMPAIGN_DAY: Final = 9


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource and its rhythm.

    `value` is what it reports, in millionths; with `follows_demand` it is the value at a demand of 1,000 per mille,
    in whole `step`s. It is on while its project's demand is above `above` per mille and, in each month, from
    `from_day`. It reports `an_hour` times, on clocks `offset_hours` ahead of UTC.
    """

    project: str
    type: str
    name: str
    value: int = UNIT
    step: int = UNIT
    follows_demand: bool = False
    above: int = 0
    from_day: int = 1
    an_hour: int = 1
    offset_hours: int = 0


def fleet() -> tuple[Resource, ...]:
    """Return every generated resource of all projects."""
    return (*_shop(), *_api(), *_warehouse_and_office(), *_trial_and_free(), *_saebom())


def _shop() -> Iterator[Resource]:
    for number in range(1, 15):
        name = f"shop-web-{number}"
        above = 60 * number if 6 < number <= 10 else 0
        from_day = _CAMPAIGN_DAY if number > 10 else 1
        yield Resource("shop", "host.seen", name, above=above, from_day=from_day)
        if number % 2:
            yield Resource("shop", "apm.cores", name, 4 * UNIT, above=above, from_day=from_day)
    yield from _named("shop", "database.seen", "shop-db", 2)
    yield from _named("shop", "url.checked", "shop-url", 3)
    yield from _counters("shop", sessions=520, requests=31_000)
    yield from _logs("shop", 2, lines=420_000)


def _api() -> Iterator[Resource]:
    for number in range(1, 5):
        yield Resource("api", "apm.cores", f"api-{number}", 8 * UNIT)
    for name, containers in (("gateway", 14), ("orders", 22), ("search", 18), ("jobs", 9), ("batch", 12)):
        yield Resource("api", "container.count", name, containers * UNIT, follows_demand=True, an_hour=3)
    yield from _named("api", "database.seen", "api-db", 2)
    yield from _named("api", "url.checked", "api-url", 2)
    yield from _counters("api", sessions=0, requests=52_000)
    yield from _logs("api", 2, lines=610_000)


def _warehouse_and_office() -> Iterator[Resource]:
    yield from _named("warehouse", "host.seen", "etl", 5)
    yield from _named("warehouse", "database.seen", "warehouse-db", 3)
    yield from _logs("warehouse", 1, lines=240_000)
    for site, devices in (("berlin", 5), ("lisbon", 3), ("austin", 3)):
        yield Resource("office", "network.devices", site, devices * UNIT, an_hour=2)
    yield from _named("office", "host.seen", "office", 2)


def _trial_and_free() -> Iterator[Resource]:
    yield from _counters("mobile", sessions=170, requests=9_000)
    yield Resource("mobile", "apm.cores", "mobile-api-1", 4 * UNIT)
    yield Resource("mobile", "apm.cores", "mobile-api-2", 4 * UNIT, above=650)
    yield from _named("mobile", "url.checked", "mobile-url", 1)
    for number in (1, 2):
        yield Resource("sandbox", "host.seen", f"sandbox-{number}", above=600)
    yield from _named("sandbox", "database.seen", "sandbox-db", 1)


def _saebom() -> Iterator[Resource]:
    game, web = "saebom-game", "saebom-web"
    for number in range(1, 9):
        above = 90 * number if number > 4 else 0
        yield Resource(game, "host.seen", f"game-{number}", above=above, offset_hours=_SEOUL_HOURS)
    for number in (1, 2):
        yield Resource(game, "apm.cores", f"game-{number}", 8 * UNIT, offset_hours=_SEOUL_HOURS)
        yield Resource(web, "host.seen", f"web-{number}", offset_hours=_SEOUL_HOURS)
    yield Resource(game, "database.seen", "game-db-1", offset_hours=_SEOUL_HOURS)
    yield from _counters(web, sessions=310, requests=0, offset_hours=_SEOUL_HOURS)
    yield from _logs(game, 1, lines=350_000, offset_hours=_SEOUL_HOURS)


def _named(project: str, type_: str, name: str, count: int) -> Iterator[Resource]:
    for number in range(1, count + 1):
        yield Resource(project, type_, f"{name}-{number}")


def _counters(project: str, sessions: int, requests: int, offset_hours: int = 0) -> Iterator[Resource]:
    for type_, name, an_hour in (("browser.sessions", "web", sessions), ("request.count", "balancer", requests)):
        if an_hour:
            yield Resource(
                project, type_, f"{project}-{name}", an_hour * UNIT, follows_demand=True, offset_hours=offset_hours
            )


def _logs(project: str, streams: int, lines: int, offset_hours: int = 0) -> Iterator[Resource]:
    """Yield log streams; a value of 1 is a million lines, so that a millionth is a line."""
    for number in range(1, streams + 1):
        yield Resource(
            project,
            "log.lines",
            f"{project}-log-{number}",
            lines,
            step=1,
            follows_demand=True,
            offset_hours=offset_hours,
        )
