"""Who may call a route: the permission it names, the bearer key that proves it, and the transaction it runs in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from meterbook.accounts.access import Access
from meterbook.accounts.prove import prove_key, prove_local
from meterbook.database import Database, acts_as
from meterbook.errors import Denied
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore

_bearer = HTTPBearer(auto_error=False, description="An API key: `Authorization: Bearer mbk_...`")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


class Permission(StrEnum):
    """What a caller has to hold: to send events, to read and act for an account, or to operate everything."""

    send_events = "send_events"
    read_account = "read_account"
    operate = "operate"


def database_of(request: Request) -> Database:
    """Return the money store the application was made with."""
    database: Database = request.app.state.database
    return database


# Dependencies that only look something up are async: a synchronous one costs each request a hop to a thread.
async def usage_of(request: Request) -> UsageStore:
    """Return the usage store the application was made with."""
    store: UsageStore = request.app.state.usage
    return store


async def settings_of(request: Request) -> Settings:
    """Return the settings the application was made with."""
    settings: Settings = request.app.state.settings
    return settings


async def moment(request: Request) -> datetime:
    """Read the clock, once a request: nothing below a door does."""
    now: datetime = request.app.state.clock()
    return now


def transaction(request: Request) -> Iterator[Session]:
    """Open the request's one transaction, of one moment where it only reads; it is over before the answer leaves."""
    database = database_of(request)
    with database.reading() if request.method in ("GET", "HEAD") else database.transaction() as session:
        yield session


Transaction = Annotated[Session, Depends(transaction, scope="function")]
Now = Annotated[datetime, Depends(moment)]
Usage = Annotated[UsageStore, Depends(usage_of)]
Config = Annotated[Settings, Depends(settings_of)]


class Requires:
    """The dependency of a route that needs `permission`; gives the proof of access.

    Raises `Denied`: 401 without a valid key, 403 with a key of another scope.
    """

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    def __call__(self, request: Request, session: Transaction, now: Now, credentials: Credentials) -> Access:
        """Return the proof of access; raises `Denied`."""
        access = prove(request, session, now, credentials.credentials if credentials else "")
        check(access, self.permission)
        acts_as(session, access.subject)
        return access


def prove(request: Request, session: Session, now: datetime, bearer: str) -> Access:
    """Turn the bearer's text into a proof of access; raises `Denied` (401)."""
    local: str = request.app.state.local_token
    if bearer.startswith(LOCAL_PREFIX):
        return prove_local(bearer, local)
    return prove_key(session, bearer, now)


def check(access: Access, permission: Permission) -> None:
    """Raise `Denied` (403) unless the access holds the permission."""
    held = {
        Permission.send_events: access.may_send,
        Permission.read_account: access.may_read,
        Permission.operate: access.may_operate,
    }
    if not held[permission]():
        raise Denied(_NEEDS[permission], "forbidden")


LOCAL_PREFIX = "local_"
_NEEDS = {
    Permission.send_events: "This key may not send events: use one with the scope events.",
    Permission.read_account: "This key may only send events: use one with the scope account to read.",
    Permission.operate: "This needs a key with the scope operator.",
}

Sender = Annotated[Access, Depends(Requires(Permission.send_events), scope="function")]
Reader = Annotated[Access, Depends(Requires(Permission.read_account), scope="function")]
Operator = Annotated[Access, Depends(Requires(Permission.operate), scope="function")]
