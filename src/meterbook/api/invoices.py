"""Routes of invoices: the preview of a month."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from meterbook.accounts.queries import visible_projects
from meterbook.api.permission import Now, Reader, Transaction, Usage
from meterbook.api.scope import AccountCode, account_of_caller
from meterbook.api.shapes import answer, preview, project_usage
from meterbook.api.times import instant_of, month_of
from meterbook.errors import Denied
from meterbook.invoicing.draft import draft_month

router = APIRouter(tags=["invoices"])

Month = Annotated[str | None, Query(description="A month such as 2014-02; the running one if left out.")]
At = Annotated[str | None, Query(description="Replays a moment: usage before it counts. Operators only.")]
By = Annotated[Literal["project", "product"], Query(description="How lines are grouped.")]


@router.get("/invoices/preview", summary="The month's invoice as it stands")
def get_preview(
    session: Transaction,
    usage: Usage,
    access: Reader,
    now: Now,
    account: AccountCode = None,
    month: Month = None,
    at: At = None,
    group_by: By = "project",
) -> Response:
    """Draft the invoice of a month from day 1 to now, with every line's formula.

    It covers the projects whose billing the caller may see. The very same draft is issued when the month closes.
    """
    payer = account_of_caller(session, access, account)
    moment = instant_of(at) if at else now
    if at and not access.may_operate():
        raise Denied("Replaying a moment with `at` needs a key with the scope operator.", "forbidden")
    projects = visible_projects(session, payer.id, access, need="billing")
    draft = draft_month(session, usage, payer, projects, month_of(month, payer, moment), moment)
    return answer(preview(draft, group_by))


@router.get("/project-usage", summary="What every project used in a month")
def get_project_usage(
    session: Transaction,
    usage: Usage,
    access: Reader,
    now: Now,
    account: AccountCode = None,
    month: Month = None,
    group_by: By = "project",
) -> Response:
    """Return the month's use of all projects the caller takes part in; costs only where it may see billing."""
    payer = account_of_caller(session, access, account)
    projects = visible_projects(session, payer.id, access, need="member")
    billed = {project.code for project in visible_projects(session, payer.id, access, need="billing")}
    draft = draft_month(session, usage, payer, projects, month_of(month, payer, now), now)
    return answer(project_usage(draft, group_by, billed))
