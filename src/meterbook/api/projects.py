"""Routes of projects."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from meterbook.accounts.add_project import add_project
from meterbook.accounts.change_project import change_project
from meterbook.accounts.queries import account_by_code, project_by_code, visible_projects
from meterbook.accounts.tables import Project, SeenProject
from meterbook.accounts.unchanged import SAME
from meterbook.api.paging import Cursor, Limit, after, page
from meterbook.api.permission import Now, Operator, Reader, Transaction
from meterbook.api.scope import AccountCode, account_of_caller
from meterbook.api.shapes import Json, answer, instant
from meterbook.api.times import Instant
from meterbook.core.roles import Plan, project_status

router = APIRouter(tags=["projects"])


class NewProject(BaseModel):
    """A metered part of an account."""

    model_config = ConfigDict(extra="forbid")

    account: str
    code: str = Field(description="Unique in the installation; the `subject` of usage events.")
    name: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    plan: Plan = Plan.subscribed
    trial_until: Instant | None = Field(None, description="Hours before it cost nothing; the start of an hour.")


class ProjectChange(BaseModel):
    """What of a project changes; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    labels: dict[str, str] | None = None
    plan: Plan | None = None
    trial_until: Instant | Literal["none"] | None = Field(None, description='"none" takes the trial away.')
    limited: StrictBool | None = None
    deleted: StrictBool | None = None


@router.post("/projects", status_code=201, summary="Add a project")
def post_project(body: NewProject, session: Transaction, access: Operator, now: Now) -> Response:
    """Add a project to an account; the very same project again is answered as it stands."""
    account = account_by_code(session, body.account, access)
    project = add_project(
        session,
        now,
        account=account,
        code=body.code,
        name=body.name,
        labels=body.labels,
        plan=body.plan,
        trial_until=body.trial_until,
    )
    return answer(_shape(project, account.code, now), 201)


@router.get("/projects", summary="List projects")
def get_projects(
    session: Transaction,
    access: Reader,
    now: Now,
    account: AccountCode = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List the projects of an account that the caller takes part in, by code."""
    payer = account_of_caller(session, access, account)
    rows = visible_projects(session, payer.id, access, need="member", after=after(cursor), limit=limit + 1)
    shape = partial(_shape, account=payer.code, now=now)
    return answer(page(rows, limit, shape, lambda project: project.code))


@router.patch("/projects/{code}", summary="Change a project")
def patch_project(code: str, body: ProjectChange, session: Transaction, access: Operator, now: Now) -> Response:
    """Change a project's name, labels, plan, trial or limit, or mark it deleted; its usage and name stay."""
    project = project_by_code(session, code, access, need="member")
    account = project.account
    change_project(
        session,
        now,
        account=account,
        project=project,
        name=body.name,
        labels=body.labels,
        plan=body.plan,
        trial_until=SAME if body.trial_until is None else None if body.trial_until == "none" else body.trial_until,
        limited=body.limited,
        deleted=body.deleted,
    )
    return answer(_shape(project, account.code, now))


def _shape(project: Project | SeenProject, account: str, now: datetime) -> Json:
    return {
        "account": account,
        "code": project.code,
        "name": project.name,
        "labels": project.labels,
        "plan": project.plan,
        "status": "deleted"
        if project.deleted_at
        else project_status(project.plan, project.trial_until, project.limited_at, now),
        "trial_until": instant(project.trial_until) if project.trial_until else None,
        "created_at": instant(project.created_at),
        "deleted_at": instant(project.deleted_at) if project.deleted_at else None,
    }
