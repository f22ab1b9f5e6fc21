"""Requests of the pages: the transaction, the hour, and who is reading."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, Form, Path, Query, Request
from sqlalchemy.orm import Session

from meterbook.accounts.access import Access
from meterbook.accounts.prove import prove_session
from meterbook.console.pages import language_of
from meterbook.console.protection import SESSION_COOKIE, check_post, read_cookie
from meterbook.database import Database, acts_as
from meterbook.errors import Denied, NotFound

# The largest number that the store gives a row: a larger one in an address is refused before it is asked for.
LARGEST_ID: Final = 2**63 - 1
RowId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
# A row that a query names, such as the one behind which a list goes on; 0: none.
RowOrNone = Annotated[int, Query(ge=0, le=LARGEST_ID)]


def transaction(request: Request) -> Iterator[Session]:
    """Open the request's one transaction, of one moment where it only reads; it is over before the answer leaves."""
    database: Database = request.app.state.database
    # staff's pages do an act and undo it, to show what it would come to
    only_reads = request.method in ("GET", "HEAD") and not request.url.path.startswith("/operator/")
    with database.reading() if only_reads else database.transaction() as session:
        yield session


Books = Annotated[Session, Depends(transaction, scope="function")]


def present_time(request: Request) -> datetime:
    """Return the present instant: the pages' one look at a clock."""
    now: datetime = request.app.state.clock()
    return now


Now = Annotated[datetime, Depends(present_time)]


TWO_FACTOR_PATH: Final = "/account/two-factor"


class TwoFactorWanted(Exception):
    """One of the staff has to turn two-factor authentication on before anything else."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A signed-in person: what they may see, the language they read, and the secret their forms are bound to."""

    access: Access
    language: str
    token: str


def signed_in(request: Request, session: Books, now: Now) -> Reader:
    """Return the reader of a page.

    Raises `Denied` ("unauthenticated"), which leads to the sign-in page, and `TwoFactorWanted`.
    """
    token = read_cookie(request, SESSION_COOKIE)
    if token is None:
        raise Denied("Sign in first.", "unauthenticated")
    access, user = prove_session(session, token, now)
    wanted: bool = request.app.state.settings.staff_two_factor and user.is_operator
    if wanted and user.totp_secret is None and request.url.path != TWO_FACTOR_PATH:
        raise TwoFactorWanted
    acts_as(session, access.subject)
    # what is rendered has no session: the page looks for the reader's own theme here
    request.state.own_theme = user.theme
    return Reader(access, language_of(request, user.language), token)


SignedIn = Annotated[Reader, Depends(signed_in, scope="function")]


def posted(request: Request, reader: SignedIn, form_token: Annotated[str, Form()] = "") -> Reader:
    """Return the reader who posted a form that a page of ours showed them. Raises `Denied` ("stale-form")."""
    check_post(request, reader.token, form_token)
    return reader


# Every route that a form posts to depends on this; it is the only proof that the reader meant it.
Posted = Annotated[Reader, Depends(posted, scope="function")]


def operator(reader: SignedIn) -> Reader:
    """Return a reader of the operator's staff; to anybody else the page does not exist. Raises `NotFound`."""
    if not reader.access.may_operate():
        raise NotFound("There is no such page.")
    return reader


OfOperator = Annotated[Reader, Depends(operator, scope="function")]
