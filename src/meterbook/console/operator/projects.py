"""Projects of an account: the list, adding one, and changing its name, plan, trial, limit and labels."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from meterbook.accounts.add_project import add_project
from meterbook.accounts.change_project import change_project
from meterbook.accounts.queries import project_by_code, projects_page, zone_of
from meterbook.accounts.tables import Account, Project
from meterbook.console.address import address_of
from meterbook.console.operator.fields import Fields, Form, Sent, fields_of
from meterbook.console.operator.operator_page import HOME, AsOperator, OperatorPage, Problems, led_to, status_of
from meterbook.console.requests import Posted
from meterbook.core.roles import Plan, project_status
from meterbook.core.sentence import say
from meterbook.errors import Invalid, NotFound

router = APIRouter(include_in_schema=False)

HERE = "accounts"
PAGE = 100


@router.get("/accounts/{code}/projects")
def show_projects(at: AsOperator, code: str, q: str = "", after: str = "") -> Response:
    """List an account's projects, those that a search finds, and show the form of a new one."""
    return _list(at, at.account(code), Form(), q=q, after=after)


@router.post("/accounts/{code}/projects")
def post_project(at: AsOperator, _posted: Posted, sent: Sent, code: str) -> Response:
    """Add a project."""
    account = at.account(code)
    try:
        at.attempt(lambda: _added(at, account, sent))
    except Problems as problem:
        return _list(at, account, Form(sent, problem), status=status_of(problem))
    return led_to(_path(account), "project-added")


@router.get("/accounts/{code}/projects/{project}")
def show_project(at: AsOperator, code: str, project: str) -> Response:
    """Show a project with the form that changes it."""
    account, row = _found(at, code, project)
    return _page(at, account, row, Form())


@router.post("/accounts/{code}/projects/{project}")
def post_change(at: AsOperator, _posted: Posted, sent: Sent, code: str, project: str) -> Response:
    """Change a project: what its form says, or one step that its buttons name (limit, lift, delete, restore)."""
    account, row = _found(at, code, project)
    try:
        done = at.attempt(lambda: _changed(at, account, row, sent))
    except Problems as problem:
        return _page(at, account, row, Form(sent, problem), status_of(problem))
    return led_to(f"{_path(account)}/{row.code}", done)


def labels_in(text: str) -> dict[str, str]:
    """Read labels, one a line as "team = web". Raises `Invalid` naming the field."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if not line.strip():
            continue
        if not equals or not name.strip():
            raise Invalid("Write one label a line, such as team = web.", field="labels")
        if name.strip() in found:
            raise Invalid(say("The label %(name)s is there twice.", name=name.strip()), field="labels")
        found[name.strip()] = value.strip()
    return found


def _path(account: Account) -> str:
    return f"{HOME}/accounts/{account.code}/projects"


def _found(at: OperatorPage, code: str, project: str) -> tuple[Account, Project]:
    account = at.account(code)
    row = project_by_code(at.session, project, at.reader.access, need="member")
    if row.account_id != account.id:
        raise NotFound("There is no such project.", "unknown-project")
    return account, row


def _added(at: OperatorPage, account: Account, sent: Fields) -> Project:
    code = sent.text("code", 100)
    return add_project(
        at.session,
        at.now,
        account=account,
        code=code,
        name=sent.text("name", 400) or code,
        labels=_labels(sent),
        plan=sent.text("plan", 40),
        trial_until=sent.moment("trial_until", zone_of(account)),
    )


def _changed(at: OperatorPage, account: Account, row: Project, sent: Fields) -> str:
    step = sent.text("step", 20)
    if step in ("limit", "lift"):
        change_project(at.session, at.now, account=account, project=row, limited=step == "limit")
        return f"project-{step}"
    if step in ("delete", "restore"):
        change_project(at.session, at.now, account=account, project=row, deleted=step == "delete")
        return f"project-{step}"
    change_project(
        at.session,
        at.now,
        account=account,
        project=row,
        name=sent.text("name", 400),
        labels=_labels(sent),
        plan=sent.text("plan", 40),
        trial_until=sent.moment("trial_until", zone_of(account)),
    )
    return "project-changed"


def _labels(sent: Fields) -> dict[str, str]:
    return labels_in(sent.values.get("labels", ("",))[0][:20_000])


def _list(
    at: OperatorPage, account: Account, form: Form, *, q: str = "", after: str = "", status: int = 200
) -> Response:
    rows = projects_page(at.session, account.id, search=q, after=after, limit=PAGE + 1)
    zone = zone_of(account)
    return at.show(
        "projects.html",
        HERE,
        status,
        account=account,
        tab="projects",
        zone=zone,
        form=form,
        q=q,
        plans=list(Plan),
        rows=[
            (
                row,
                project_status(row.plan, row.trial_until, row.limited_at, at.now),
                zone.local(row.trial_until) if row.trial_until and row.trial_until > at.now else None,
            )
            for row in rows[:PAGE]
        ],
        next=address_of(_path(account), q=q, after=rows[PAGE - 1].code) if len(rows) > PAGE else None,
        first=address_of(_path(account), q=q) if after else None,
    )


def _page(at: OperatorPage, account: Account, row: Project, form: Form, status: int = 200) -> Response:
    zone = zone_of(account)
    stands = fields_of(
        [
            ("name", row.name),
            ("plan", row.plan),
            ("labels", "\n".join(f"{name} = {value}" for name, value in row.labels.items())),
            ("trial_until", f"{zone.local(row.trial_until):%Y-%m-%dT%H:%M}" if row.trial_until else ""),
        ]
    )
    return at.show(
        "project.html",
        HERE,
        status,
        account=account,
        tab="projects",
        zone=zone,
        project=row,
        form=form if form.problem else Form(stands),
        plans=list(Plan),
        stands=project_status(row.plan, row.trial_until, row.limited_at, at.now),
        limited_on=zone.local(row.limited_at) if row.limited_at else None,
        deleted_on=zone.local(row.deleted_at) if row.deleted_at else None,
    )
