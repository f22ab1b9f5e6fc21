"""The route of usage: what a project used by hour, day or month."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from functools import lru_cache, partial
from itertools import islice, pairwise, repeat
from operator import add, itemgetter
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response
from msgspec import Raw
from msgspec.json import encode
from sqlalchemy.orm import Session

from meterbook.accounts.queries import project_by_code, zone_of
from meterbook.accounts.tables import Project
from meterbook.api.paging import Cursor, after, cursor_at, wrong_cursor
from meterbook.api.permission import Now, Reader, Transaction, Usage
from meterbook.api.shapes import Json, answer, instant
from meterbook.api.times import day_or_instant_of, instant_of
from meterbook.catalog.queries import current_catalog
from meterbook.core.invoice import shown
from meterbook.core.metering import Meter
from meterbook.core.money import plain
from meterbook.core.period import BillingMonth, BillingZone, hour_ceil
from meterbook.core.pricing import Product
from meterbook.core.windows import Window, window_starts
from meterbook.errors import Invalid
from meterbook.invoicing.usage_shown import issued_among, late_months, months_between
from meterbook.usage.queries import data_through, in_windows, latest_hour_end
from meterbook.usage.question import Counted, Question, seconds
from meterbook.usage.store import UsageStore

router = APIRouter(tags=["usage"])

# How many hours, days or months a page covers at most; the cursor goes on from there.
WINDOWS_A_PAGE: Final = 1_000
# How many items are kept but for their times: the hours of a project have few different ones.
RESTS_KEPT: Final = 4_096
# How many pages' boundaries are kept: many ask for the same month.
PAGES_KEPT: Final = 16
_ONE: Final = 10**9

ProjectCode = Annotated[str, Query(max_length=64, description="The project's code.")]
From = Annotated[str, Query(alias="from", max_length=40, description="The first day (2014-02-14), or an instant.")]
Windows = Annotated[
    int, Query(ge=1, le=WINDOWS_A_PAGE, description="How many windows, with usage or without, a page covers at most.")
]
Until = Annotated[str, Query(max_length=40, description="The day or instant before which it ends.")]


@router.get("/usage", summary="What a project used")
def get_usage(
    session: Transaction,
    usage: Usage,
    access: Reader,
    now: Now,
    project: ProjectCode,
    since: From,
    until: Until,
    window: Window = Window.day,
    group_by: Literal["product", "resource"] = "product",
    limit: Windows = WINDOWS_A_PAGE,
    cursor: Cursor = None,
) -> Response:
    """Return metered usage in windows of the account's billing zone, those with usage alone.

    Time-based products have `unit_hours` and `usage_hours`; counters have `quantity`, their sum. It is "final" when
    every month asked for is issued and nothing of the project came in since: then it is what was billed.
    """
    metered_project = project_by_code(session, project, access)
    account = metered_project.account
    zone = zone_of(account)
    starts_at, ends_at = day_or_instant_of(since, zone), day_or_instant_of(until, zone)
    if starts_at >= ends_at:
        raise Invalid("`from` has to lie before `until`.", "wrong-range")
    begun = after(cursor)
    page_from = starts_at if begun is None else _place(begun, starts_at, ends_at)
    bounds, windows, further = _page(window, page_from, ends_at, zone, limit)
    products = current_catalog(session)
    meters = frozenset(product.meter for product in products)
    reading = None
    if begun is not None or further is not None:
        until_now = min(now, ends_at)
        reading = usage.begin(
            partial(data_through, usage, account.id, metered_project.id, meters, starts_at, until_now, zone)
        )
    question = Question(
        [account.id],
        [metered_project.id],
        meters,
        bounds,
        zone,
        min(now, ends_at),
        by_resource=group_by == "resource",
    )
    counted = _counted(usage, question, window)
    items = _items(counted, products, windows)
    is_final = _is_final(session, usage, metered_project, meters, starts_at, ends_at, now)
    through = latest_hour_end(counted) if reading is None else reading.result()
    return answer(
        {
            "account": account.code,
            "project": metered_project.code,
            "from": instant(starts_at, zone),
            "until": instant(ends_at, zone),
            "window": window,
            "time_zone": zone.name,
            "status": "final" if is_final else "estimated",
            "data_through": instant(through, zone) if through else None,
            "items": items,
            "next_cursor": cursor_at(instant(further)) if further else None,
        }
    )


def _counted(usage: UsageStore, question: Question, window: Window) -> list[Counted]:
    """Return what was used in the windows; where clocks change, no unit's month has more hours than any (DOMAIN 2)."""
    if window is not Window.month or not question.zone.has_dst:
        return in_windows(usage, question)
    return [
        counted
        for bounds in pairwise(question.boundaries)
        for hours_max in [BillingMonth.of(bounds[0], question.zone).reference_hours]
        for counted in in_windows(usage, replace(question, boundaries=bounds), hours_max)
    ]


def _is_final(
    session: Session,
    usage: UsageStore,
    project: Project,
    meters: Collection[Meter],
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> bool:
    """Whether what is shown is what was billed: each month is issued, and nothing of the project came in since."""
    zone = zone_of(project.account)
    # a month that is not over has no invoice, and no other store has to be asked
    if ends_at > BillingMonth.of(now, zone).starts_at(zone):
        return False
    months = months_between(starts_at, ends_at, zone)
    issued = issued_among(session, project.account, months, now)
    return len(issued) == len(months) and not late_months(usage, project.account, project, meters, issued.values())


def _place(begun: str, starts_at: datetime, ends_at: datetime) -> datetime:
    """Return where the page of a cursor begins; raises `Invalid` when the range has no such place."""
    try:
        page_from = instant_of(begun)
    except Invalid:
        raise wrong_cursor() from None
    if not starts_at < page_from < ends_at:
        raise wrong_cursor()
    return page_from


@lru_cache(maxsize=PAGES_KEPT)
def _page(
    window: Window, starts_at: datetime, ends_at: datetime, zone: BillingZone, limit: int
) -> tuple[Sequence[datetime], Mapping[int, bytes], datetime | None]:
    """Return the boundaries of a page's windows, how the items of each begin, and where the next page begins.

    Windows are known by the seconds of their start since 1970.
    """
    bounds = list(islice(window_starts(window, starts_at, ends_at, zone), limit + 1))
    further = bounds.pop() if len(bounds) > limit else None
    bounds.append(further or hour_ceil(ends_at, zone))
    begun = [
        encode({"starts_at": instant(begins, zone), "ends_at": instant(ends, zone)}).replace(b"}", b",")
        for begins, ends in pairwise(bounds)
    ]
    return tuple(bounds), dict(zip(map(seconds, bounds), begun, strict=False)), further


def _items(counted: Sequence[Counted], products: Sequence[Product], begun: Mapping[int, bytes]) -> Raw:
    """Return an item for each product and window (and resource), by time, then in the catalog's order.

    A month has thousands of hours and few different ones: an item is how its window begins, and the rest as written
    before.
    """
    rows: list[tuple[int, int, str, bytes]] = []
    for place, product in enumerate(products):
        rest = partial(_rest, product.code, product.unit, product.meter.is_time_based)
        for each in counted:
            if each.meter == product.meter:
                rests = map(rest, each.quantities, each.usage_hours, each.resources or repeat(None))
                items = map(add, map(begun.__getitem__, each.windows), rests)
                rows += zip(each.windows, repeat(place), each.resources or repeat(""), items, strict=False)
    rows.sort()
    return Raw(b"[%b]" % b",".join(map(itemgetter(3), rows)))


@lru_cache(maxsize=RESTS_KEPT)
def _rest(
    product: str, unit: str, is_time_based: bool, billionths: int, usage_hours: int, resource: str | None
) -> bytes:
    """Return what follows the times of an item; its quantity is in billionths."""
    quantity = Fraction(billionths, _ONE)
    item: Json = {
        "product": product,
        "unit": unit,
        "metered_units": plain(shown(quantity / max(usage_hours, 1)) if is_time_based else quantity),
        "usage_hours": str(usage_hours),
        "unit_hours" if is_time_based else "quantity": plain(quantity),
    }
    if resource is not None:
        item["resource"] = resource
    return encode(item)[1:]
