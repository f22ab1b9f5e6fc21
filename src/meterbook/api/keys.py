"""Routes of API keys."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from meterbook.accounts.create_key import create_key, revoke_key
from meterbook.accounts.queries import account_by_code, key_by_prefix, keys, project_by_code
from meterbook.accounts.tables import Account, ApiKey
from meterbook.api.paging import Cursor, Limit, after_number, page
from meterbook.api.permission import Now, Operator, Transaction
from meterbook.api.shapes import Json, answer, instant
from meterbook.api.times import Instant
from meterbook.core.roles import Scope
from meterbook.errors import Invalid

router = APIRouter(tags=["keys"])


class NewKey(BaseModel):
    """What a key is for."""

    model_config = ConfigDict(extra="forbid")

    scope: Scope
    account: str | None = Field(None, description="The account, for the scopes events and account.")
    project: str | None = Field(None, description="Narrows the key to one project of the account.")
    name: str = ""
    expires_at: Instant | None = None


@router.post("/keys", status_code=201, summary="Create a key")
def post_key(body: NewKey, session: Transaction, access: Operator, now: Now) -> Response:
    """Create a key; `key` is told this once and cannot be read again."""
    account = account_by_code(session, body.account, access) if body.account is not None else None
    project = project_by_code(session, body.project, access, need="member") if body.project is not None else None
    if project is not None and (account is None or project.account_id != account.id):
        raise Invalid(f"The project {project.code} is not of that account.", "wrong-project", field="project")
    made = create_key(
        session, now, scope=body.scope, account=account, project=project, name=body.name, expires_at=body.expires_at
    )
    return answer({"key": made.secret, **_shape(made.key)}, 201)


@router.get("/keys", summary="List keys")
def get_keys(
    session: Transaction,
    access: Operator,
    account: str | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List keys, of one account or all, in the order they were made; never their secrets."""
    payer: Account | None = account_by_code(session, account, access) if account is not None else None
    rows = keys(session, account_id=payer.id if payer else None, after=after_number(cursor), limit=limit + 1)
    return answer(page(rows, limit, _shape, lambda key: key.id))


@router.delete("/keys/{prefix}", status_code=204, summary="Revoke a key")
def delete_key(prefix: str, request: Request, session: Transaction, _access: Operator, now: Now) -> Response:
    """End a key: it proves nothing from now on, within five seconds in other processes."""
    revoke_key(session, now, key=key_by_prefix(session, prefix))
    request.app.state.proofs.forget()
    return Response(status_code=204)


def _shape(key: ApiKey) -> Json:
    return {
        "prefix": key.prefix,
        "scope": key.scope,
        "name": key.name,
        "created_at": instant(key.created_at),
        "expires_at": instant(key.expires_at) if key.expires_at else None,
        "revoked_at": instant(key.revoked_at) if key.revoked_at else None,
        "last_used_on": key.last_used_on.isoformat() if key.last_used_on else None,
    }
