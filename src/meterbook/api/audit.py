"""The route of the audit log: what was changed beside the books, and by whom."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from meterbook.api.paging import Cursor, Limit, after_number, page
from meterbook.api.permission import Operator, Transaction
from meterbook.api.shapes import Json, answer, instant
from meterbook.audit import Kind, Sought, Told, entries

router = APIRouter(tags=["audit log"])

OfAccount = Annotated[str | None, Query(max_length=64, description="The code of an account.")]
OfKind = Annotated[Kind | None, Query(description="What was changed.")]
Subject = Annotated[
    str | None,
    Query(max_length=254, description="The thing's code, e-mail or key prefix; of a product, its prices too."),
]
By = Annotated[str | None, Query(max_length=254, description="Who acted: an e-mail, a key's prefix or local.")]


@router.get("/audit-log", summary="List what was changed, and by whom")
def get_audit_log(
    session: Transaction,
    _access: Operator,
    account: OfAccount = None,
    kind: OfKind = None,
    subject: Subject = None,
    by: By = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List changes of accounts, people, keys, prices, promotions and budgets, the newest first."""
    sought = Sought(account, kind, subject, by)
    rows = entries(session, sought, before=after_number(cursor), limit=limit + 1)
    return answer(page(rows, limit, _shape, lambda told: told.entry.id))


def _shape(told: Told) -> Json:
    entry = told.entry
    return {
        "id": entry.id,
        "at": instant(entry.acted_at),
        "by": entry.acted_by,
        "kind": entry.kind,
        "action": entry.action,
        "subject": entry.subject,
        "account": entry.account,
        "project": entry.project,
        "changes": {each.name: {"from": each.was, "to": each.came} for each in told.changes},
    }
