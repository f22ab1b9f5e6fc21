"""The audit log: what was changed beside the books, and by whom, on a page and as a sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from meterbook.audit import Action, Kind, Sought, Told, entries, every_entry, written
from meterbook.console.address import address_of
from meterbook.console.operator.operator_page import HOME, AsOperator, OperatorPage
from meterbook.console.requests import RowOrNone
from meterbook.console.sheet import Cell, sheet

router = APIRouter(include_in_schema=False)

PATH: Final = f"{HOME}/audit-log"
PAGE: Final = 100
Wanted = Annotated[str, Query(max_length=400)]


@router.get("/audit-log")
def show_audit_log(
    at: AsOperator,
    account: Wanted = "",
    kind: Wanted = "",
    subject: Wanted = "",
    by: Wanted = "",
    before: RowOrNone = 0,
    form: Annotated[str, Query(alias="format")] = "",
) -> Response:
    """List what was changed, the newest first; format=csv: all of it, as a sheet."""
    account, subject, by = account.strip(), subject.strip(), by.strip()
    sought = Sought(account, Kind(kind) if kind in list(Kind) else None, subject, by)
    if form == "csv":
        return _sheet(at, sought)
    rows = entries(at.session, sought, before=before, limit=PAGE + 1)
    state = {"account": account, "kind": sought.kind, "subject": subject, "by": by}
    return at.show(
        "audit_log.html",
        "audit-log",
        sought=sought,
        rows=rows[:PAGE],
        written=written,
        kinds=_kinds(at),
        actions=_actions(at),
        csv=address_of(PATH, **state, format="csv"),
        first=address_of(PATH, **state) if before else None,
        next=address_of(PATH, **state, before=rows[PAGE - 1].entry.id) if len(rows) > PAGE else None,
    )


def _kinds(at: OperatorPage) -> Mapping[Kind, str]:
    _ = at.gettext
    return {
        Kind.account: _("Account"),
        Kind.payment_information: _("Payment information"),
        Kind.project: _("Project"),
        Kind.user: _("User"),
        Kind.membership: _("Membership"),
        Kind.api_key: _("Key"),
        Kind.product: _("Product"),
        Kind.price: _("Price"),
        Kind.promotion: _("Promotion code"),
        Kind.redemption: _("Registered code"),
        Kind.budget: _("Budget"),
        Kind.unbilled_month: _("Month left unbilled"),
    }


def _actions(at: OperatorPage) -> Mapping[Action, str]:
    _ = at.gettext
    return {Action.added: _("added"), Action.changed: _("changed"), Action.removed: _("removed")}


def _sheet(at: OperatorPage, sought: Sought) -> Response:
    _ = at.gettext
    columns = (
        *(_("Time (UTC)"), _("Who"), _("What"), _("Act"), _("Name")),
        *(_("Account"), _("Project"), _("Field"), _("Before"), _("After")),
    )
    kinds, actions = _kinds(at), _actions(at)

    def rows() -> Iterator[tuple[Cell, ...]]:
        for told in every_entry(at.request.app.state.database.reading, sought):
            yield from _rows(told, kinds, actions)

    return sheet("audit-log.csv", columns, rows())


def _rows(told: Told, kinds: Mapping[Kind, str], actions: Mapping[Action, str]) -> Iterator[tuple[Cell, ...]]:
    entry = told.entry
    what = (kinds[Kind(entry.kind)], actions[Action(entry.action)], entry.subject, entry.account, entry.project)
    for each in told.changes:
        yield entry.acted_at, entry.acted_by, *what, each.name, written(each.was), written(each.came)
    if not told.changes:
        yield entry.acted_at, entry.acted_by, *what, None, None, None
