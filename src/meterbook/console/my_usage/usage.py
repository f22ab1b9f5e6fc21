"""Usage: how much a project used, by month, day and hour; beside it the projects to choose from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse, Response

from meterbook.console.account_page import AccountPage, OfAccount
from meterbook.console.chart import chart_data
from meterbook.console.formats import formats
from meterbook.console.languages import translations
from meterbook.console.my_usage.newest_month import newest_month
from meterbook.console.my_usage.present_usage import ProjectUse, present_kinds, present_list, present_project
from meterbook.console.my_usage.present_usage_bars import Bars, present_bars
from meterbook.console.my_usage.read_usage import Looked, chosen, days_of, listed, look, of_project
from meterbook.console.my_usage.usage_sheets import day_columns, day_rows, hour_columns, hour_rows
from meterbook.console.my_usage.usage_state import USAGE, UsageAsked, usage_asked
from meterbook.console.pages import render
from meterbook.console.sheet import sheet
from meterbook.errors import NotFound

router = APIRouter(include_in_schema=False)

Asked = Annotated[UsageAsked, Depends(usage_asked)]


@router.get(USAGE)
def usage(at: OfAccount, asked: Asked) -> Response:
    """Show the projects and one project's usage of a period."""
    looked = look(at, asked)
    projects = listed(looked)
    project = chosen(looked, projects)
    values: dict[str, object] = {"project": None, "bars": None, "late": (), "data": None, "newest": None}
    if project is not None:
        looked = looked.of_project(project.code)
        read = of_project(looked, project)
        use = present_project(looked, read)
        bars = present_bars(looked, read, use, translations(at.language).gettext("Cost"))
        newest = None if use.products else newest_month(at, [project.id])
        values = {"project": use, "bars": bars, "late": read.late, "data": _data(at, bars), "newest": newest}
    return at.show(
        "usage.html",
        "usage",
        422 if looked.refused else 200,
        looked=looked,
        kinds=present_kinds(looked),
        projects=present_list(looked, projects, project),
        **values,
    )


@router.get(f"{USAGE}/projects")
def found_projects(at: OfAccount, asked: Asked) -> Response:
    """Return the list of projects alone, as it is swapped while somebody types."""
    looked = look(at, asked)
    if "hx-request" not in at.request.headers:
        return RedirectResponse(looked.state.href(), 303)
    projects = listed(looked)
    headers = {"hx-replace-url": looked.state.href()}
    page = present_list(looked, projects, chosen(looked, projects))
    return render(at.request, "my_usage/usage_projects.html", at.language, 200, headers, projects=page, looked=looked)


@router.get(f"{USAGE}/days")
def days(at: OfAccount, asked: Asked) -> Response:
    """Return the list of days alone, as it is swapped when a day is opened."""
    looked, use = _days(at, asked)
    if "hx-request" not in at.request.headers:
        return RedirectResponse(looked.state.href(), 303)
    headers = {"hx-push-url": looked.state.href()}
    return render(at.request, "my_usage/usage_days.html", at.language, 200, headers, project=use, looked=looked)


@router.get(f"{USAGE}/days.csv")
def get_days(at: OfAccount, asked: Asked) -> Response:
    """Return the days on the screen as a sheet."""
    looked, use = _days(at, asked)
    columns = day_columns(translations(at.language).gettext)
    return sheet(_name(looked, "days"), columns, day_rows(use))


@router.get(f"{USAGE}/hours.csv")
def get_hours(at: OfAccount, asked: Asked) -> Response:
    """Return every hour of every resource of the project as a sheet."""
    looked = look(at, asked)
    project = chosen(looked)
    if project is None:
        raise NotFound("There is no project.", "unknown-project")
    looked = looked.of_project(project.code)
    columns = hour_columns(translations(at.language).gettext)
    return sheet(_name(looked, "hours"), columns, hour_rows(looked, project.id))


def _days(at: AccountPage, asked: UsageAsked) -> tuple[Looked, ProjectUse]:
    looked = look(at, asked)
    project = chosen(looked)
    if project is None:
        raise NotFound("There is no project.", "unknown-project")
    looked = looked.of_project(project.code)
    return looked, present_project(looked, days_of(looked, project))


def _data(at: AccountPage, bars: Bars | None) -> object:
    if bars is None or bars.cost is None:
        return None
    return chart_data(bars.cost, formats(at.language), translations(at.language).gettext("not over yet"))


def _name(looked: Looked, what: str) -> str:
    period = looked.period
    return f"{looked.state.project}-{period.first}-{period.last_begun}-{what}.csv"
