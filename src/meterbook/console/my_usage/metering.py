"""The Metering information window: the days, hours, resources and events behind a metered figure.

Asked by a script it answers with the inside of a window alone; opened by itself it is a page.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from meterbook.console.languages import translations
from meterbook.console.my_usage.metering_sheets import hour_columns, hour_rows, screen_columns, screen_rows
from meterbook.console.my_usage.metering_state import METERING
from meterbook.console.my_usage.present_metering import (
    DAYS_OPEN_MAX,
    RESOURCES_OF_AN_HOUR,
    MeteringWindow,
    day_bounds,
    present_events,
    present_metering,
    resources_named,
)
from meterbook.console.my_usage.read_hours import hours_of_open_days
from meterbook.console.my_usage.read_metering import LINE, Behind, of_line, of_product
from meterbook.console.pages import render
from meterbook.console.sheet import sheet
from meterbook.core.period import HOUR, BillingMonth, day_starts, hour_floor
from meterbook.errors import NotFound
from meterbook.invoicing.usage_shown import months_between
from meterbook.usage.hours import events_between, hours_by_resource

router = APIRouter(include_in_schema=False)

OfProduct = Annotated[Behind, Depends(of_product, scope="function")]
OfLine = Annotated[Behind, Depends(of_line, scope="function")]


@router.get(METERING)
def show_metering(behind: OfProduct) -> Response:
    """Show the days behind a product's figure in a project's month or days, or the raw events of an hour of it."""
    return _shown(behind)


@router.get(LINE)
def show_line_metering(behind: OfLine) -> Response:
    """Show the days that a line was billed for, or the raw events of an hour of them."""
    return _shown(behind)


@router.get(f"{METERING}/days.csv")
def get_days(behind: OfProduct) -> Response:
    """Return what is on the screen as a sheet."""
    return _days_sheet(behind)


@router.get(f"{LINE}/days.csv")
def get_line_days(behind: OfLine) -> Response:
    """Return what is on the screen as a sheet."""
    return _days_sheet(behind)


@router.get(f"{METERING}/hours.csv")
def get_hours(behind: OfProduct) -> Response:
    """Return every hour of every resource as a sheet."""
    return _hours_sheet(behind)


@router.get(f"{LINE}/hours.csv")
def get_line_hours(behind: OfLine) -> Response:
    """Return every hour of every resource as a sheet."""
    return _hours_sheet(behind)


def _shown(behind: Behind) -> Response:
    page = _page(behind)
    at = behind.at
    if "hx-request" not in at.request.headers:
        return at.show(
            "metering.html",
            behind.here,
            page=page,
            late=behind.late,
            line=behind.line,
            back_href=behind.back_href,
            as_window=False,
        )
    return render(
        at.request,
        "my_usage/metering_window.html",
        at.language,
        at=at,
        page=page,
        late=behind.late,
        line=behind.line,
        back_href=behind.back_href,
        as_window=True,
    )


def _page(behind: Behind) -> MeteringWindow:
    """Read the hours of the open days, or the events of the hour that is looked at."""
    figure, state = behind.figure, behind.state
    usage, account = behind.at.request.app.state.usage, behind.at.account
    if state.hour is not None:
        if not figure.starts_at <= state.hour < figure.ends_at or hour_floor(state.hour, figure.zone) != state.hour:
            raise NotFound("There is no such hour in this window.")
        rows, cursor = events_between(
            usage,
            account.id,
            behind.project.id,
            figure.meter.type,
            state.hour,
            min(state.hour + HOUR, figure.until),
            after=state.after,
            received_through=behind.known.get(BillingMonth.of(state.hour, figure.zone)),
        )
        page = present_metering(figure, behind.read_windows(), (), behind.parts, state.of_day(None), ())
        return replace(page, events=present_events(figure, state.hour, rows, cursor, state))
    opened = _opened(behind)
    hours = hours_of_open_days(
        usage,
        account.id,
        behind.project.id,
        figure.meter,
        list(opened.values()),
        figure.zone,
        figure.until,
        behind.known,
        resources_max=resources_named(state, len(opened)),
        named=state.named,
        named_max=RESOURCES_OF_AN_HOUR,
    )
    return present_metering(figure, behind.read_windows(), hours, behind.parts, state, opened)


def _opened(behind: Behind) -> dict[date, datetime]:
    """Return the open days with their starts; of more than are shown at once, the newest with usage."""
    figure, zone = behind.figure, behind.figure.zone
    first = day_bounds(zone.local(figure.starts_at).date(), zone)[0]
    starts = {zone.local(start).date(): start for start in day_starts(first, figure.ends_at, zone)}
    opened = [day for day in starts if behind.state.shows(day)]
    if len(opened) > DAYS_OPEN_MAX:
        used = {zone.local(window.starts_at).date() for window in behind.read_windows()}
        opened = [day for day in opened if day in used][-DAYS_OPEN_MAX:]
    return {day: starts[day] for day in opened}


def _days_sheet(behind: Behind) -> Response:
    _ = translations(behind.at.language).gettext
    page = _page(replace(behind, state=behind.state.at_hour(None)))
    columns = screen_columns(page.figure.meter, _)
    return sheet(_name(behind, "days"), columns, screen_rows(page))


def _hours_sheet(behind: Behind) -> Response:
    _ = translations(behind.at.language).gettext
    figure, zone = behind.figure, behind.figure.zone
    rows = chain.from_iterable(
        hours_by_resource(
            behind.at.request.app.state.usage,
            behind.at.account.id,
            behind.project.id,
            [figure.meter],
            max(figure.starts_at, month.starts_at(zone)),
            min(figure.until, month.ends_at(zone)),
            zone,
            received_through=behind.known.get(month),
        )
        for month in months_between(figure.starts_at, figure.until, zone)
    )
    return sheet(_name(behind, "hours"), hour_columns(figure.meter, _), hour_rows(figure, rows))


def _name(behind: Behind, what: str) -> str:
    product = dict(behind.state.about).get("product", "line")
    figure = behind.figure
    time = figure.month or "-".join(str(day) for day in figure.days)
    return f"{behind.project.code}-{product}-{time}-{what}.csv"
