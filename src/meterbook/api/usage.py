"""The route of usage: what a project used by hour, day or month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache, partial
from itertools import islice
from operator import itemgetter
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response

from meterbook.accounts.queries import account_of, project_by_code, zone_of
from meterbook.api.paging import Cursor, after, cursor_at, wrong_cursor
from meterbook.api.permission import Now, Reader, Transaction, Usage
from meterbook.api.shapes import Json, answer, instant
from meterbook.api.times import day_or_instant_of, instant_of
from meterbook.catalog.queries import current_catalog
from meterbook.core.invoice import shown
from meterbook.core.metering import Meter
from meterbook.core.money import plain
from meterbook.core.period import BillingZone, hour_ceil
from meterbook.core.pricing import Product
from meterbook.core.windows import Window, window_starts
from meterbook.errors import Invalid
from meterbook.usage.queries import UsageWindow, by_window, data_through

router = APIRouter(tags=["usage"])

# How many hours, days or months a page covers; the cursor goes on from there.
WINDOWS_A_PAGE: Final = 1_000
# How many numbers are kept with their texts: the hours of a project have few different ones.
NUMBERS_KEPT: Final = 4_096

ProjectCode = Annotated[str, Query(max_length=64, description="The project's code.")]
From = Annotated[str, Query(alias="from", max_length=40, description="The first day (2014-02-14), or an instant.")]
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
    cursor: Cursor = None,
) -> Response:
    """Return metered usage in windows of the account's billing zone, those with usage alone.

    Time-based products have `unit_hours` and `usage_hours`; counters have `quantity`, their sum.
    """
    metered_project = project_by_code(session, project, access)
    account = account_of(session, metered_project)
    zone = zone_of(account)
    starts_at, ends_at = day_or_instant_of(since, zone), day_or_instant_of(until, zone)
    if starts_at >= ends_at:
        raise Invalid("`from` has to lie before `until`.", "wrong-range")
    begun = after(cursor)
    page_from = starts_at if begun is None else _place(begun, starts_at, ends_at)
    bounds = list(islice(window_starts(window, page_from, ends_at, zone), WINDOWS_A_PAGE + 1))
    further = bounds.pop() if len(bounds) > WINDOWS_A_PAGE else None
    bounds.append(further or hour_ceil(ends_at, zone))
    reaches = partial(data_through, usage, account.id, [metered_project.id], starts_at, min(now, ends_at), zone)
    reading = usage.begin(reaches)
    products = current_catalog(session)
    by_resource = group_by == "resource"
    rows = by_window(
        usage,
        [account.id],
        [metered_project.id],
        {product.meter for product in products},
        bounds,
        zone,
        min(now, ends_at),
        by_resource=by_resource,
    )
    through = reading.result()
    return answer(
        {
            "account": account.code,
            "project": metered_project.code,
            "from": instant(starts_at, zone),
            "until": instant(ends_at, zone),
            "window": window,
            "time_zone": zone.name,
            "status": "estimated",
            "data_through": instant(through, zone) if through else None,
            "items": _items(rows, products, zone, by_resource),
            "next_cursor": cursor_at(instant(further)) if further else None,
        }
    )


def _place(begun: str, starts_at: datetime, ends_at: datetime) -> datetime:
    """Return where the page of a cursor begins; raises `Invalid` when the range has no such place."""
    try:
        page_from = instant_of(begun)
    except Invalid:
        raise wrong_cursor() from None
    if not starts_at < page_from < ends_at:
        raise wrong_cursor()
    return page_from


def _items(
    rows: Sequence[UsageWindow], products: Sequence[Product], zone: BillingZone, by_resource: bool
) -> list[Json]:
    by_meter: dict[Meter, list[tuple[int, Product]]] = {}
    for place, product in enumerate(products):
        by_meter.setdefault(product.meter, []).append((place, product))
    found = [
        (row.starts_at, place, row.resource or "", row, product)
        for row in rows
        for place, product in by_meter[row.meter]
    ]
    found.sort(key=itemgetter(0, 1, 2))
    written = _Written(zone)
    return [_item(row, product, written, by_resource) for *_, row, product in found]


def _item(row: UsageWindow, product: Product, written: _Written, by_resource: bool) -> Json:
    item: Json = {
        "starts_at": written[row.starts_at],
        "ends_at": written[row.ends_at],
        "product": product.code,
    }
    if by_resource:
        item["resource"] = row.resource
    quantity = _quantity(row.quantity)
    item["unit"] = product.unit
    if product.meter.is_time_based:
        item["metered_units"] = _average(row.quantity, row.usage_hours)
        item["usage_hours"] = str(row.usage_hours)
        item["unit_hours"] = quantity
    else:
        item["metered_units"] = quantity
        item["usage_hours"] = str(row.usage_hours)
        item["quantity"] = quantity
    return item


class _Written(dict[datetime, str]):
    """Instants as they are written: most rows share theirs with others."""

    def __init__(self, zone: BillingZone) -> None:
        super().__init__()
        self._zone = zone

    def __missing__(self, at: datetime) -> str:
        self[at] = text = instant(at, self._zone)
        return text


@lru_cache(maxsize=NUMBERS_KEPT)
def _quantity(quantity: Decimal) -> str:
    return plain(quantity)


@lru_cache(maxsize=NUMBERS_KEPT)
def _average(quantity: Decimal, usage_hours: int) -> str:
    return plain(shown(Fraction(quantity) / max(usage_hours, 1)))
