"""Writes that move money: with an `Idempotency-Key`, the same request again is answered as before and acts no more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import Header, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from meterbook.accounts.access import Access
from meterbook.idempotency import Answer, once

Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", max_length=255, description="The same key and request again acts no more."),
]


def answered_once(
    request: Request,
    session: Session,
    now: datetime,
    access: Access,
    key: str | None,
    body: BaseModel,
    act: Callable[[], Response],
) -> Response:
    """Return the answer of `act`, or the one that this caller's key got before."""

    def answer() -> Answer:
        made = act()
        return Answer(made.status_code, bytes(made.body))

    return given(once(session, now, access.subject, key, asked(request, body), answer))


def asked(request: Request, body: BaseModel) -> bytes:
    """Return what makes a request the same one when it comes again: where it goes and what it says."""
    return f"{request.method} {request.url.path}\n{body.model_dump_json()}".encode()


def given(kept: Answer) -> Response:
    """Return the response of an answer, kept or just made."""
    return Response(kept.body, kept.status, {"Cache-Control": "no-store"}, "application/json")
