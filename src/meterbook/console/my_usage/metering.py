"""The Metering information window: the days, hours, resources and events behind a metered figure.

Asked by a script it answers with the inside of a window alone; opened by itself it is a page.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from meterbook.console.languages import translations
from meterbook.console.my_usage.metering_sheets import hour_columns, hour_rows, screen_columns, screen_rows
from meterbook.console.my_usage.metering_state import METERING, MeteringState
from meterbook.console.my_usage.present_metering import (
    FEW_DAYS,
    RESOURCES_OF_A_DAY,
    RESOURCES_OF_A_FEW_DAYS,
    RESOURCES_OF_DAYS,
    MeteringWindow,
    present_events,
    present_metering,
)
from meterbook.console.my_usage.read_metering import LINE, Behind, of_line, of_month
from meterbook.console.pages import render
from meterbook.console.sheet import sheet
from meterbook.core.period import HOUR, day_starts, hour_floor
from meterbook.errors import NotFound
from meterbook.usage.hours import events_between, hours_by_resource, hours_of_days

router = APIRouter(include_in_schema=False)

OfMonth = Annotated[Behind, Depends(of_month, scope="function")]
OfLine = Annotated[Behind, Depends(of_line, scope="function")]


@router.get(METERING)
def show_month_metering(behind: OfMonth) -> Response:
    """Show the days behind a product's figure in a project's month, or the raw events of an hour of it."""
    return _shown(behind)


@router.get(LINE)
def show_line_metering(behind: OfLine) -> Response:
    """Show the days that a line was billed for, or the raw events of an hour of them."""
    return _shown(behind)


@router.get(f"{METERING}/days.csv")
def get_month_days(behind: OfMonth) -> Response:
    """Return what is on the screen as a sheet."""
    return _days_sheet(behind)


@router.get(f"{LINE}/days.csv")
def get_line_days(behind: OfLine) -> Response:
    """Return what is on the screen as a sheet."""
    return _days_sheet(behind)


@router.get(f"{METERING}/hours.csv")
def get_month_hours(behind: OfMonth) -> Response:
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
            received_through=behind.received_through,
        )
        page = present_metering(figure, behind.read_windows(), (), behind.parts, state.of_day(None))
        return replace(page, events=present_events(figure, state.hour, rows, cursor, state))
    days = day_starts(figure.starts_at, figure.ends_at, figure.zone)
    opened = [day for day in days if state.shows(figure.zone.local(day).date())]
    hours = hours_of_days(
        usage,
        account.id,
        behind.project.id,
        figure.meter,
        [*days, figure.ends_at],
        opened,
        figure.zone,
        figure.until,
        resources_max=_named(state, len(opened)),
        received_through=behind.received_through,
    )
    return present_metering(figure, behind.read_windows(), hours, behind.parts, state)


def _named(state: MeteringState, open_days: int) -> int:
    """Return how many of an hour's resources are named: fewer, the more there is to read."""
    if state.day:
        return RESOURCES_OF_A_DAY
    return RESOURCES_OF_A_FEW_DAYS if open_days <= FEW_DAYS else RESOURCES_OF_DAYS


def _days_sheet(behind: Behind) -> Response:
    _ = translations(behind.at.language).gettext
    page = _page(replace(behind, state=behind.state.at_hour(None)))
    columns = screen_columns(page.figure.meter, _)
    return sheet(_name(behind, "days"), columns, screen_rows(page))


def _hours_sheet(behind: Behind) -> Response:
    _ = translations(behind.at.language).gettext
    figure = behind.figure
    rows = hours_by_resource(
        behind.at.request.app.state.usage,
        behind.at.account.id,
        behind.project.id,
        [figure.meter],
        figure.starts_at,
        figure.until,
        figure.zone,
        received_through=behind.received_through,
    )
    return sheet(_name(behind, "hours"), hour_columns(figure.meter, _), hour_rows(figure, rows))


def _name(behind: Behind, what: str) -> str:
    product = dict(behind.state.about).get("product", "line")
    return f"{behind.project.code}-{product}-{behind.figure.month}-{what}.csv"
